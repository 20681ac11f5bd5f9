//! Files against their checksums.

use std::io;
use std::path::Path;

use super::manifest::{DataManifest, FileEntry, inner_path};
use super::{DataError, parquet};
use gac_systems::sha256;

/// What a file turns out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FileState {
    /// The hub's file, by its checksum.
    Hub,
    /// The file as rebuilt from public repositories, by its checksum.
    Rebuilt,
    /// A file of lm-evaluation-harness, by its checksum.
    Source,
    /// None of the known files, and not a damaged one of them either: it has another size. It is read, and its rows
    /// and columns decide whether it will do.
    Other,
}

/// Checks a file of a data set that lies at `path` below the data set's `root` (in a data folder or the hub's cache).
///
/// # Errors
/// When it has a known file's size (or the hub's cache names its checksum) but not the checksum.
pub(super) fn dataset_file(id: &str, root: &Path, path: &Path) -> Result<FileState, DataError> {
    let entry = inner_path(root, path).and_then(|inner| DataManifest::built_in().file(id, &inner));
    let failed = |source: io::Error| DataError::Read { path: path.to_owned(), source: source.into() };
    let bytes = path.metadata().map_err(failed)?.len();
    let rebuilt = entry.and_then(|entry| entry.rebuilt.as_ref()).filter(|rebuilt| rebuilt.bytes == bytes);
    let cached = named_checksum(path);
    let hub = entry.and_then(|entry| entry.sha256.clone());
    if rebuilt.is_none() && hub.is_none() && cached.is_none() {
        return Ok(FileState::Other);
    }
    let (_, found) = sha256::of_file(path).map_err(failed)?;
    if hub.as_ref() == Some(&found) {
        return Ok(FileState::Hub);
    }
    if let Some(rebuilt) = rebuilt {
        return if rebuilt.sha256 == found { Ok(FileState::Rebuilt) } else { damaged(path, &rebuilt.sha256, found) };
    }
    match cached {
        // The cache names the hub's files by their checksum.
        Some(expected) if expected != found => damaged(path, &expected, found),
        Some(_) => Ok(FileState::Hub),
        None => Ok(FileState::Other),
    }
}

/// Checks a file of lm-evaluation-harness against the manifest; `place` is where it lies in a data folder.
///
/// # Errors
/// When its checksum is another, or it cannot be read.
pub(super) fn source_file(place: &str, path: &Path) -> Result<FileState, DataError> {
    let Some((_, file)) = DataManifest::built_in().source(place) else { return Ok(FileState::Other) };
    let (_, found) =
        sha256::of_file(path).map_err(|source| DataError::Read { path: path.to_owned(), source: source.into() })?;
    if found == file.sha256 { Ok(FileState::Source) } else { damaged(path, &file.sha256, found) }
}

/// Checks the number of rows of a file that is read.
///
/// # Errors
/// When it does not parse.
pub(super) fn rows(path: &Path) -> Result<usize, DataError> {
    parquet::height(path)
}

/// The rows that a file in this state should have; `None` where nothing is known of them.
pub(super) fn expected_rows(entry: &FileEntry, state: FileState) -> Option<usize> {
    match (state, &entry.rebuilt) {
        (FileState::Rebuilt, Some(rebuilt)) => Some(rebuilt.rows),
        (FileState::Hub, _) => entry.rows,
        _ => None,
    }
}

/// The checksum by which the hub's cache names a file, where it does.
fn named_checksum(path: &Path) -> Option<String> {
    let target = path.read_link().ok()?;
    let name = target.file_name()?.to_str()?;
    (name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| name.to_owned())
}

fn damaged(path: &Path, expected: &str, found: String) -> Result<FileState, DataError> {
    Err(DataError::Damaged { path: path.to_owned(), expected: expected.to_owned(), found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const ID: &str = "openai/gsm8k";
    const INNER: &str = "main/test-00000-of-00001.parquet";

    fn write(bytes: &[u8]) -> (tempfile::TempDir, std::path::PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(INNER);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        (folder, path)
    }

    #[test]
    fn a_file_of_a_known_size_and_another_checksum_is_refused() {
        let bytes = DataManifest::built_in().file(ID, INNER).unwrap().rebuilt.as_ref().unwrap().bytes;
        let (folder, path) = write(&vec![0; bytes as usize]);
        let error = dataset_file(ID, folder.path(), &path).unwrap_err();
        assert!(matches!(&error, DataError::Damaged { expected, .. } if expected.starts_with("673f607e")), "{error}");
    }

    #[test]
    fn a_file_of_another_size_is_another_file() {
        let (folder, path) = write(b"rows of our own");
        assert_eq!(dataset_file(ID, folder.path(), &path).unwrap(), FileState::Other);
        assert_eq!(dataset_file("a/b", folder.path(), &path).unwrap(), FileState::Other);
    }

    #[cfg(unix)]
    #[test]
    fn the_hubs_cache_names_its_files_by_their_checksum() {
        let (folder, path) = write(b"");
        fs::remove_file(&path).unwrap();
        let blob = |name: &str| {
            let blob = folder.path().join(name);
            fs::write(&blob, b"abc").unwrap();
            let _ = fs::remove_file(&path);
            std::os::unix::fs::symlink(&blob, &path).unwrap();
            dataset_file("a/b", folder.path(), &path)
        };
        let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(blob(right).unwrap(), FileState::Hub);
        assert!(blob(&right.replace("ba", "ab")).is_err());
        assert_eq!(blob("0123abc").unwrap(), FileState::Other, "a git hash is no checksum of the content");
    }

    #[test]
    fn a_changed_file_of_shots_is_refused() {
        let place = "EleutherAI/lm-evaluation-harness/0.4.13/lm_eval/tasks/gsm8k/gsm8k-cot.yaml";
        let (_folder, path) = write(b"fewshot_config: {}\n");
        assert!(matches!(source_file(place, &path), Err(DataError::Damaged { .. })));
        assert_eq!(source_file("elsewhere.yaml", &path).unwrap(), FileState::Other);
    }
}
