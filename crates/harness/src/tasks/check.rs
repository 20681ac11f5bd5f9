//! Whether a definition can be used at all, before any data are read.

use super::TaskError;
use super::definition::{ScoredPart, TaskDefinition, TaskKind};
use super::harness_file::HarnessText;
use super::scorer::{NONE, References, TaskScorer};
use super::selection::Selection;
use crate::filters::ROBUST;
use crate::metrics::{MetricDefinition, Over};

impl TaskDefinition {
    /// Checks what its parts say about each other.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), TaskError> {
        let wrong = |reason: String| Err(TaskError::Definition { task: self.name.clone(), reason });
        let takes = |part| self.harness_file.as_ref().is_some_and(|file| file.take.contains(&part));
        if (self.kind == TaskKind::Generate) != self.generation.is_some() {
            return wrong("`generation` settings belong to tasks of kind `generate`, and to all of them".to_owned());
        }
        if self.kind == TaskKind::Choose && self.prompt.scored == ScoredPart::Choices && self.prompt.choices.is_none() {
            return wrong("a task of kind `choose` needs `prompt.choices`".to_owned());
        }
        if self.kind == TaskKind::Generate
            && let Some(metric) = self.metrics.iter().find(|metric| metric.is_of_choices())
        {
            return wrong(format!("the metric `{}` is one of choices, and its kind is `generate`", metric.name()));
        }
        let doubts = |metric: &MetricDefinition| metric.over() == Some(Over::DoubtedAnswers);
        match &self.prompt.no_answer {
            Some(_) if self.kind == TaskKind::Choose => {
                return wrong("`prompt.no_answer` is asked beside a text, and its kind is `choose`".to_owned());
            }
            Some(text) if text.trim().is_empty() => {
                return wrong("`prompt.no_answer` is empty: it is a text such as \"unanswerable\"".to_owned());
            }
            Some(_) if self.metrics.iter().any(doubts) => {}
            None if !self.metrics.iter().any(doubts) => {}
            _ => return wrong("`prompt.no_answer` and the metric `best_reading` belong together".to_owned()),
        }
        if let Some(metric) = self.metrics.iter().find(|metric| metric.name() == self.primary.metric && doubts(metric))
        {
            return wrong(format!(
                "its primary metric `{}` is one of all documents together, which tells nothing of each",
                metric.name()
            ));
        }
        let is_of_several = self.metrics.iter().any(MetricDefinition::takes_right_choices);
        if is_of_several != self.prompt.right_choices.is_some() {
            return wrong(
                "`prompt.right_choices` and the metrics `right_mass` and `true_answers` belong together".to_owned(),
            );
        }
        if self.prompt.text.is_none() && !takes(HarnessText::Text) {
            return wrong("`prompt` has no `text`, and no `harness_file` gives it".to_owned());
        }
        let fewshot = &self.fewshot;
        let has_pool = fewshot.split.is_some()
            || !fewshot.samples.is_empty()
            || takes(HarnessText::Shots)
            || fewshot.built_in.is_some();
        if self.fewshot.default > 0 && !has_pool {
            return wrong("`fewshot` has no `split` to take shots from, and no `harness_file` gives them".to_owned());
        }
        if self.robust.is_some() && self.kind == TaskKind::Choose {
            return wrong("`robust` extracts from a text, and a task of kind `choose` has none".to_owned());
        }
        if let Some(column) =
            self.group_by.as_ref().filter(|column| !self.columns.is_empty() && !self.columns.contains(column))
        {
            return wrong(format!(
                "`group_by` is `{column}`, which is none of its columns: {}",
                self.columns.join(", ")
            ));
        }
        if self.filters.iter().any(|filter| filter.name == ROBUST) {
            return wrong(format!("the filter name `{ROBUST}` is kept for `robust = ...`"));
        }
        let primary = &self.primary;
        let filters: Vec<&str> = match self.kind {
            TaskKind::Choose => vec![NONE],
            TaskKind::Generate => self.filters.iter().map(|filter| filter.name.as_str()).collect(),
        };
        let is_known = filters.contains(&primary.filter.as_str())
            && self.metrics.iter().any(|metric| metric.name() == primary.metric);
        if !is_known {
            let keys: Vec<String> = filters
                .iter()
                .flat_map(|filter| self.metrics.iter().map(move |metric| format!("{},{filter}", metric.name())))
                .collect();
            return wrong(format!(
                "its primary metric `{},{}` is none of {}",
                primary.metric,
                primary.filter,
                keys.join(" and ")
            ));
        }
        TaskScorer::new(&Selection::whole(self), References::default()).map(|_| ())
    }
}
