//! A task's figures: the whole, its groups, its subtasks.

use std::collections::HashMap;

use super::categories;
use super::definition::{SubjectsDefinition, TaskDefinition};
use super::error::TaskError;
use super::selection::{Part, Selection};
use super::template::{Template, context};
use crate::metrics::{DocumentMean, PERPLEXITY, PoolingRule, RUNNING_MEAN, pooled};
use crate::task::{Aggregate, Document, MetricKey, Score};

/// What documents come to under a key; none where none has the metric.
pub(super) type Estimator<'e> = dyn Fn(&[(&Document, &Score)], &MetricKey) -> Option<DocumentMean> + 'e;

/// How a task's documents are put together.
pub(super) struct Groups {
    task: String,
    names: Option<NameTemplates>,
    /// Whether lm-evaluation-harness reports figures of its groups.
    is_reported: bool,
    pooling: PoolingRule,
}

/// Templates of names.
struct NameTemplates {
    subtask: Template,
    group: Option<Template>,
}

/// A subject with its estimates, one per key; `None` where no document has the metric.
struct Subject<'a> {
    name: &'a str,
    estimates: Vec<Option<DocumentMean>>,
}

impl Groups {
    pub(super) fn new(selection: &Selection<'_>) -> Result<Self, TaskError> {
        let Selection { name, definition, part, .. } = selection;
        let names =
            definition.subjects.as_ref().map(|subjects| NameTemplates::new(definition, subjects)).transpose()?;
        let names = match part {
            Part::Whole => names,
            Part::Group(_) => names.map(|names| NameTemplates { group: None, ..names }),
            Part::Subtask(_) => None,
        };
        let is_reported = definition.subjects.as_ref().is_some_and(|subjects| subjects.harness_reports_groups);
        Ok(Self { task: name.clone(), names, is_reported, pooling: definition.rules.pooling() })
    }

    /// The task itself first, then its groups, then its subtasks, each with every key that any document has.
    /// `estimate` says what documents come to under a key.
    pub(super) fn aggregate(
        &self,
        keys: &[MetricKey],
        scored: &[(&Document, &Score)],
        estimate: &Estimator<'_>,
    ) -> Vec<Aggregate> {
        let Some(names) = &self.names else {
            return keys.iter().filter_map(|key| aggregate(&self.task, key, estimate(scored, key))).collect();
        };
        let subjects = subjects(keys, scored, estimate);
        let groups: Vec<(&str, Vec<&Subject<'_>>)> = if names.group.is_some() {
            categories::names().map(|category| (category, members(&subjects, Some(category)))).collect()
        } else {
            Vec::new()
        };

        let mut aggregates: Vec<Aggregate> = Vec::new();
        let mut push = |name: &str, is_group: bool, estimate: &dyn Fn(usize) -> Option<DocumentMean>| {
            let found = keys.iter().enumerate().filter_map(|(index, key)| aggregate(name, key, estimate(index)));
            aggregates.extend(found.map(|found| Aggregate { is_group, ..found }));
        };
        push(&self.task, false, &|key| self.whole(&subjects, &groups, key));
        for (category, members) in &groups {
            push(&names.group(category), self.is_reported, &|key| pool(members, key));
        }
        for subject in &subjects {
            push(&names.subtask(subject.name), false, &|key| subject.estimates[key]);
        }
        aggregates
    }

    fn whole(
        &self,
        subjects: &[Subject<'_>],
        groups: &[(&str, Vec<&Subject<'_>>)],
        key: usize,
    ) -> Option<DocumentMean> {
        if self.pooling == PoolingRule::AllAtOnce || groups.is_empty() {
            return pool(&subjects.iter().collect::<Vec<_>>(), key);
        }
        let of_groups = groups.iter().filter_map(|(_, members)| pool(members, key));
        let ungrouped = members(subjects, None).into_iter().filter_map(|subject| subject.estimates[key]);
        pooled(&of_groups.chain(ungrouped).collect::<Vec<_>>())
    }
}

impl NameTemplates {
    fn new(definition: &TaskDefinition, subjects: &SubjectsDefinition) -> Result<Self, TaskError> {
        let template = |source: &String| {
            Template::new(source)
                .map_err(|error| TaskError::Definition { task: definition.name.clone(), reason: error.to_string() })
        };
        Ok(Self { subtask: template(&subjects.subtask)?, group: subjects.group.as_ref().map(template).transpose()? })
    }

    fn subtask(&self, subject: &str) -> String {
        render(&self.subtask, "subject", subject)
    }

    fn group(&self, category: &str) -> String {
        self.group.as_ref().map_or_else(|| category.to_owned(), |template| render(template, "category", category))
    }
}

/// Documents by subject, in the order in which subjects first appear.
fn subjects<'a>(keys: &[MetricKey], scored: &[(&'a Document, &Score)], estimate: &Estimator<'_>) -> Vec<Subject<'a>> {
    let mut parts: Vec<(&str, Vec<(&Document, &Score)>)> = Vec::new();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for &(document, score) in scored {
        let name = document.subject.as_deref().unwrap_or_default();
        let place = *places.entry(name).or_insert_with(|| {
            parts.push((name, Vec::new()));
            parts.len() - 1
        });
        parts[place].1.push((document, score));
    }
    parts
        .into_iter()
        .map(|(name, part)| Subject { name, estimates: keys.iter().map(|key| estimate(&part, key)).collect() })
        .collect()
}

/// The subjects of a category; those of none for `None`.
fn members<'s, 'a>(subjects: &'s [Subject<'a>], category: Option<&str>) -> Vec<&'s Subject<'a>> {
    subjects.iter().filter(|subject| categories::of_subject(subject.name) == category).collect()
}

