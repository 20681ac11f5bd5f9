//! Evaluation: data, tasks, few-shot, extraction, metrics, statistics, runner, results and reports.

mod any_path;
mod clock;
pub mod compare;
pub mod data;
mod ensemble_system;
mod events;
pub mod export;
pub mod filters;
mod full_response;
pub mod identity;
pub mod metrics;
mod model_store;
mod prompt_parts;
pub mod python;
pub mod recipe;
pub mod report;
pub mod results;
mod runner;
mod sha256;
pub mod stats;
pub mod sweep;
mod system;
mod task;
pub mod tasks;

pub use clock::Timestamp;
pub use data::{DataError, DataSource};
pub use ensemble_system::EnsembleSystem;
pub use events::{Event, Reporter, Silent, Warning};
pub use model_store::{ModelStore, OpenError};
pub use prompt_parts::{PromptParts, ShotParts};
pub use runner::{OpenSystems, RunError, RunSummary, run, run_with};
pub use system::{System, SystemError};
pub use task::{Aggregate, Answer, Document, FilterScore, LoadedTask, MetricKey, Outcome, Request, Score, Scorer};
pub use tasks::{TaskError, TaskInfo, TaskOptions, TaskRegistry, load_task, task_names};
