//! `manifest.json`: what was run, on what, when.

use serde::{Deserialize, Serialize};

use super::RECORD_VERSION;
use crate::clock::Timestamp;
use crate::recipe::Plan;
use crate::{LoadedTask, MetricKey};

/// What was run, on what, when. Written when the run starts, and again when it ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// [`RECORD_VERSION`].
    pub version: u32,
    /// gac's version.
    pub gac: String,
    /// How it stands.
    pub status: RunStatus,
    /// RFC 3339, UTC.
    pub started: String,
    /// RFC 3339, UTC; absent while it runs, or after it was killed.
    pub ended: Option<String>,
    /// Models, systems, tasks and settings, as resolved.
    pub plan: Plan,
    /// Folders of the systems.
    pub systems: Vec<SystemEntry>,
    /// The tasks as they were loaded, with their folders inside each system's.
    pub tasks: Vec<TaskEntry>,
    /// Where it ran.
    pub machine: Machine,
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
    /// Documents evaluated.
    pub documents: usize,
    /// The metric that stands in leaderboards.
    pub primary: MetricKey,
}

/// Where a run ran.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// `linux`, `macos`, `windows`, ...
    pub os: String,
    /// `x86_64`, `aarch64`, ...
    pub arch: String,
    /// Processors that the process may use.
    pub cores: usize,
    /// Threads that compute: `RAYON_NUM_THREADS`, or one per core.
    pub threads: usize,
}

impl Machine {
    /// The present one.
    pub fn here() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let threads = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
        Self {
            os: std::env::consts::OS.to_owned(),
            arch: std::env::consts::ARCH.to_owned(),
            cores,
            // rayon takes 0 for "choose yourself".
            threads: threads.filter(|threads| *threads > 0).unwrap_or(cores),
        }
    }
}

impl Manifest {
    /// The manifest of a run that starts now.
    pub fn starting(plan: &Plan, tasks: &[LoadedTask], system_folders: &[String], task_folders: &[String]) -> Self {
        let systems = plan.systems.iter().zip(system_folders);
        let entries = tasks.iter().zip(task_folders);
        Self {
            version: RECORD_VERSION,
            gac: env!("CARGO_PKG_VERSION").to_owned(),
            status: RunStatus::Running,
            started: Timestamp::now().rfc3339(),
            ended: None,
            plan: plan.clone(),
            systems: systems
                .map(|(system, folder)| SystemEntry { name: system.name.clone(), folder: folder.clone() })
                .collect(),
            tasks: entries
                .map(|(task, folder)| TaskEntry {
                    name: task.name.clone(),
                    folder: folder.clone(),
                    version: task.version.clone(),
                    num_fewshot: task.num_fewshot,
                    documents: task.documents.len(),
                    primary: task.primary.clone(),
                })
                .collect(),
            machine: Machine::here(),
        }
    }

    /// The same run, ended now.
    #[must_use]
    pub fn ended(mut self, status: RunStatus) -> Self {
        self.status = status;
        self.ended = Some(Timestamp::now().rfc3339());
        self
    }
}
