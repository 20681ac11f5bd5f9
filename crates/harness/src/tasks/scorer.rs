//! Scoring of a task's answers.

use std::collections::HashMap;

use gac_ensemble::LogLikelihood;
use serde_json::Value as Json;

use super::definition::TaskKind;
use super::error::TaskError;
use super::groups::{Groups, mean};
use super::rendered::Target;
use super::selection::Selection;
use crate::filters::{FilterPipeline, FoundAnswer, ROBUST, Robust};
use crate::metrics::{
    ChoiceScores, DocumentMean, DoubtedAnswer, ExactMatch, MetricDefinition, NoAnswerProbability, Over, Span,
    best_over_thresholds, contains, followed, is_equivalent, is_equivalent_by_value, normalised_match, over_choices,
    over_log_likelihoods, over_texts, verify,
};
use crate::python::PatternError;
use crate::task::{Aggregate, Answer, Document, FilterScore, MetricKey, Outcome, Score, Scorer};

/// The filter name of multiple choice.
pub(super) const NONE: &str = "none";

/// What the scorer must know of a document.
pub(super) struct Reference {
    pub(super) target: Target,
    pub(super) choices: Vec<String>,
    /// Whether each choice is right, where several are.
    pub(super) right_choices: Vec<bool>,
    /// The text that perplexities are per a word or byte of, where it is another than the target.
    pub(super) measured: Option<String>,
    /// The text that says how the target comes about, where there is one.
    pub(super) solution: Option<String>,
}

impl Reference {
    /// The text that perplexities are per a word or byte of.
    fn measured(&self) -> Option<&str> {
        self.measured.as_deref().or_else(|| self.target.texts().first().copied())
    }
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
    robust: Option<Robust>,
    groups: Groups,
    references: References,
}

/// A metric, its patterns compiled.
struct Metric {
    definition: MetricDefinition,
    exact: Option<ExactMatch>,
    span: Option<Span>,
}

/// The metric of the robust filter.
const ROBUST_METRIC: &str = "exact_match";

impl TaskScorer {
    pub(super) fn new(selection: &Selection<'_>, references: References) -> Result<Self, TaskError> {
        let definition = selection.definition;
        let pattern = |source| TaskError::Pattern { task: definition.name.clone(), source };
        let filters = definition.filters.iter().map(FilterPipeline::new).collect::<Result<_, _>>().map_err(pattern)?;
        let metrics = definition.metrics.iter().map(Metric::new).collect::<Result<_, _>>().map_err(pattern)?;
        Ok(Self {
            task: selection.name.clone(),
            kind: definition.kind,
            primary: definition.primary.clone(),
            filters,
            metrics,
            robust: definition.robust.map(Robust::new),
            groups: Groups::new(selection)?,
            references,
        })
    }

    fn reference(&self, document: &Document) -> Option<&Reference> {
        self.references.get(&document.subject)?.get(&document.id)
    }

    fn score_text(&self, response: &str, no_answer: Option<f64>, reference: &Reference) -> Score {
        let targets = reference.target.texts();
        let mut outcome = Outcome::Wrong;
        let mut filters: Vec<FilterScore> = self
            .filters
            .iter()
            .map(|filter| {
                let extracted = filter.apply(response, &reference.choices);
                let metrics: Vec<(String, f64)> = self
                    .metrics
                    .iter()
                    .filter_map(|metric| {
                        Some((metric.name().to_owned(), metric.of_text(response, &extracted, reference)?))
                    })
                    .collect();
                if filter.name() == self.primary.filter {
                    // An empty answer is none, even where the metric credits it (an alias of punctuation only).
                    outcome = if filter.is_no_answer(&extracted) { Outcome::NoAnswer } else { self.verdict(&metrics) };
                }
                FilterScore { filter: filter.name().to_owned(), extracted: extracted.into(), metrics }
            })
            .collect();
        // Beside the others: neither the outcome nor any other metric depends on it.
        filters.extend(self.robust.map(|robust| {
            let FoundAnswer { answer, is_right } = robust.apply(response, &targets, &reference.choices);
            let metrics = vec![(ROBUST_METRIC.to_owned(), f64::from(is_right))];
            FilterScore { filter: ROBUST.to_owned(), extracted: answer.into(), metrics }
        }));
        Score { outcome, filters, no_answer }
    }

