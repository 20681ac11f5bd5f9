//! Evaluation: data, tasks, few-shot, extraction, metrics, statistics, runner, results and reports.

pub mod data;
pub mod filters;
pub mod metrics;
pub mod python;
mod system;
mod task;
pub mod tasks;

pub use data::{DataError, DataSource};
pub use system::{System, SystemError};
pub use task::{Aggregate, Answer, Document, FilterScore, LoadedTask, MetricKey, Outcome, Request, Score, Scorer};
pub use tasks::{TaskError, TaskInfo, TaskOptions, load_task, task_names};
