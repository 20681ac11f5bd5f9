//! lm-evaluation-harness's output files: `results_<time>.json` and `samples_<task>_<time>.jsonl`, one folder per model,
//! by the schema of release 0.4.13.

mod files;
mod leaves;
mod results;
mod samples;
mod task_config;

pub use files::lm_eval;
