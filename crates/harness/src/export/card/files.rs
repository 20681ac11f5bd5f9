//! The files of a run, by their contents.

use gac_systems::sha256;

use crate::export::error::ExportError;
use crate::results::{RESULTS, SAMPLES, StoredRun};

/// A file of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResultFile {
    /// Its place in the run's folder, with `/` between folders.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// SHA-256, hexadecimal.
    pub sha256: String,
}

/// The samples and results of every task under every system.
///
/// # Errors
/// When one cannot be read.
pub fn result_files(run: &StoredRun) -> Result<Vec<ResultFile>, ExportError> {
    let mut files = Vec::new();
    for system in &run.manifest.systems {
        for task in &run.manifest.tasks {
            for name in [SAMPLES, RESULTS] {
                let path = run.folder.join(&system.folder).join(&task.folder).join(name);
                let (bytes, sha256) = sha256::of_file(&path).map_err(|source| ExportError::Read { path, source })?;
                files.push(ResultFile { path: format!("{}/{}/{name}", system.folder, task.folder), bytes, sha256 });
            }
        }
    }
    Ok(files)
}
