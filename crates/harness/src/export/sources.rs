//! What is known of a run beside its folder.

use std::collections::BTreeMap;

use gac_inference::{ChatTemplate, ModelFacts};

use crate::task::LoadedTask;
use crate::tasks::{TaskOutline, TaskRows};

/// What a run's folder does not hold of its tasks and models, as far as it is on this machine.
#[derive(Default)]
pub struct ExportSources {
    /// By the task's name.
    pub tasks: BTreeMap<String, TaskSources>,
    /// By the model's name.
    pub models: BTreeMap<String, ModelFacts>,
    /// The chat templates of a system's members, by its name; none for systems whose prompts are no chats.
    pub templates: BTreeMap<String, Vec<ChatTemplate>>,
}

/// What a run's folder does not hold of a task.
#[derive(Default)]
pub struct TaskSources {
    /// Its groups, subtasks and definition.
    pub outline: Option<TaskOutline>,
    /// The rows of its documents, with all columns.
    pub rows: TaskRows,
    /// Its documents with their prompts, as the run asked them.
    pub loaded: Option<LoadedTask>,
}
