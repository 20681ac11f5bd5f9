//! Runs in other people's formats.

mod lm_eval;
mod parquet;

pub use lm_eval::{LmEvalFile, LmEvalSources, LmEvalTask, lm_eval};
pub use parquet::{ParquetError, parquet};
