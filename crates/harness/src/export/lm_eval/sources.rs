//! What is known of a run beside its folder, and how its samples are files of subtasks.

use std::collections::BTreeMap;

use gac_inference::{ChatTemplate, ModelFacts};

use crate::results::{SampleRecord, StoredTask};
use crate::task::LoadedTask;
use crate::tasks::{Leaf, TaskOutline, TaskRows};

/// What a run's folder does not hold of its tasks and models, as far as it is on this machine.
#[derive(Default)]
pub struct LmEvalSources {
    /// By the task's name.
    pub tasks: BTreeMap<String, LmEvalTask>,
    /// By the model's name.
    pub models: BTreeMap<String, ModelFacts>,
    /// The chat templates of a system's members, by its name; none for systems whose prompts are no chats.
    pub templates: BTreeMap<String, Vec<ChatTemplate>>,
}

/// What a run's folder does not hold of a task.
#[derive(Default)]
pub struct LmEvalTask {
    /// Its groups, subtasks and definition.
    pub outline: Option<TaskOutline>,
    /// The rows of its documents, with all columns.
    pub rows: TaskRows,
    /// Its documents with their prompts, as the run asked them.
    pub loaded: Option<LoadedTask>,
}

/// A task's samples by subtask, in the order of the samples; those of a task without subjects under its own name.
pub(super) fn by_leaf<'a>(task: &'a StoredTask, source: &LmEvalTask) -> Vec<(Leaf, Vec<&'a SampleRecord>)> {
    let mut leaves: Vec<(Leaf, Vec<&SampleRecord>)> = Vec::new();
    for sample in &task.samples {
        let leaf = leaf(task, source, sample.subject.as_deref());
        match leaves.iter_mut().find(|(known, _)| *known == leaf) {
            Some((_, samples)) => samples.push(sample),
            None => leaves.push((leaf, vec![sample])),
        }
    }
    leaves
}

/// The subtask of a subject: as the task's definition names it, or else as its aggregates do.
fn leaf(task: &StoredTask, source: &LmEvalTask, subject: Option<&str>) -> Leaf {
    if let (Some(outline), Some(_)) = (&source.outline, subject) {
        return outline.leaf(subject);
    }
    let Some(subject) = subject else { return Leaf { name: task.entry.name.clone(), alias: None } };
    let ending = format!("_{subject}");
    let aggregates = task.results.aggregates.iter();
    let named = aggregates.map(|aggregate| &aggregate.name).find(|name| name.ends_with(&ending));
    Leaf { name: named.cloned().unwrap_or_else(|| format!("{}{ending}", task.entry.name)), alias: None }
}
