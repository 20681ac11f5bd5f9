//! Scoring of a task's answers.

use std::collections::HashMap;

use super::categories;
use super::definition::{SubjectsDefinition, TaskDefinition, TaskKind};
use super::error::TaskError;
use super::prompt::Target;
use super::template::{Template, context};
use crate::filters::FilterPipeline;
use crate::metrics::{ChoiceScores, Estimate, ExactMatch, MetricDefinition, pooled};
use crate::{Aggregate, Answer, Document, FilterScore, MetricKey, Outcome, Score, Scorer};

/// The filter name of multiple choice.
const NONE: &str = "none";

/// lm-evaluation-harness's order of MMLU's categories.
const CATEGORIES: [&str; 4] = ["stem", "other", "social_sciences", "humanities"];

/// What the scorer must know of a document.
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) choices: Vec<String>,
}

/// A document's key: subject and row.
pub(super) type References = HashMap<Option<String>, HashMap<usize, Reference>>;

/// The rule of a [`TaskDefinition`].
pub(super) struct TaskScorer {
    task: String,
    kind: TaskKind,
    primary: MetricKey,
    filters: Vec<FilterPipeline>,
    metrics: Vec<Metric>,
    names: Option<Names>,
    references: References,
}

enum Metric {
    ExactMatch(ExactMatch),
    Acc,
    AccNorm,
}

/// Names of subtasks and groups.
struct Names {
    subtask: Template,
    group: Template,
}

impl TaskScorer {
    pub(super) fn new(definition: &TaskDefinition, references: References) -> Result<Self, TaskError> {
        let pattern = |source| TaskError::Pattern { task: definition.name.clone(), source };
        let filters = definition.filters.iter().map(FilterPipeline::new).collect::<Result<_, _>>().map_err(pattern)?;
        let metrics = definition
            .metrics
            .iter()
            .map(|metric| match (metric, ExactMatch::new(metric).map_err(pattern)?) {
                (_, Some(exact_match)) => Ok(Metric::ExactMatch(exact_match)),
                (MetricDefinition::AccNorm, None) => Ok(Metric::AccNorm),
                (_, None) => Ok(Metric::Acc),
            })
            .collect::<Result<_, TaskError>>()?;
        Ok(Self {
            task: definition.name.clone(),
            kind: definition.kind,
            primary: definition.primary.clone(),
            filters,
            metrics,
            names: definition.subjects.as_ref().map(|subjects| Names::new(definition, subjects)).transpose()?,
            references,
        })
    }

    fn reference(&self, document: &Document) -> Option<&Reference> {
        self.references.get(&document.subject)?.get(&document.id)
    }

    fn score_text(&self, response: &str, reference: &Reference) -> Score {
        let targets = reference.target.texts();
        let mut outcome = Outcome::Wrong;
        let filters = self
            .filters
            .iter()
            .map(|filter| {
                let extracted = filter.apply(response, &reference.choices);
                let metrics: Vec<(String, f64)> = self
                    .metrics
                    .iter()
                    .filter_map(|metric| match metric {
                        Metric::ExactMatch(exact) => {
                            Some((metric.name().to_owned(), exact.score(&extracted, &targets)))
                        }
                        Metric::Acc | Metric::AccNorm => None,
                    })
                    .collect();
                if filter.name() == self.primary.filter {
                    // An empty answer is none, even where the metric credits it (an alias of punctuation only).
                    outcome = if filter.is_no_answer(&extracted) { Outcome::NoAnswer } else { self.verdict(&metrics) };
                }
                FilterScore { filter: filter.name().to_owned(), extracted: extracted.into(), metrics }
            })
            .collect();
        Score { outcome, filters }
    }

    fn score_choices(&self, sums: &[f64], reference: &Reference) -> Score {
        if sums.len() != reference.choices.len() {
            return failed(format!("{} scores for {} choices", sums.len(), reference.choices.len()));
        }
        let scores = ChoiceScores { log_likelihoods: sums, choices: &reference.choices };
        let is_right =
            |chosen: Option<usize>| f64::from(chosen.is_some_and(|index| reference.target == Target::Index(index)));
        let metrics: Vec<(String, f64)> = self
            .metrics
            .iter()
            .filter_map(|metric| {
                let value = match metric {
                    Metric::Acc => is_right(scores.best()),
                    Metric::AccNorm => is_right(scores.best_normalised()),
                    Metric::ExactMatch(_) => return None,
                };
                Some((metric.name().to_owned(), value))
            })
            .collect();
        let outcome = self.verdict(&metrics);
        Score {
            outcome,
            filters: vec![FilterScore { filter: NONE.to_owned(), extracted: scores.best().into(), metrics }],
        }
    }

    fn verdict(&self, metrics: &[(String, f64)]) -> Outcome {
        let right = metrics.iter().any(|(name, value)| *name == self.primary.metric && *value > 0.0);
        if right { Outcome::Correct } else { Outcome::Wrong }
    }

