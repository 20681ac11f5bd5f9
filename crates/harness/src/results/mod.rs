//! What a run leaves on disk: versioned records, and the folder they lie in.
//!
//! ```text
//! results/<run>/manifest.json                        what was run, on what, when
//! results/<run>/<system>/<task>/samples.jsonl        one SampleRecord a line, appended as samples finish
//! results/<run>/<system>/<task>/results.json         TaskResults, when the task has finished
//! results/<run>/leaderboard.{md,csv,json}            after every system
//! ```
//!
//! Folder names are for people. Which system and task a record belongs to is said by its fields, and which folder a
//! system and a task have by the manifest.

mod folder;
mod manifest;
mod number;
mod sample;
mod samples;
mod task;
mod write;

pub use folder::{FolderError, RunFolder, check_folder};
pub use manifest::{Machine, Manifest, RunStatus, SystemEntry, TaskEntry};
pub use sample::{ChoiceRecord, FilterRecord, MetricRecord, ResponseRecord, SampleRecord, prompt_hash};
pub use samples::{ReadError, SampleLog, read_samples};
pub use task::{LatencyBasis, OutcomeCounts, TaskResults, Timing};
pub use write::write_atomic;

/// Version of every record here; a reader refuses others.
pub const RECORD_VERSION: u32 = 1;