    fn score_choices(&self, answers: &[LogLikelihood], reference: &Reference) -> Score {
        let [first, ..] = answers else { return failed("no scores of choices".to_owned()) };
        if answers.len() != reference.choices.len() {
            return failed(format!("{} scores for {} choices", answers.len(), reference.choices.len()));
        }
        let sums: Vec<f64> = answers.iter().map(|score| score.sum).collect();
        let scores = ChoiceScores { log_likelihoods: &sums, choices: &reference.choices };
        let is_right = |chosen: Option<usize>| {
            f64::from(chosen.is_some_and(|chosen| reference.target.accepts(chosen, &reference.choices)))
        };
        let metrics: Vec<(String, f64)> = self
            .metrics
            .iter()
            .filter_map(|metric| {
                let definition = &metric.definition;
                let value = match (definition, definition.over()) {
                    (MetricDefinition::Acc, _) | (_, Some(Over::Choices)) => is_right(scores.best()),
                    (MetricDefinition::AccNorm, _) => is_right(scores.best_normalised()),
                    (MetricDefinition::AccBytes, _) => is_right(scores.best_per_byte()),
                    (MetricDefinition::RightMass, _) => scores.mass(&reference.right_choices),
                    (MetricDefinition::Greedy, _) => f64::from(first.greedy),
                    (MetricDefinition::Perplexity, _) => first.sum,
                    (_, Some(Over::LogLikelihoods)) => {
                        over_log_likelihoods(definition, [(reference.measured()?, first.sum)])?
                    }
                    _ => return None,
                };
                Some((metric.name().to_owned(), value))
            })
            .collect();
        let outcome = self.verdict(&metrics);
        let is_whole = self.metrics.iter().any(|metric| metric.definition.over() == Some(Over::LogLikelihoods));
        let extracted = if is_whole { first.sum.into() } else { scores.best().into() };
        let filters = vec![FilterScore { filter: NONE.to_owned(), extracted, metrics }];
        Score { outcome, filters, no_answer: None }
    }

    /// A metric of all documents together, without a standard error.
    fn of_corpus(
        &self,
        metric: &MetricDefinition,
        over: Over,
        key: &MetricKey,
        scored: &[(&Document, &Score)],
    ) -> Option<DocumentMean> {
        let found = scored.iter().filter_map(|(document, score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            Some((self.reference(document)?, &filter.extracted))
        });
        let found: Vec<(&Reference, &Json)> = found.collect();
        let value = match over {
            Over::Instructions => return self.of_instructions(key, scored),
            Over::DoubtedAnswers => return self.of_doubted_answers(metric, key, scored),
            Over::Choices => {
                let pair = |(reference, chosen): &(&Reference, &Json)| {
                    Some((reference.target.choice(&reference.choices)?, usize::try_from(chosen.as_u64()?).ok()?))
                };
                over_choices(metric, &found.iter().filter_map(pair).collect::<Vec<_>>())
            }
            Over::Texts => over_texts(
                metric,
                found
                    .iter()
                    .filter_map(|(reference, written)| Some((*reference.target.texts().first()?, written.as_str()?))),
            ),
            // JSON has no word for what is impossible.
            Over::LogLikelihoods => over_log_likelihoods(
                metric,
                found.iter().filter_map(|(reference, sum)| {
                    Some((reference.measured()?, sum.as_f64().unwrap_or(f64::NEG_INFINITY)))
                }),
            ),
        };
        value.map(|value| DocumentMean { value, stderr: None, documents: found.len() })
    }

    /// The share of instructions that are followed, of all documents together. It has no standard error.
    fn of_instructions(&self, key: &MetricKey, scored: &[(&Document, &Score)]) -> Option<DocumentMean> {
        let counts = scored.iter().filter_map(|(document, score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            let (_, share) = filter.metrics.iter().find(|(name, _)| *name == key.metric)?;
            let instructions = self.reference(document)?.target.texts().len() as f64;
            Some((share * instructions, instructions))
        });
        let counts: Vec<(f64, f64)> = counts.collect();
        let all: f64 = counts.iter().map(|(_, instructions)| instructions).sum();
        let followed: f64 = counts.iter().map(|(followed, _)| followed.round()).sum();
        (all > 0.0).then(|| DocumentMean { value: followed / all, stderr: None, documents: counts.len() })
    }

    /// A metric at its best threshold. Where a document was not asked how likely no answer is, no threshold is told.
    fn of_doubted_answers(
        &self,
        metric: &MetricDefinition,
        key: &MetricKey,
        scored: &[(&Document, &Score)],
    ) -> Option<DocumentMean> {
        let MetricDefinition::BestReading { score: compared } = metric else { return None };
        let doubted = |(document, score): &(&Document, &Score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            let (text, answers) = (filter.extracted.as_str()?, self.reference(document)?.target.texts());
            Some(DoubtedAnswer {
                score: compared.score(text, &answers),
                is_empty: text.is_empty(),
                has_answer: !answers.is_empty(),
                no_answer: NoAnswerProbability::of_log(score.no_answer?),
            })
        };
        let answers: Vec<DoubtedAnswer> = scored.iter().map(doubted).collect::<Option<_>>()?;
        let value = best_over_thresholds(&answers)?;
        Some(DocumentMean { value, stderr: None, documents: answers.len() })
    }

    /// Right is what has more than half of the credit; most metrics give all or nothing.
    fn verdict(&self, metrics: &[(String, f64)]) -> Outcome {
        let right = metrics.iter().any(|(name, value)| *name == self.primary.metric && *value > 0.5);
        if right { Outcome::Correct } else { Outcome::Wrong }
    }

