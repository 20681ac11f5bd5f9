//! A run read back from its folder.

use std::path::{Path, PathBuf};

use super::manifest::{Manifest, ManifestError, RunStatus, TaskEntry};
use super::sample::SampleRecord;
use super::samples::{ReadError, read_samples};
use super::system::SystemResults;
use super::task::TaskResults;
use crate::stats::{DocumentScore, TaskScores, mean_over_repeats};
use gac_systems::ModelIdentity;

/// A run read back from its folder.
#[derive(Clone, Debug)]
pub struct StoredRun {
    /// Its folder.
    pub folder: PathBuf,
    /// What was run.
    pub manifest: Manifest,
    /// Its systems, in the order of the leaderboard's rows.
    pub systems: Vec<StoredSystem>,
}

/// A system of a stored run.
#[derive(Clone, Debug)]
pub struct StoredSystem {
    /// Its name.
    pub name: String,
    /// The models that take part.
    pub members: Vec<String>,
    /// Those of them that compute on servers, with what these say of themselves.
    pub served: Vec<String>,
    /// Its tasks, in the order of the leaderboard's columns.
    pub tasks: Vec<StoredTask>,
}

/// A task under a system of a stored run.
#[derive(Clone, Debug)]
pub struct StoredTask {
    /// The task as it was loaded.
    pub entry: TaskEntry,
    /// Aggregates and timing.
    pub results: TaskResults,
    /// The samples, by subject and document.
    pub samples: Vec<SampleRecord>,
}

impl StoredRun {
    /// Whether `folder` holds a run, finished or not.
    pub fn is_in(folder: &Path) -> bool {
        folder.join(super::folder::MANIFEST).is_file()
    }

    /// Reads a finished run, samples included.
    ///
    /// # Errors
    /// When there is no run, it is not finished, or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, StoredRunError> {
        let manifest = Manifest::read(folder)?;
        if manifest.status != RunStatus::Finished {
            return Err(StoredRunError::Unfinished { folder: folder.to_path_buf() });
        }
        let mut systems = Vec::with_capacity(manifest.systems.len());
        for (entry, plan) in manifest.systems.iter().zip(&manifest.plan.systems) {
            let mut tasks = Vec::with_capacity(manifest.tasks.len());
            for task in &manifest.tasks {
                tasks.push(StoredTask::read(&folder.join(&entry.folder).join(&task.folder), task)?);
            }
            let of_system = |model: &&ModelIdentity| plan.members.contains(&model.name);
            let served = manifest.models.iter().filter(of_system).filter_map(ModelIdentity::served).collect();
            systems.push(StoredSystem { name: entry.name.clone(), members: plan.members.clone(), served, tasks });
        }
        Ok(Self { folder: folder.to_path_buf(), manifest, systems })
    }
}

impl StoredTask {
    fn read(folder: &Path, entry: &TaskEntry) -> Result<Self, StoredRunError> {
        let path = folder.join(super::RESULTS);
        let text = std::fs::read(&path).map_err(|source| StoredRunError::Read { path: path.clone(), source })?;
        let results = serde_json::from_slice(&text).map_err(|source| StoredRunError::Results { path, source })?;
        let mut samples = read_samples(&folder.join("samples.jsonl"))?;
        samples.sort_by(|a, b| (&a.subject, a.doc_id, a.repeat).cmp(&(&b.subject, b.doc_id, b.repeat)));
        if samples.len() != entry.documents {
            let (found, expected) = (samples.len(), entry.documents);
            return Err(StoredRunError::Incomplete { folder: folder.to_path_buf(), found, expected });
        }
        Ok(Self { entry: entry.clone(), results, samples })
    }

    /// The documents' scores under the primary metric; of several times that one was asked, the mean.
    pub fn scores(&self) -> TaskScores {
        let documents = self.samples.iter().map(|sample| DocumentScore {
            subject: sample.subject.clone(),
            doc_id: sample.doc_id,
            doc_hash: sample.doc_hash.clone(),
            value: sample.primary(&self.entry.primary),
        });
        TaskScores {
            task: self.entry.name.clone(),
            version: self.entry.version.clone(),
            documents: mean_over_repeats(documents),
        }
    }
}

impl StoredSystem {
    /// The system as a leaderboard takes it.
    pub fn results(&self) -> SystemResults {
        SystemResults {
            system: self.name.clone(),
            members: self.members.clone(),
            served: self.served.clone(),
            tasks: self.tasks.iter().map(|task| task.results.clone()).collect(),
            scores: self.tasks.iter().map(StoredTask::scores).collect(),
        }
    }
}

/// A stored run cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StoredRunError {
    /// Its manifest cannot be used.
    #[error(transparent)]
    Manifest(#[from] ManifestError),
    /// It was cut short.
    #[error("the run in `{}` is not finished", folder.display())]
    Unfinished {
        /// The folder.
        folder: PathBuf,
    },
    /// A file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A `results.json` is not one.
    #[error("`{}` does not hold a task's results", path.display())]
    Results {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Samples cannot be read.
    #[error(transparent)]
    Samples(#[from] ReadError),
    /// There are not as many samples as documents.
    #[error("`{}` has {found} samples where the manifest says {expected}", folder.display())]
    Incomplete {
        /// The task's folder.
        folder: PathBuf,
        /// Samples there.
        found: usize,
        /// Documents evaluated.
        expected: usize,
    },
}
