//! How a task's samples are files of subtasks.

use crate::export::sources::TaskSources;
use crate::results::{SampleRecord, StoredTask};
use crate::tasks::Leaf;

/// A task's samples by subtask, in the order of the samples; those of a task without subjects under its own name.
pub(super) fn by_leaf<'a>(task: &'a StoredTask, source: &TaskSources) -> Vec<(Leaf, Vec<&'a SampleRecord>)> {
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
fn leaf(task: &StoredTask, source: &TaskSources, subject: Option<&str>) -> Leaf {
    if let (Some(outline), Some(_)) = (&source.outline, subject) {
        return outline.leaf(subject);
    }
    let Some(subject) = subject else { return Leaf { name: task.entry.name.clone(), alias: None } };
    let ending = format!("_{subject}");
    let aggregates = task.results.aggregates.iter();
    let named = aggregates.map(|aggregate| &aggregate.name).find(|name| name.ends_with(&ending));
    Leaf { name: named.cloned().unwrap_or_else(|| format!("{}{ending}", task.entry.name)), alias: None }
}
