//! Evaluation: data, tasks, few-shot, extraction, metrics, statistics, runner, results and reports.

mod clock;
mod events;
pub mod recipe;
pub mod report;
pub mod results;
mod runner;
pub mod stats;
mod system;
mod task;

pub use clock::Timestamp;
pub use events::{Event, Reporter, Silent, Warning};
pub use runner::{OpenSystems, RunError, RunSummary, run};
pub use system::{System, SystemError};
pub use task::{Aggregate, Answer, Document, FilterScore, LoadedTask, MetricKey, Outcome, Request, Score, Scorer};
