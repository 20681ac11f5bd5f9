//! The tasks that a plan's names and patterns stand for.

use super::run::{Plan, TaskPlan};
use crate::tasks::{DocumentPicks, Limit, TaskError, TaskRegistry, TaskSelection, wider};

/// A plan whose tasks are known.
#[derive(Clone, Debug, PartialEq)]
pub struct SelectedTasks {
    /// The plan.
    pub plan: Plan,
    /// (Sub)tasks of which no documents were picked while others have some: they are evaluated whole.
    pub not_picked: Vec<String>,
}

/// What one document cannot be asked with in two ways.
fn settings(task: &TaskPlan) -> (Option<usize>, Option<Limit>, usize) {
    (task.num_fewshot, task.limit, task.repeats)
}

impl Plan {
    /// The plan with names of tasks in place of patterns and tags, nothing twice: a subtask is left out where its group
    /// is asked for as well, a group where the whole task is. `picks` says which documents are evaluated, in place of
    /// every limit.
    ///
    /// # Errors
    /// For a name that is unknown, a pattern that fits nothing, documents that are asked for twice with different
    /// settings, and picked documents of what is not evaluated.
    pub fn select_tasks(
        self,
        registry: &TaskRegistry,
        picks: Option<&DocumentPicks>,
    ) -> Result<SelectedTasks, TaskError> {
        let (mut found, mut asked): (Vec<TaskSelection<'_>>, Vec<&TaskPlan>) = (Vec::new(), Vec::new());
        for task in &self.tasks {
            let named = registry.named(&task.name)?;
            asked.extend(named.iter().map(|_| task));
            found.extend(named);
        }
        let (mut tasks, mut leaves) = (Vec::new(), Vec::new());
        for (index, (selection, &task)) in found.iter().zip(&asked).enumerate() {
            if let Some(other) = wider(&found, index) {
                if settings(task) != settings(asked[other]) {
                    let (task, other) = (selection.name.clone(), found[other].name.clone());
                    return Err(TaskError::TwoSettings { task, other });
                }
                continue;
            }
            let of_task = selection.leaves();
            tasks.push(TaskPlan {
                name: selection.name.clone(),
                groups: selection.groups.clone(),
                limit: task.limit.filter(|_| picks.is_none()),
                samples: picks.map(|picks| picks.restricted_to(&of_task)).filter(|picks| !picks.is_empty()),
                ..task.clone()
            });
            leaves.extend(of_task);
        }
        let mut not_picked = Vec::new();
        if let Some(picks) = picks {
            if let Some(name) = picks.elsewhere(&leaves) {
                return Err(TaskError::PickedElsewhere { name: name.to_owned(), tasks: leaves });
            }
            not_picked = leaves.into_iter().filter(|leaf| picks.of(leaf).is_none()).collect();
        }
        Ok(SelectedTasks { plan: Self { tasks, ..self }, not_picked })
    }
}
