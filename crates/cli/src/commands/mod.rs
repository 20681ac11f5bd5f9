//! One file per command.

pub(crate) mod compare;
pub(crate) mod data;
pub(crate) mod dry_run;
pub(crate) mod eval;
pub(crate) mod explain;
pub(crate) mod export;
pub(crate) mod gate;
pub(crate) mod generate;
pub(crate) mod import_config;
pub(crate) mod jsonl;
pub(crate) mod leaderboard;
mod lines;
pub(crate) mod manual;
pub(crate) mod merge;
pub(crate) mod models;
pub(crate) mod plan;
mod planning;
pub(crate) mod report;
pub(crate) mod rerun;
pub(crate) mod run;
pub(crate) mod score;
pub(crate) mod serve;
pub(crate) mod sweep;
pub(crate) mod tasks;
mod tasks_render;
mod tasks_score;
pub(crate) mod vocab;
