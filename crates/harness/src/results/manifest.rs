//! `manifest.json`: what was run, on what, when.

use std::path::{Path, PathBuf};

use gac_systems::{ModelIdentity, SystemIdentity};
use serde::{Deserialize, Serialize};

use super::RECORD_VERSION;
use super::provenance::{Machine, Provenance, Session};
use super::task::{is_once, once};
use crate::clock::Timestamp;
use crate::identity::{DataFiles, TaskFile};
use crate::plan::Plan;
use crate::stats::Bootstrap;
use crate::task::{LoadedTask, MetricKey};
use crate::tasks::DEFAULT_SHOT_SEED;

/// What was run, on what, when: enough to run it again. Written when a run starts or is resumed, and when it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// How it stands.
    pub status: RunStatus,
    /// When its first session started: RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; absent while it runs, or after it was killed.
    pub ended: Option<String>,
    /// The harness that ran it, where that was another one: then models and settings are what little is known of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<String>,
    /// Models, systems, tasks and settings, as resolved.
    pub plan: Plan,
    /// The models by their contents.
    pub models: Vec<ModelIdentity>,
    /// The data by their contents.
    pub data: Vec<DataFiles>,
    /// The files of lm-evaluation-harness that shots and descriptions were read from, by their contents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub task_files: Vec<TaskFile>,
    /// The systems, with their folders.
    pub systems: Vec<SystemEntry>,
    /// The tasks as they were loaded, with their folders inside each system's.
    pub tasks: Vec<TaskEntry>,
    /// Everything that is drawn at random.
    pub seeds: Seeds,
    /// Every process that worked on it, the last one last.
    pub sessions: Vec<Session>,
}

/// How a run stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RunStatus {
    /// It has started and not ended (or was killed).
    Running,
    /// Every system finished every task.
    Finished,
    /// It ended early.
    Failed {
        /// Why, causes included.
        error: String,
    },
}

/// A system's place in the run's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SystemEntry {
    /// The system's name.
    pub name: String,
    /// Its folder.
    pub folder: String,
    /// What it is, by its contents and settings.
    pub identity: SystemIdentity,
}

/// A task as it was loaded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskEntry {
    /// The task's name.
    pub name: String,
    /// Its folder, inside each system's.
    pub folder: String,
    /// The version of its definition.
    pub version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// Documents evaluated, each as often as it was asked: samples.
    pub documents: usize,
    /// Times that a document was asked.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeats: usize,
    /// The metric that stands in leaderboards.
    pub primary: MetricKey,
}

/// What is drawn at random beside tokens, whose seed is a setting of the system or of a task's generation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Seeds {
    /// The leaderboard's confidence intervals.
    pub bootstrap: Bootstrap,
    /// The shots of tasks that draw them.
    pub fewshot: u64,
}

impl Manifest {
    /// The manifest of a run that starts now.
    pub fn starting(
        plan: &Plan,
        tasks: &[LoadedTask],
        models: &[ModelIdentity],
        systems: Vec<SystemEntry>,
        task_folders: &[String],
        provenance: &Provenance,
    ) -> Self {
        let entries = tasks.iter().zip(task_folders).map(|(task, folder)| TaskEntry {
            name: task.name.clone(),
            folder: folder.clone(),
            version: task.version.clone(),
            num_fewshot: task.num_fewshot,
            documents: task.documents.len(),
            repeats: task.repeats(),
            primary: task.primary.clone(),
        });
        let session = Session::starting(provenance);
        let fewshot = plan.tasks.first().and_then(|task| task.fewshot_seed).unwrap_or(DEFAULT_SHOT_SEED);
        Self {
            version: RECORD_VERSION,
            status: RunStatus::Running,
            started: session.started.clone(),
            ended: None,
            imported: None,
            plan: plan.clone(),
            models: models.to_vec(),
            data: provenance.data.clone(),
            task_files: provenance.task_files.clone(),
            systems,
            tasks: entries.collect(),
            seeds: Seeds { bootstrap: Bootstrap::default(), fewshot },
            sessions: vec![session],
        }
    }

    /// The same run as `before`, gone on with now: its start and its sessions are kept.
    #[must_use]
    pub fn resuming(mut self, before: Self) -> Self {
        self.started = before.started;
        let sessions = std::mem::replace(&mut self.sessions, before.sessions);
        self.sessions.extend(sessions);
        self
    }

    /// The same run, ended now.
    #[must_use]
    pub fn ended(mut self, status: RunStatus) -> Self {
        let now = Timestamp::now().rfc3339();
        if let Some(session) = self.sessions.last_mut() {
            session.ended = Some(now.clone());
        }
        self.status = status;
        self.ended = Some(now);
        self
    }

    /// Where it ran last.
    pub fn machine(&self) -> Option<&Machine> {
        self.sessions.last().map(|session| &session.machine)
    }

    /// Reads the manifest of the run in `folder`.
    ///
    /// # Errors
    /// When there is none, or it is of another version.
    pub fn read(folder: &Path) -> Result<Self, ManifestError> {
        /// What every version has.
        #[derive(Deserialize)]
        struct Versioned {
            version: u32,
        }

        let path = folder.join(super::folder::MANIFEST);
        let text = std::fs::read(&path).map_err(|source| {
            // A file is no run's folder either.
            if matches!(source.kind(), std::io::ErrorKind::NotFound | std::io::ErrorKind::NotADirectory) {
                ManifestError::NoRun { folder: folder.to_path_buf() }
            } else {
                ManifestError::Read { path: path.clone(), source }
            }
        })?;
        let damaged = |source| ManifestError::Damaged { path: path.clone(), source };
        let Versioned { version } = serde_json::from_slice(&text).map_err(damaged)?;
        if version != RECORD_VERSION {
            return Err(ManifestError::Version { path, version });
        }
        serde_json::from_slice(&text).map_err(damaged)
    }
}

/// A run's manifest cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ManifestError {
    /// There is no run.
    #[error("`{}` holds no run: it has no manifest.json", folder.display())]
    NoRun {
        /// The folder.
        folder: PathBuf,
    },
    /// The file cannot be read.
    #[error("failed to read `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The file is no manifest.
    #[error("`{}` is not a manifest", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// It is of another version.
    #[error("`{}` has version {version}; this gac reads version {RECORD_VERSION}", path.display())]
    Version {
        /// The file.
        path: PathBuf,
        /// What it says.
        version: u32,
    },
}
