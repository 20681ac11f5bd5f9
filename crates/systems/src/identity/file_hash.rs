//! SHA-256 of files, computed once per content.

use std::collections::BTreeMap;
use std::env;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Deserialize, Serialize};

use crate::files::sha256;
use crate::files::write::write_atomic;

/// A file touched more recently than this may change again without its time of change showing it.
const SETTLED: Duration = Duration::from_secs(2);

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileHash {
    /// Its size.
    pub bytes: u64,
    /// SHA-256 of its contents, hexadecimal.
    pub sha256: String,
}

impl FileHash {
    /// What stands for a file's contents for as long as it is not touched: its times and place on the disk.
    ///
    /// # Errors
    /// When it is not there.
    pub fn stamp(path: &Path) -> io::Result<Self> {
        let path = path.canonicalize()?;
        let state = FileStamp::of(&path.metadata()?);
        Ok(Self { bytes: state.bytes, sha256: sha256::of_bytes(format!("{} {state:?}", path.display())) })
    }
}

/// Remembers the hashes of files whose size, times and place on the disk have not changed since.
///
/// Weights of a hundred gigabytes take minutes to hash; a run that is resumed should not wait for that again.
#[derive(Debug)]
pub struct HashCache {
    /// Where it is kept; nowhere when the user has no cache folder.
    path: Option<PathBuf>,
    entries: BTreeMap<PathBuf, HashEntry>,
    changed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct HashEntry {
    state: FileStamp,
    sha256: String,
}

/// What changes when a file does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct FileStamp {
    bytes: u64,
    /// Nanoseconds since 1970.
    modified: u128,
    /// Nanoseconds since 1970 of the last change of contents or attributes; 0 where the system has no such time.
    changed: u128,
    /// Inode; 0 where there are none.
    inode: u64,
}

impl HashCache {
    /// The user's cache: `$GAC_CACHE`, else `gac` in `$XDG_CACHE_HOME` or `~/.cache`.
    ///
    /// One that cannot be read is an empty one.
    pub fn of_user() -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let folder = set("GAC_CACHE")
            .or_else(|| set("XDG_CACHE_HOME").map(|folder| folder.join("gac")))
            .or_else(|| set("HOME").or_else(|| set("USERPROFILE")).map(|home| home.join(".cache/gac")));
        folder.map_or_else(|| Self { path: None, entries: BTreeMap::new(), changed: false }, |folder| Self::at(&folder))
    }

    /// The cache in `folder`.
    pub fn at(folder: &Path) -> Self {
        let path = folder.join("sha256.json");
        let entries = fs::read(&path).ok().and_then(|text| serde_json::from_slice(&text).ok()).unwrap_or_default();
        Self { path: Some(path), entries, changed: false }
    }

    /// Size and SHA-256 of a file.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn hash(&mut self, path: &Path) -> io::Result<FileHash> {
        let path = path.canonicalize()?;
        let state = FileStamp::of(&path.metadata()?);
        if let Some(entry) = self.entries.get(&path).filter(|entry| entry.state == state) {
            return Ok(FileHash { bytes: state.bytes, sha256: entry.sha256.clone() });
        }
        tracing::info!(file = %path.display(), bytes = state.bytes, "hashing");
        let (bytes, sha256) = sha256::of_file(&path)?;
        // JSON has no names that are no text.
        if state.is_settled() && path.to_str().is_some() {
            self.entries.insert(path, HashEntry { state, sha256: sha256.clone() });
            self.changed = true;
        }
        Ok(FileHash { bytes, sha256 })
    }

    /// Keeps what was learnt. A cache that cannot be written costs time later and nothing else.
    pub fn save(&mut self) {
        let Some(path) = self.path.as_ref().filter(|_| self.changed) else { return };
        let written = serde_json::to_vec(&self.entries).map_err(io::Error::from).and_then(|json| {
            path.parent().map_or(Ok(()), fs::create_dir_all)?;
            write_atomic(path, &json)
        });
        match written {
            Ok(()) => self.changed = false,
            Err(error) => tracing::debug!(path = %path.display(), %error, "hashes of files are not kept"),
        }
    }
}

impl FileStamp {
    fn of(metadata: &Metadata) -> Self {
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let (changed, inode) = change(metadata);
        Self { bytes: metadata.len(), modified: modified.map_or(0, |time| time.as_nanos()), changed, inode }
    }

    fn is_settled(&self) -> bool {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        now.as_nanos().saturating_sub(self.modified.max(self.changed)) > SETTLED.as_nanos()
    }
}

#[cfg(unix)]
fn change(metadata: &Metadata) -> (u128, u64) {
    use std::os::unix::fs::MetadataExt;
    let seconds = u128::try_from(metadata.ctime()).unwrap_or(0);
    let nanoseconds = u128::try_from(metadata.ctime_nsec()).unwrap_or(0);
    (seconds * 1_000_000_000 + nanoseconds, metadata.ino())
}

#[cfg(not(unix))]
fn change(_metadata: &Metadata) -> (u128, u64) {
    (0, 0)
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::*;

    /// Sets a file's time of modification some way back. Its time of change stays.
    fn age(path: &Path) {
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_hours(1)).unwrap();
    }

    #[test]
    fn a_files_hash_is_its_contents_sha256() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        let found = HashCache::at(folder.path()).hash(&path).unwrap();
        // FIPS 180-2, appendix B.1.
        assert_eq!(found.sha256, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(found.bytes, 3);
        assert!(HashCache::at(folder.path()).hash(&folder.path().join("b")).is_err());
    }

    #[test]
    fn a_hash_is_remembered_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a").canonicalize().unwrap_or_else(|_| folder.path().join("a"));
        fs::write(&path, "abc").unwrap();
        let path = path.canonicalize().unwrap();
        let state = FileStamp::of(&path.metadata().unwrap());
        let mut cache = HashCache::at(folder.path());
        // A remembered hash that is wrong shows that the file was not read.
        cache.entries.insert(path.clone(), HashEntry { state, sha256: "remembered".into() });
        cache.changed = true;
        cache.save();
        assert_eq!(HashCache::at(folder.path()).hash(&path).unwrap().sha256, "remembered");

        fs::write(&path, "abd").unwrap();
        let changed = HashCache::at(folder.path()).hash(&path).unwrap().sha256;
        assert!(changed.starts_with("a52d159f262b2c6ddb724a61840befc3"), "{changed}");
    }

    #[test]
    fn a_file_that_was_just_written_is_not_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "abc").unwrap();
        age(&path);
        let mut cache = HashCache::at(folder.path());
        cache.hash(&path).unwrap();
        // Its attributes changed this very moment, whatever its time of modification says.
        assert_eq!(cache.entries.is_empty(), cfg!(unix));
    }
}
