//! Recipes (what a file or the command line says) and plans (what will be done, every default decided).

mod error;
mod recipe;
mod run;
mod select;
mod shard;

pub use error::PlanError;
pub use recipe::{Recipe, TaskSpec};
pub use run::{Overrides, Plan, TaskPlan};
pub use select::SelectedTasks;
pub use shard::{Shard, ShardError};
