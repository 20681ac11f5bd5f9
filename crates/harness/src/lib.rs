//! Evaluation: data, tasks, few-shot, extraction, metrics, statistics, runner, results and reports.

mod system;
mod task;

pub use system::{System, SystemError};
pub use task::{Aggregate, Answer, Document, FilterScore, LoadedTask, MetricKey, Outcome, Request, Score, Scorer};
