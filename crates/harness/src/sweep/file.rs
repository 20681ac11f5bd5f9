//! `sweep.json`: what a sweep leaves for reports and scripts.

use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::point::SweepReport;

/// The file's name in a folder that a sweep was written to.
pub const SWEEP_FILE: &str = "sweep.json";
/// Version of the file's form: 1 named a system and its task only in its points.
const VERSION: u32 = 2;

/// Every system of a sweep on every task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepFile {
    /// Version of the file's form.
    pub version: u32,
    /// One per system and task, in the order in which they were done.
    pub sweeps: Vec<SweepEntry>,
}

/// One system on one task, at every threshold.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SweepEntry {
    /// The system's name: which members, method and weights.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The version of the task's definition.
    pub task_version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// What was found.
    #[serde(flatten)]
    pub report: SweepReport,
}

impl SweepFile {
    /// A sweep that has come so far.
    pub fn new(sweeps: Vec<SweepEntry>) -> Self {
        Self { version: VERSION, sweeps }
    }

    /// Reads the sweep at `path`: the file, or a folder with a [`SWEEP_FILE`] in it.
    ///
    /// # Errors
    /// When there is none, it is no sweep, it is of another version, or it has no points.
    pub fn read(path: &Path) -> Result<Self, SweepFileError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
            #[serde(rename = "sweeps")]
            _sweeps: IgnoredAny,
        }

        let path = if path.is_dir() { path.join(SWEEP_FILE) } else { path.to_path_buf() };
        let text = std::fs::read(&path).map_err(|source| SweepFileError::Read { path: path.clone(), source })?;
        let damaged = |source| SweepFileError::Damaged { path: path.clone(), source };
        let Versioned { version, .. } = serde_json::from_slice(&text).map_err(damaged)?;
        if version != VERSION {
            return Err(SweepFileError::Version { path, version });
        }
        let file: Self = serde_json::from_slice(&text).map_err(damaged)?;
        if file.sweeps.iter().all(|entry| entry.report.points.is_empty()) {
            return Err(SweepFileError::Empty { path });
        }
        Ok(file)
    }

    /// Reads the sweep that was written into `folder`, if there is one.
    ///
    /// # Errors
    /// As [`read`](Self::read), but for one that is not there.
    pub fn inside(folder: &Path) -> Result<Option<Self>, SweepFileError> {
        let path = folder.join(SWEEP_FILE);
        if path.is_file() { Self::read(&path).map(Some) } else { Ok(None) }
    }
}

/// A sweep's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SweepFileError {
    /// It cannot be read.
    #[error("failed to read the sweep `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is something else.
    #[error("`{}` is not what a sweep writes", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is of another version.
    #[error("`{}` has version {version}; this gac reads version {VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
    /// It has no points.
    #[error("`{}` has no points", path.display())]
    Empty {
        /// The file.
        path: PathBuf,
    },
}

impl SweepFileError {
    /// The way out, for a `hint:` line.
    pub fn hint(&self) -> Option<&'static str> {
        Some(match self {
            Self::Read { .. } | Self::Damaged { .. } => {
                "a sweep's file is the `sweep.json` that `gac sweep --output-path DIR` writes into DIR"
            }
            Self::Version { .. } => "it was written by another version of gac; sweep again",
            Self::Empty { .. } => "the sweep was cut short before its first task ended; sweep again",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::point::testing;
    use super::*;

    fn written(text: &str) -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(SWEEP_FILE);
        std::fs::write(&path, text).unwrap();
        (folder, path)
    }

    #[test]
    fn what_was_written_is_read_from_the_file_and_from_its_folder() {
        let file = testing::file(&["a + b"], &["gsm8k"], &[0.0, 1.0]);
        let (folder, path) = written(&serde_json::to_string(&file).unwrap());
        assert_eq!(SweepFile::read(&path).unwrap(), file);
        assert_eq!(SweepFile::read(folder.path()).unwrap(), file);
        assert_eq!(SweepFile::inside(folder.path()).unwrap(), Some(file));
        assert_eq!(SweepFile::inside(&folder.path().join("other")).unwrap(), None);
    }

    #[test]
    fn what_is_no_sweep_is_refused_by_its_path() {
        for (text, expected) in [
            ("{", "is not what a sweep writes"),
            (r#"{"version": 1}"#, "is not what a sweep writes"),
            (r#"{"version": 2}"#, "is not what a sweep writes"),
            (r#"{"version": 1, "sweeps": [{"points": [], "costs": null}]}"#, "has version 1; this gac reads version 2"),
            (r#"{"version": 9, "sweeps": []}"#, "has version 9"),
            (r#"{"version": 2, "sweeps": []}"#, "has no points"),
        ] {
            let (_folder, path) = written(text);
            let error = SweepFile::read(&path).unwrap_err();
            let message = error.to_string();
            assert!(message.contains(expected) && message.contains(SWEEP_FILE), "{text}: {message}");
            assert!(error.hint().is_some());
        }
    }
}
