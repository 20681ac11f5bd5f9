//! Asks systems about documents, and leaves the answers on disk.

mod error;
mod in_flight;
mod job;
mod merge;
mod no_answer;
mod record;
mod repeats;
mod response_cache;
mod resume;
mod run;
mod sheet;
mod task;
mod task_folder;

pub use error::RunError;
pub use merge::{MergeError, Shards, Tolerance};
pub use run::{RunSummary, run, run_with};
