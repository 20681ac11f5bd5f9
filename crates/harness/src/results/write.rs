//! Whole files, or none.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

/// What temporary files' names begin with.
const PREFIX: &str = ".gac-";
/// What they end with.
const SUFFIX: &str = ".tmp";

/// Whether a file of this name was being written when its process was killed.
pub(super) fn is_temporary(name: &OsStr) -> bool {
    name.to_str().is_some_and(|name| name.starts_with(PREFIX) && name.ends_with(SUFFIX))
}

/// Writes a file so that a reader, or a crash, sees the old content or the new, never a part: a temporary file beside
/// it, forced to the disk, then renamed over it.
///
/// # Errors
/// When the folder cannot be written; the old content is intact then, and the temporary file is gone.
pub fn write_atomic(path: &Path, content: &[u8]) -> io::Result<()> {
    let name = path.file_name().ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, "not a file's path"))?;
    let mut temporary_name = OsString::from(PREFIX);
    temporary_name.push(name);
    temporary_name.push(format!(".{}{SUFFIX}", std::process::id()));
    let temporary = path.with_file_name(temporary_name);

    let written = File::create(&temporary).and_then(|mut file| {
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    });
    if written.is_err() {
        // The error to report is the first one.
        let _ = fs::remove_file(&temporary);
    } else if cfg!(unix)
        && let Some(folder) = path.parent()
    {
        // The rename itself is on the disk once the folder is. Some file systems cannot sync one; nothing is lost then
        // that was there before.
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_replaced_whole_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        write_atomic(&path, b"old and long").unwrap();
        write_atomic(&path, b"new").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_failed_write_leaves_no_temporary_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results.json");
        fs::create_dir(&path).unwrap();
        fs::write(path.join("inhabitant"), "").unwrap();
        write_atomic(&path, b"new").unwrap_err();
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
