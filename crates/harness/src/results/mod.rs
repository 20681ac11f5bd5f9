//! What a run leaves on disk: versioned records, and the folder they lie in.
//!
//! ```text
//! results/<run>/manifest.json                        what was run, on what, when
//! results/<run>/<system>/<task>/samples.jsonl        one SampleRecord a line, appended as samples finish
//! results/<run>/<system>/<task>/results.json         TaskResults, when the task has finished
//! results/<run>/<system>/<task>/superseded.jsonl     samples of what the recipe asked before it was changed, if any
//! results/<run>/leaderboard.{md,csv,json}            after every system
//! ```
//!
//! Folder names are for people. Which system and task a record belongs to is said by its fields, and which folder a
//! system and a task have by the manifest.

mod folder;
mod folder_error;
mod lock;
mod manifest;
mod number;
mod provenance;
mod sample;
mod samples;
mod stored;
mod system;
mod task;
mod unfinished;

pub use folder::{Contents, RunFolder, check_folder};
pub use folder_error::FolderError;
pub use lock::RunLock;
pub use manifest::{Manifest, ManifestError, RunStatus, Seeds, SystemEntry, TaskEntry};
pub use provenance::{GitState, Machine, Provenance, Session};
pub use sample::{ChoiceRecord, FilterRecord, MetricRecord, ResponseRecord, SampleRecord, ThinkingRecord, prompt_hash};
pub use samples::{ReadError, SampleFile, SampleLog, read_samples};
pub use stored::{StoredRun, StoredRunError, StoredSystem, StoredTask};
pub use system::SystemResults;
pub use task::{LatencyBasis, OutcomeCounts, TaskResults, Timing};
pub use unfinished::unfinished_run;

/// Version of every record here; a reader refuses others.
pub const RECORD_VERSION: u32 = 1;

/// A task's aggregates in its folder.
pub(crate) const RESULTS: &str = "results.json";
/// The samples' file in a task's folder.
pub(crate) const SAMPLES: &str = "samples.jsonl";
/// Where samples go that a changed recipe does not ask for.
pub(crate) const SUPERSEDED: &str = "superseded.jsonl";
