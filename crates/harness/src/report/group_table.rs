//! The groups that tasks are made of, beside the leaderboard's columns.

use polars::prelude::{IntoLazy, col};
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use crate::frames::{FrameError, aggregates, grid};
use crate::metrics::{DocumentMean, pooled};
use crate::results::{SystemResults, TaskResults};
use crate::task::{GroupWeighting, TaskGroup};

/// Figures of the groups that tasks are made of, under each task's primary metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupTable {
    /// The groups, in the order of the tasks.
    pub names: Vec<String>,
    /// One row per system, one score per group; none for a group that it did not do.
    pub rows: Vec<Vec<Option<Estimate>>>,
}

impl GroupTable {
    /// From every system's figures, by group.
    pub(super) fn new(systems: &[SystemResults]) -> Result<Self, FrameError> {
        let results = systems.iter().map(|system| (&*system.system, system.tasks.iter().collect()));
        let groups = aggregates(results)?.lazy().filter(col("is_group"));
        let grid = grid(groups, systems.len())?;
        let score = |(value, stderr)| Estimate::share(value, stderr);
        let mut table = Self {
            names: grid.iter().map(|group| group.name.clone()).collect(),
            rows: (0..systems.len())
                .map(|row| grid.iter().map(|group| group.of_systems[row].map(score)).collect())
                .collect(),
        };
        table.add_groups_of_tasks(systems);
        if table.names.is_empty() { Ok(Self::default()) } else { Ok(table) }
    }

    /// Adds groups that are made of whole tasks. A system that did not do all of a group's tasks has no figure of it.
    fn add_groups_of_tasks(&mut self, systems: &[SystemResults]) {
        let mut groups: Vec<(&TaskGroup, Vec<&str>)> = Vec::new();
        for task in systems.iter().flat_map(|system| &system.tasks) {
            for group in &task.groups {
                let place = groups.iter().position(|(known, _)| known.name == group.name).unwrap_or_else(|| {
                    groups.push((group, Vec::new()));
                    groups.len() - 1
                });
                let members = &mut groups[place].1;
                if !members.contains(&&*task.task) {
                    members.push(&task.task);
                }
            }
        }
        for (group, members) in groups {
            self.names.push(group.name.clone());
            for (row, system) in self.rows.iter_mut().zip(systems) {
                let mean = |task: &TaskResults| DocumentMean {
                    value: task.value,
                    stderr: task.stderr,
                    documents: task.documents,
                };
                let of_task = |name: &&str| system.tasks.iter().find(|task| task.task == *name).map(mean);
                let tasks: Option<Vec<DocumentMean>> = members.iter().map(of_task).collect();
                row.push(tasks.and_then(|tasks| figure(group.weighting, &tasks)));
            }
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

/// A group's figure, and its standard error as lm-evaluation-harness pools it.
fn figure(weighting: GroupWeighting, tasks: &[DocumentMean]) -> Option<Estimate> {
    let pooled = pooled(tasks)?;
    let value = match weighting {
        GroupWeighting::BySize => pooled.value,
        GroupWeighting::Equal => tasks.iter().map(|task| task.value).sum::<f64>() / tasks.len() as f64,
    };
    Some(Estimate::share(value, pooled.stderr))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_counts_documents_or_tasks() {
        let task = |value, documents| DocumentMean { value, stderr: Some(0.1), documents };
        let of = |weighting| figure(weighting, &[task(1.0, 30), task(0.0, 10)]).map(|figure| figure.value);
        assert_eq!(of(GroupWeighting::BySize), Some(0.75));
        assert_eq!(of(GroupWeighting::Equal), Some(0.5));
        assert_eq!(figure(GroupWeighting::Equal, &[]), None);
    }
}