    /// Filters and metrics in the definition's order.
    fn keys(&self) -> Vec<MetricKey> {
        let filters: Vec<&str> = match self.kind {
            TaskKind::Choose => vec![NONE],
            TaskKind::Generate => self.filters.iter().map(FilterPipeline::name).collect(),
        };
        filters
            .into_iter()
            .flat_map(|filter| {
                self.metrics
                    .iter()
                    .map(|metric| MetricKey { metric: metric.name().to_owned(), filter: filter.to_owned() })
            })
            .collect()
    }
}

impl Scorer for TaskScorer {
    fn score(&self, document: &Document, answer: &Answer) -> Score {
        let Some(reference) = self.reference(document) else {
            return failed(format!("task `{}` has no document {}", self.task, document.id));
        };
        match (self.kind, answer) {
            (TaskKind::Generate, Answer::Text(response)) => self.score_text(response, reference),
            (TaskKind::Choose, Answer::Scores(scores)) => {
                let sums: Vec<f64> = scores.iter().map(|score| score.sum).collect();
                self.score_choices(&sums, reference)
            }
            (TaskKind::Generate, Answer::Scores(_)) => failed(format!("task `{}` needs a text", self.task)),
            (TaskKind::Choose, Answer::Text(_)) => failed(format!("task `{}` needs log-likelihoods", self.task)),
        }
    }

    fn aggregate(&self, scored: &[(&Document, &Score)]) -> Vec<Aggregate> {
        let keys = self.keys();
        let Some(names) = &self.names else {
            return keys.into_iter().filter_map(|key| aggregate(&self.task, &key, mean(scored, &key))).collect();
        };

        let mut subjects: Vec<(&str, Vec<(&Document, &Score)>)> = Vec::new();
        for &(document, score) in scored {
            let subject = document.subject.as_deref().unwrap_or_default();
            match subjects.iter_mut().find(|(name, _)| *name == subject) {
                Some((_, part)) => part.push((document, score)),
                None => subjects.push((subject, vec![(document, score)])),
            }
        }
        let parts: Vec<Vec<Option<Estimate>>> =
            subjects.iter().map(|(_, part)| keys.iter().map(|key| mean(part, key)).collect()).collect();
        let pool = |of: &dyn Fn(&str) -> bool, key: usize| {
            let chosen = subjects.iter().zip(&parts).filter(|((subject, _), _)| of(subject));
            pooled(&chosen.filter_map(|(_, part)| part[key]).collect::<Vec<_>>())
        };

        let mut aggregates = Vec::new();
        aggregates
            .extend(keys.iter().enumerate().filter_map(|(i, key)| aggregate(&self.task, key, pool(&|_| true, i))));
        for category in CATEGORIES {
            let group = names.group(category);
            let is_member = |subject: &str| categories::of_subject(subject) == Some(category);
            aggregates
                .extend(keys.iter().enumerate().filter_map(|(i, key)| aggregate(&group, key, pool(&is_member, i))));
        }
        for ((subject, _), part) in subjects.iter().zip(&parts) {
            let subtask = names.subtask(subject);
            aggregates.extend(keys.iter().zip(part).filter_map(|(key, part)| aggregate(&subtask, key, *part)));
        }
        aggregates
    }
}

impl Metric {
    fn name(&self) -> &'static str {
        match self {
            Self::ExactMatch(_) => "exact_match",
            Self::Acc => "acc",
            Self::AccNorm => "acc_norm",
        }
    }
}

impl Names {
    fn new(definition: &TaskDefinition, subjects: &SubjectsDefinition) -> Result<Self, TaskError> {
        let template = |source: &str| {
            Template::new(source)
                .map_err(|error| TaskError::Definition { task: definition.name.clone(), reason: error.to_string() })
        };
        Ok(Self { subtask: template(&subjects.subtask)?, group: template(&subjects.group)? })
    }

    fn subtask(&self, subject: &str) -> String {
        render(&self.subtask, "subject", subject)
    }

    fn group(&self, category: &str) -> String {
        render(&self.group, "category", category)
    }
}

/// A name from its template, or the plain value where the template asks for more than there is.
fn render(template: &Template, name: &str, value: &str) -> String {
    template.render(&context(&HashMap::from([(name, value)]))).unwrap_or_else(|_| value.to_owned())
}

/// A metric over the documents that have it; failed ones have none.
fn mean(scored: &[(&Document, &Score)], key: &MetricKey) -> Option<Estimate> {
    let values: Vec<f64> = scored
        .iter()
        .filter_map(|(_, score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            filter.metrics.iter().find(|(name, _)| *name == key.metric).map(|(_, value)| *value)
        })
        .collect();
    Estimate::mean(&values)
}

fn aggregate(name: &str, key: &MetricKey, estimate: Option<Estimate>) -> Option<Aggregate> {
    let Estimate { value, stderr, documents } = estimate?;
    Some(Aggregate { name: name.to_owned(), key: key.clone(), value, stderr, documents })
}

fn failed(error: String) -> Score {
    Score { outcome: Outcome::Failed { error }, filters: Vec::new() }
}
