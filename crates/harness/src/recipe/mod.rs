//! Recipes (what a file or the command line says) and plans (what will be done, every default decided).

mod device;
mod error;
mod file;
mod plan;
mod select;
mod settings;
mod system;

pub use device::RecipeDevice;
pub use error::PlanError;
pub use file::{
    Dtype, GateBy, MethodName, ModelSpec, Recipe, RecipeError, SamplingSpec, SystemSpec, TaskSpec, ThinkEndToken,
    WeightBy,
};
pub use plan::{DEFAULT_BATCH_SIZE, ModelPlan, ModelSource, Overrides, Plan, Systems, TaskPlan};
pub use select::SelectedTasks;
pub use settings::{ChatPlan, Combination, SettingError, Settings, ShotLayout};
pub use system::{GatePlan, SystemPlan};
