//! What makes a sample itself: contents of files, never their names, and settings, never a recipe's words for them.

mod data;
mod file_hash;
mod model;
mod sample;

pub use data::{DataFiles, DataFilesError, TaskFile, data_files, task_files};
pub use file_hash::{FileHash, HashCache};
pub use model::{FileRole, IdentityError, ModelFile, ModelIdentity};
pub use sample::{SampleIdentity, SystemIdentity};

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

/// SHA-256 of `bytes`, hexadecimal.
pub fn sha256_hex(bytes: impl AsRef<[u8]>) -> String {
    hex(&Sha256::digest(bytes))
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}
