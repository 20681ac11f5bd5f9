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
        if let Some(reason) = self.wrong_second_question() {
            return wrong(reason);
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

    /// What is wrong about how likely no answer is.
    fn wrong_second_question(&self) -> Option<String> {
        let mut doubting = self.metrics.iter().filter(|metric| metric.over() == Some(Over::DoubtedAnswers));
        match &self.prompt.no_answer {
            Some(_) if self.kind == TaskKind::Choose => {
                return Some("`prompt.no_answer` is asked beside a text, and its kind is `choose`".to_owned());
            }
            Some(text) if text.trim().is_empty() => {
                return Some("`prompt.no_answer` is empty: it is a text such as \"unanswerable\"".to_owned());
            }
            Some(_) => {}
            None => {
                let metric = doubting.next()?.name();
                return Some(format!("the metric `{metric}` needs `prompt.no_answer`, the text that says so"));
            }
        }
        let primary = doubting.find(|metric| metric.name() == self.primary.metric)?.name();
        Some(format!("its primary metric `{primary}` is one of all documents together, which tells nothing of each"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::task_definition;
    use super::*;

    #[test]
    fn a_second_question_that_makes_no_sense_is_refused() {
        let refused = |change: &dyn Fn(&mut TaskDefinition)| {
            let mut definition = task_definition("squadv2").unwrap().clone();
            change(&mut definition);
            definition.check().unwrap_err().to_string()
        };
        let without = refused(&|own| own.prompt.no_answer = None);
        assert!(without.contains("`best_exact` needs `prompt.no_answer`"), "{without}");
        let empty = refused(&|own| own.prompt.no_answer = Some(" ".to_owned()));
        assert!(empty.contains("`prompt.no_answer` is empty"), "{empty}");
        let primary = refused(&|own| "best_f1".clone_into(&mut own.primary.metric));
        assert!(primary.contains("`best_f1` is one of all documents together"), "{primary}");
        let mut choices = task_definition("piqa").unwrap().clone();
        choices.prompt.no_answer = Some("none".to_owned());
        assert!(choices.check().unwrap_err().to_string().contains("its kind is `choose`"));
    }

    #[test]
    fn a_second_question_is_asked_where_a_metric_needs_it() {
        let mut definition = task_definition("squadv2").unwrap().clone();
        assert_eq!(definition.no_answer(), Some("unanswerable"));
        definition.metrics.retain(|metric| metric.over().is_none());
        definition.check().unwrap();
        assert_eq!(definition.no_answer(), None);
    }
}
