//! The tasks there are.

use std::sync::LazyLock;

use super::TaskError;
use super::definition::{TaskDefinition, TaskKind};
use crate::MetricKey;

static BUILT_IN: LazyLock<Vec<TaskDefinition>> = LazyLock::new(|| {
    [
        include_str!("../../tasks/arc_challenge.toml"),
        include_str!("../../tasks/arc_easy.toml"),
        include_str!("../../tasks/gsm8k.toml"),
        include_str!("../../tasks/mmlu.toml"),
        include_str!("../../tasks/mmlu_flan_n_shot_generative.toml"),
        include_str!("../../tasks/nq_open.toml"),
        include_str!("../../tasks/piqa.toml"),
        include_str!("../../tasks/triviaqa.toml"),
    ]
    .into_iter()
    .map(|source| toml::from_str(source).expect("built-in definitions parse; a test loads each of them"))
    .collect()
});

/// A task in a list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TaskInfo {
    /// Its name.
    pub name: &'static str,
    /// One line about it.
    pub title: &'static str,
    /// The data set's hub id.
    pub dataset: &'static str,
    /// The data set's configuration.
    pub config: &'static str,
    /// Whether a system continues the prompt or scores choices.
    pub kind: TaskKind,
    /// Shots unless asked otherwise.
    pub num_fewshot: usize,
    /// The metric that stands in leaderboards.
    pub primary: &'static MetricKey,
}

/// All tasks, by name.
pub fn task_names() -> Vec<TaskInfo> {
    BUILT_IN
        .iter()
        .map(|task| TaskInfo {
            name: &task.name,
            title: &task.title,
            dataset: &task.dataset.id,
            config: &task.dataset.config,
            kind: task.kind,
            num_fewshot: task.fewshot.default,
            primary: &task.primary,
        })
        .collect()
}

/// A task's definition.
///
/// # Errors
/// When no task has this name.
pub fn task_definition(name: &str) -> Result<&'static TaskDefinition, TaskError> {
    BUILT_IN
        .iter()
        .find(|task| task.name == name)
        .ok_or_else(|| TaskError::Unknown { name: name.to_owned(), nearest: nearest(name) })
}

fn nearest(name: &str) -> Option<String> {
    BUILT_IN
        .iter()
        .map(|task| (strsim::jaro_winkler(&task.name, name), &task.name))
        .filter(|(similarity, _)| *similarity > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_task_suggests_the_nearest() {
        let error = task_definition("gms8k").unwrap_err();
        assert_eq!(error.to_string(), "unknown task `gms8k`");
        assert_eq!(error.hint().unwrap(), "did you mean `gsm8k`? `gac tasks list` shows all");
        assert_eq!(task_definition("qqq").unwrap_err().hint().unwrap(), "`gac tasks list` shows all");
    }

    #[test]
    fn every_definition_parses_and_its_primary_metric_is_one_it_has() {
        assert_eq!(task_names().len(), 8);
        for task in BUILT_IN.iter() {
            let filters: Vec<&str> = match task.kind {
                TaskKind::Choose => vec!["none"],
                TaskKind::Generate => task.filters.iter().map(|filter| filter.name.as_str()).collect(),
            };
            assert!(filters.contains(&task.primary.filter.as_str()), "{}", task.name);
            assert!(task.metrics.iter().any(|metric| metric.name() == task.primary.metric), "{}", task.name);
            assert_eq!(task.generation.is_some(), task.kind == TaskKind::Generate, "{}", task.name);
        }
    }
}
