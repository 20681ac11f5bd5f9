//! What names of lm-evaluation-harness's YAML files stand for, among all tasks.

use std::collections::BTreeSet;

use super::definition::TaskDefinition;
use super::error::TaskError;
use super::registry::TaskRegistry;
use super::selection::Selection;
use super::yaml::{YamlGroup, YamlTasks};
use crate::task::TaskGroup;

impl TaskRegistry {
    /// Adds a folder's tasks, which go before built-in ones of their names.
    pub(super) fn add_yaml(&mut self, yaml: YamlTasks, tasks: Vec<TaskDefinition>) {
        let names: BTreeSet<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
        let before = self.tasks.len();
        self.tasks.retain(|task| !names.contains(task.name.as_str()));
        let replaced = before - self.tasks.len();
        if replaced > 0 {
            tracing::warn!(replaced, "tasks of `--include-path` go before built-in ones of their names");
        }
        self.tasks.extend(tasks);
        self.yaml.extend(yaml);
    }

    /// Adds what a group of lm-evaluation-harness's form is made of, each task once; `open` are the groups around it.
    pub(super) fn add_members<'a>(
        &'a self,
        group: &str,
        open: &mut Vec<String>,
        found: &mut Vec<Selection<'a>>,
    ) -> Result<(), TaskError> {
        if open.iter().any(|other| other == group) {
            return Err(TaskError::GroupInItself { group: group.to_owned() });
        }
        open.push(group.to_owned());
        let Some(YamlGroup { members, weighting }) = self.yaml.groups.get(group) else { return Ok(()) };
        let first = found.len();
        let refused: Vec<_> = members.iter().filter_map(|name| Some((name, self.refusal(name)?))).collect();
        if let Some((name, reason)) = refused.first() {
            return Err(TaskError::RefusedParts {
                group: group.to_owned(),
                refused: refused.len(),
                members: members.len(),
                name: (*name).clone(),
                reason: (*reason).clone(),
            });
        }
        for name in members {
            if self.yaml.groups.contains_key(name) && !self.has_task(name) {
                self.add_members(name, open, found)?;
                continue;
            }
            for selection in self.named(name)? {
                if found.iter().all(|known| known.name != selection.name) {
                    found.push(selection);
                }
            }
        }
        if let Some(weighting) = *weighting {
            let of = TaskGroup { name: group.to_owned(), weighting };
            found[first..].iter_mut().for_each(|selection| selection.groups.insert(0, of.clone()));
        }
        open.pop();
        Ok(())
    }

    fn has_task(&self, name: &str) -> bool {
        self.tasks.iter().any(|task| task.name == name)
    }

    /// Why a task of lm-evaluation-harness's form cannot be had; none where another one has its name.
    fn refusal(&self, name: &str) -> Option<&String> {
        self.yaml.refused.get(name).filter(|_| !self.has_task(name)).map(|(_, reason)| reason)
    }
}
