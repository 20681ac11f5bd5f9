//! Runs in other people's formats.

mod lm_eval;

pub use lm_eval::{LmEvalFile, LmEvalSources, LmEvalTask, lm_eval};
