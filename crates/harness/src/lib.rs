//! Evaluation: data, tasks, few-shot, extraction, metrics, statistics, runner, results and reports.
//!
//! [`run()`] takes a plan from a recipe, asks systems, and leaves a folder of results. A task can be used alone, with
//! answers from anywhere:
//!
//! ```
//! use gac_harness::{Answer, DataSource, Outcome, Request, TaskOptions, load_task};
//!
//! // Word problems about a world that does not exist, in this repository, in the layout of the hub.
//! let data = DataSource::new(Some("../../datasets/mini".into()));
//! let options = TaskOptions { num_fewshot: Some(0), ..TaskOptions::default() };
//! let task = load_task("gsm8k", &data, &options)?;
//!
//! let document = &task.documents[0];
//! let Request::Generate { prompt, .. } = &document.request else { unreachable!("gsm8k is answered in words") };
//! assert!(prompt.ends_with("fills 3 bags with 7 cups each. How many cups is that?\nAnswer:"));
//!
//! let score = |text: &str| task.scorer.score(document, &Answer::Text(text.into())).outcome;
//! assert_eq!(score("3 * 7 = 21\n#### 21"), Outcome::Correct);
//! assert_eq!(score("3 + 7 = 10\n#### 10"), Outcome::Wrong);
//! assert_eq!(score("Many cups."), Outcome::NoAnswer);
//! # Ok::<(), gac_harness::TaskError>(())
//! ```

mod asking;
mod clock;
pub mod compare;
pub mod data;
mod events;
pub mod export;
pub mod filters;
pub mod frames;
pub mod history;
pub mod identity;
pub mod import;
pub mod metrics;
pub mod plan;
pub mod policy;
mod prompt_parts;
pub mod python;
pub mod report;
pub mod rescore;
pub mod results;
mod runner;
pub mod stats;
mod task;
pub mod tasks;

pub use clock::Timestamp;
pub use data::{DataError, DataSource};
pub use events::{Event, Reporter, Silent, Warning};
pub use prompt_parts::{PromptParts, ShotParts};
pub use runner::{MergeError, RunError, RunSummary, Shards, Tolerance, run, run_with};
pub use task::{Aggregate, Answer, Document, FilterScore, LoadedTask, MetricKey, Outcome, Request, Score, Scorer};
pub use tasks::{TaskError, TaskInfo, TaskOptions, TaskRegistry, load_task, task_names};
