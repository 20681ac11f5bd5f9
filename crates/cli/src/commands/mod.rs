//! One file per command.

pub(crate) mod data;
pub(crate) mod eval;
pub(crate) mod generate;
pub(crate) mod jsonl;
pub(crate) mod run;
pub(crate) mod score;
pub(crate) mod tasks;
mod tasks_render;
mod tasks_score;
