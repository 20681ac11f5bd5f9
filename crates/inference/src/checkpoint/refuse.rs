//! Refuses files that are something else than they should be.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::error::CheckpointError;
use super::file_kind::{Expected, HEAD, unexpected};

/// Refuses a file that begins as something else does. One that cannot be read is left to whoever reads it.
pub(crate) fn refuse_others(path: &Path, expected: Expected) -> Result<(), CheckpointError> {
    let mut head = Vec::with_capacity(HEAD);
    match File::open(path).and_then(|file| file.take(HEAD as u64).read_to_end(&mut head)) {
        Ok(_) => refuse_head(path, &head, expected),
        Err(_) => Ok(()),
    }
}

/// As [`refuse_others`], of a file whose beginning, or all of it, is `head`.
pub(super) fn refuse_head(path: &Path, head: &[u8], expected: Expected) -> Result<(), CheckpointError> {
    match unexpected(head, expected) {
        None => Ok(()),
        Some(found) => Err(CheckpointError::WrongKind { path: path.display().to_string(), found }),
    }
}
