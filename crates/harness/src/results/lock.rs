//! One process at a time in a run's folder.

use std::fs::{File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;

use super::folder_error::FolderError;

/// The lock file's name in a run's folder. It stays there; the lock on it is what counts, and that ends with the process.
pub(super) const LOCK: &str = ".lock";

/// Held while a run writes to its folder.
#[derive(Debug)]
pub struct RunLock {
    _file: File,
}

impl RunLock {
    /// Takes the lock of the folder at `path`, which must exist.
    ///
    /// # Errors
    /// When another process has it, or the file system refuses.
    pub fn take(path: &Path) -> Result<Self, FolderError> {
        let lock = path.join(LOCK);
        let failed = |source| FolderError::Write { path: lock.clone(), source };
        let mut file =
            File::options().create(true).truncate(false).read(true).write(true).open(&lock).map_err(failed)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let mut holder = String::new();
                // Who holds it is told where it can be read; on some systems a locked file cannot.
                let _ = file.read_to_string(&mut holder);
                let holder = Some(holder.trim().to_owned()).filter(|holder| !holder.is_empty());
                return Err(FolderError::InUse { path: path.to_path_buf(), holder });
            }
            Err(TryLockError::Error(error)) if error.kind() == io::ErrorKind::Unsupported => {
                tracing::warn!(folder = %path.display(), "the file system has no locks; start one gac at a time here");
            }
            Err(TryLockError::Error(error)) => return Err(failed(error)),
        }
        let said = file
            .set_len(0)
            .and_then(|()| file.rewind())
            .and_then(|()| writeln!(file, "process {}", std::process::id()))
            .and_then(|()| file.flush());
        said.map_err(failed)?;
        Ok(Self { _file: file })
    }

    /// Whether some process has the lock of the folder at `path`.
    pub fn is_held(path: &Path) -> bool {
        File::open(path.join(LOCK)).is_ok_and(|file| matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_is_refused_and_told_who_holds_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = RunLock::take(folder.path()).unwrap();
        assert!(RunLock::is_held(folder.path()));
        let error = RunLock::take(folder.path()).unwrap_err();
        assert_eq!(
            error.to_string(),
            format!("`{}` is in use by another gac (process {})", folder.path().display(), std::process::id())
        );
        drop(first);
        assert!(!RunLock::is_held(folder.path()));
        RunLock::take(folder.path()).unwrap();
    }
}