    /// Filters and metrics in the definition's order, the robust one last.
    fn keys(&self) -> Vec<MetricKey> {
        let filters: Vec<&str> = match self.kind {
            TaskKind::Choose => vec![NONE],
            TaskKind::Generate => self.filters.iter().map(FilterPipeline::name).collect(),
        };
        let key = |metric: &str, filter: &str| MetricKey { metric: metric.to_owned(), filter: filter.to_owned() };
        filters
            .into_iter()
            .flat_map(|filter| self.metrics.iter().map(move |metric| key(metric.name(), filter)))
            .chain(self.robust.map(|_| key(ROBUST_METRIC, ROBUST)))
            .collect()
    }
}

impl Scorer for TaskScorer {
    fn score(&self, document: &Document, answer: &Answer) -> Score {
        let Some(reference) = self.reference(document) else {
            return failed(format!("task `{}` has no document {}", self.task, document.id));
        };
        match (self.kind, answer) {
            (TaskKind::Generate, Answer::Text(response)) => self.score_text(response, None, reference),
            (TaskKind::Generate, Answer::TextOrNone { text, no_answer }) => {
                self.score_text(text, Some(no_answer.sum), reference)
            }
            (TaskKind::Choose, Answer::Scores(scores)) => self.score_choices(scores, reference),
            (TaskKind::Generate, Answer::Scores(_)) => failed(format!("task `{}` needs a text", self.task)),
            (TaskKind::Choose, Answer::Text(_) | Answer::TextOrNone { .. }) => {
                failed(format!("task `{}` needs log-likelihoods", self.task))
            }
        }
    }

    fn needs_greedy(&self) -> bool {
        self.metrics.iter().any(|metric| metric.definition == MetricDefinition::Greedy)
    }

    fn aggregate(&self, scored: &[(&Document, &Score)]) -> Vec<Aggregate> {
        let of_corpus = |key: &MetricKey| {
            let metric = self.metrics.iter().find(|metric| metric.name() == key.metric)?;
            Some((&metric.definition, metric.definition.over()?))
        };
        self.groups.aggregate(&self.keys(), scored, &|scored, key| match of_corpus(key) {
            Some((metric, over)) => self.of_corpus(metric, over, key, scored),
            None => mean(scored, key),
        })
    }
}

impl Metric {
    fn new(definition: &MetricDefinition) -> Result<Self, PatternError> {
        let exact = match definition {
            MetricDefinition::ExactMatch { regexes_to_ignore, ignore_case, ignore_punctuation } => {
                Some(ExactMatch::new(regexes_to_ignore, *ignore_case, *ignore_punctuation)?)
            }
            MetricDefinition::RunningMeanAsPublished => Some(ExactMatch::new(&[], false, false)?),
            _ => None,
        };
        let span = match definition {
            MetricDefinition::Span(span) => Some(Span::new(span)?),
            _ => None,
        };
        Ok(Self { definition: definition.clone(), exact, span })
    }

    fn name(&self) -> &'static str {
        self.definition.name()
    }

    /// The value of what was extracted of a response; `None` where the metric is one of choices.
    fn of_text(&self, response: &str, extracted: &str, reference: &Reference) -> Option<f64> {
        let references = &reference.target.texts()[..];
        if let Some(exact) = &self.exact {
            return Some(exact.score(extracted, references));
        }
        if let Some(span) = &self.span {
            return Some(span.score(extracted, references));
        }
        let any = |is_same: fn(&str, &str) -> bool| {
            Some(f64::from(references.iter().any(|reference| is_same(extracted, reference))))
        };
        match &self.definition {
            MetricDefinition::NormalisedMatch => Some(f64::from(normalised_match(extracted, references, false))),
            MetricDefinition::NormalisedMatchAsPublished => {
                Some(f64::from(normalised_match(extracted, references, true)))
            }
            MetricDefinition::MathMatch => any(is_equivalent),
            MetricDefinition::ValueMatch => any(is_equivalent_by_value),
            MetricDefinition::MathVerify => {
                let solution = reference.solution.as_deref().or_else(|| references.first().copied())?;
                Some(f64::from(verify(solution, response)))
            }
            MetricDefinition::Rouge { of, stems } => Some(of.score(extracted, references, *stems)),
            MetricDefinition::Reading { of, .. } if !of.has(references) => None,
            MetricDefinition::Reading { score, .. } => Some(score.score(extracted, references)),
            MetricDefinition::Instructions { level, strictness } => {
                Some(level.value(&followed(extracted, references, *strictness)))
            }
            MetricDefinition::TrueAnswers { by, figure } => {
                Some(by.score(*figure, extracted, &reference.choices, &reference.right_choices))
            }
            // One document has no threshold.
            MetricDefinition::BestReading { .. } => None,
            MetricDefinition::Contains => Some(f64::from(contains(extracted, references))),
            metric => over_texts(metric, [(*references.first()?, extracted)]),
        }
    }
}

fn failed(error: String) -> Score {
    Score { outcome: Outcome::Failed { error }, filters: Vec::new(), no_answer: None }
}
