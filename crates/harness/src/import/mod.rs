//! Runs of other harnesses as runs of ours, to be compared, gated and shown.

mod error;
mod lm_eval;
mod manifest;
mod records;
mod run;
mod tasks;

pub use error::ImportError;
pub use lm_eval::LmEvalRun;
pub use run::{ImportSummary, import};
pub use tasks::ImportOptions;