fn pool(members: &[&Subject<'_>], key: usize) -> Option<DocumentMean> {
    pooled(&members.iter().filter_map(|subject| subject.estimates[key]).collect::<Vec<_>>())
}

/// A name from its template, or the plain value where the template asks for more than there is.
fn render(template: &Template, name: &str, value: &str) -> String {
    template.render(&context(&HashMap::from([(name, value)]))).unwrap_or_else(|_| value.to_owned())
}

/// A metric over the documents that have it; failed ones have none.
pub(super) fn mean(scored: &[(&Document, &Score)], key: &MetricKey) -> Option<DocumentMean> {
    let values: Vec<f64> = scored
        .iter()
        .filter_map(|(_, score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            filter.metrics.iter().find(|(name, _)| *name == key.metric).map(|(_, value)| *value)
        })
        .collect();
    match key.metric.as_str() {
        RUNNING_MEAN => DocumentMean::running_mean(&values),
        PERPLEXITY => DocumentMean::perplexity(&values),
        _ => DocumentMean::mean(&values),
    }
}

fn aggregate(name: &str, key: &MetricKey, estimate: Option<DocumentMean>) -> Option<Aggregate> {
    let DocumentMean { value, stderr, documents } = estimate?;
    Some(Aggregate { name: name.to_owned(), key: key.clone(), value, stderr, documents, is_group: false })
}

#[cfg(test)]
mod tests {
    use super::super::TaskRegistry;
    use super::*;
    use crate::prompt_parts::PromptParts;
    use crate::task::{FilterScore, Outcome, Request};

    fn scored(subject: &str, id: usize, value: f64) -> (Document, Score) {
        let request = Request::Choose { context: String::new(), continuations: Vec::new() };
        let parts = PromptParts::default();
        let document = Document {
            id,
            subject: Some(subject.into()),
            group: None,
            repeat: 0,
            hash: String::new(),
            request,
            parts,
            target: 0.into(),
        };
        let metrics = vec![("acc".to_owned(), value)];
        let filters = vec![FilterScore { filter: "none".into(), extracted: 0.into(), metrics }];
        (document, Score { outcome: Outcome::Wrong, filters, no_answer: None })
    }

    fn aggregates(task: &str, subjects: &[(&str, [f64; 3])]) -> Vec<Aggregate> {
        let scored: Vec<_> = subjects
            .iter()
            .flat_map(|(subject, values)| values.iter().enumerate().map(|(id, value)| scored(subject, id, *value)))
            .collect();
        let scored: Vec<_> = scored.iter().map(|(document, score)| (document, score)).collect();
        let key = MetricKey { metric: "acc".into(), filter: "none".into() };
        let registry = TaskRegistry::built_in();
        Groups::new(&registry.find(task).unwrap()).unwrap().aggregate(&[key], &scored, &mean)
    }

    fn whole(task: &str) -> Aggregate {
        let subjects = [
            ("anatomy", [1.0, 1.0, 0.0]),
            ("virology", [0.0, 1.0, 0.0]),
            ("astronomy", [1.0, 1.0, 1.0]),
            ("zorb_law", [0.0, 0.0, 1.0]),
        ];
        aggregates(task, &subjects).remove(0)
    }

    #[test]
    fn a_group_or_a_subtask_alone_has_its_own_figures() {
        let stem = aggregates("mmlu_stem", &[("anatomy", [1.0, 1.0, 0.0]), ("astronomy", [1.0, 1.0, 1.0])]);
        let named: Vec<(&str, usize)> = stem.iter().map(|own| (own.name.as_str(), own.documents)).collect();
        assert_eq!(named, [("mmlu_stem", 6), ("mmlu_anatomy", 3), ("mmlu_astronomy", 3)]);
        assert!((stem[0].value - 5.0 / 6.0).abs() < 1e-15);
        // Squared deviations within subjects: 2/3 and 0, over 6 - 2, then over 6.
        assert!((stem[0].stderr.unwrap() - (2.0_f64 / 3.0 / 4.0 / 6.0).sqrt()).abs() < 1e-12);
        let [anatomy] = &aggregates("mmlu_anatomy", &[("anatomy", [1.0, 1.0, 0.0])])[..] else { panic!("one row") };
        assert_eq!((anatomy.name.as_str(), anatomy.value), ("mmlu_anatomy", 2.0 / 3.0));
    }

    #[test]
    fn the_commit_pools_groups_and_the_release_pools_subtasks() {
        // Squared deviations within subjects: 2/3, 2/3, 0, 2/3.
        let at_once: f64 = (2.0_f64 / (12.0 - 4.0) / 12.0).sqrt();
        assert!((whole("mmlu").stderr.unwrap() - at_once).abs() < 1e-12);

        // stem (anatomy, astronomy): 2/3 over 6 - 2, then over 6; other (virology) and zorb_law: 2/3 over 2, over 3.
        let (stem, other) = (2.0 / 3.0 / 4.0 / 6.0, 2.0 / 3.0 / 2.0 / 3.0);
        let level: f64 = (5.0 * 6.0 * stem + 2.0 * (2.0 * 3.0 * other)) / (12.0 - 3.0) / 12.0;
        assert!((whole("mmlu@9e6e240").stderr.unwrap() - level.sqrt()).abs() < 1e-12);
        assert!((whole("mmlu@9e6e240").value - whole("mmlu").value).abs() < 1e-15);
    }
}
