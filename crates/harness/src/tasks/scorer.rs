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
    AnswerScore, ChoiceScores, CorpusMetric, DocumentMean, ExactMatch, InstructionLevel, MetricDefinition, Over,
    Questions, Rouge, Strictness, contains, followed, is_equivalent, is_equivalent_by_value, normalised_match,
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

struct Metric {
    name: &'static str,
    rule: Rule,
}

enum Rule {
    ExactMatch(ExactMatch),
    NormalisedMatch {
        credits_empty: bool,
    },
    MathMatch,
    ValueMatch,
    Rouge {
        of: Rouge,
        stems: bool,
    },
    Reading {
        score: AnswerScore,
        of: Questions,
    },
    Contains,
    Instructions {
        level: InstructionLevel,
        strictness: Strictness,
    },
    Acc,
    AccNorm,
    AccBytes,
    RightMass,
    Greedy,
    Perplexity,
    /// A document's own value stands for it in samples.
    Corpus(CorpusMetric),
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

    fn score_text(&self, response: &str, reference: &Reference) -> Score {
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
                    .filter_map(|metric| Some((metric.name.to_owned(), metric.of_text(&extracted, &targets)?)))
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
        Score { outcome, filters }
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
                let value = match metric.rule {
                    Rule::Acc => is_right(scores.best()),
                    Rule::AccNorm => is_right(scores.best_normalised()),
                    Rule::AccBytes => is_right(scores.best_per_byte()),
                    Rule::RightMass => scores.mass(&reference.right_choices),
                    Rule::Greedy => f64::from(first.greedy),
                    Rule::Perplexity => first.sum,
                    Rule::Corpus(metric) if metric.over() == Over::Choices => is_right(scores.best()),
                    Rule::Corpus(metric) if metric.over() == Over::LogLikelihoods => {
                        metric.of_log_likelihoods([(reference.measured()?, first.sum)])?
                    }
                    Rule::Corpus(_)
                    | Rule::ExactMatch(_)
                    | Rule::NormalisedMatch { .. }
                    | Rule::MathMatch
                    | Rule::ValueMatch
                    | Rule::Rouge { .. }
                    | Rule::Reading { .. }
                    | Rule::Instructions { .. }
                    | Rule::Contains => return None,
                };
                Some((metric.name.to_owned(), value))
            })
            .collect();
        let outcome = self.verdict(&metrics);
        let is_whole = self
            .metrics
            .iter()
            .any(|metric| matches!(metric.rule, Rule::Corpus(of) if of.over() == Over::LogLikelihoods));
        let extracted = if is_whole { first.sum.into() } else { scores.best().into() };
        Score { outcome, filters: vec![FilterScore { filter: NONE.to_owned(), extracted, metrics }] }
    }

    /// A metric of all documents together, without a standard error.
    fn of_corpus(&self, metric: CorpusMetric, key: &MetricKey, scored: &[(&Document, &Score)]) -> Option<DocumentMean> {
        let found = scored.iter().filter_map(|(document, score)| {
            let filter = score.filters.iter().find(|filter| filter.filter == key.filter)?;
            Some((self.reference(document)?, &filter.extracted))
        });
        let found: Vec<(&Reference, &Json)> = found.collect();
        let value = match metric.over() {
            Over::Choices => {
                let pair = |(reference, chosen): &(&Reference, &Json)| {
                    Some((reference.target.choice(&reference.choices)?, usize::try_from(chosen.as_u64()?).ok()?))
                };
                metric.of_choices(&found.iter().filter_map(pair).collect::<Vec<_>>())
            }
            Over::Texts => metric.of_texts(
                found
                    .iter()
                    .filter_map(|(reference, written)| Some((*reference.target.texts().first()?, written.as_str()?))),
            ),
            // JSON has no word for what is impossible.
            Over::LogLikelihoods => metric.of_log_likelihoods(found.iter().filter_map(|(reference, sum)| {
                Some((reference.measured()?, sum.as_f64().unwrap_or(f64::NEG_INFINITY)))
            })),
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
            .flat_map(|filter| self.metrics.iter().map(move |metric| key(metric.name, filter)))
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
            (TaskKind::Generate, Answer::Text(response)) => self.score_text(response, reference),
            (TaskKind::Choose, Answer::Scores(scores)) => self.score_choices(scores, reference),
            (TaskKind::Generate, Answer::Scores(_)) => failed(format!("task `{}` needs a text", self.task)),
            (TaskKind::Choose, Answer::Text(_)) => failed(format!("task `{}` needs log-likelihoods", self.task)),
        }
    }

    fn needs_greedy(&self) -> bool {
        self.metrics.iter().any(|metric| matches!(metric.rule, Rule::Greedy))
    }

    fn aggregate(&self, scored: &[(&Document, &Score)]) -> Vec<Aggregate> {
        let rule =
            |key: &MetricKey| self.metrics.iter().find(|metric| metric.name == key.metric).map(|metric| &metric.rule);
        self.groups.aggregate(&self.keys(), scored, &|scored, key| match rule(key) {
            Some(Rule::Corpus(metric)) => self.of_corpus(*metric, key, scored),
            Some(Rule::Instructions { level: InstructionLevel::Instruction, .. }) => self.of_instructions(key, scored),
            _ => mean(scored, key),
        })
    }
}

impl Metric {
    fn new(definition: &MetricDefinition) -> Result<Self, PatternError> {
        let rule = match definition {
            MetricDefinition::ExactMatch { regexes_to_ignore, ignore_case, ignore_punctuation } => {
                Rule::ExactMatch(ExactMatch::new(regexes_to_ignore, *ignore_case, *ignore_punctuation)?)
            }
            MetricDefinition::RunningMeanAsPublished => Rule::ExactMatch(ExactMatch::new(&[], false, false)?),
            MetricDefinition::NormalisedMatch => Rule::NormalisedMatch { credits_empty: false },
            MetricDefinition::NormalisedMatchAsPublished => Rule::NormalisedMatch { credits_empty: true },
            MetricDefinition::Acc => Rule::Acc,
            MetricDefinition::AccNorm => Rule::AccNorm,
            MetricDefinition::AccBytes => Rule::AccBytes,
            MetricDefinition::RightMass => Rule::RightMass,
            MetricDefinition::Greedy => Rule::Greedy,
            MetricDefinition::Perplexity => Rule::Perplexity,
            MetricDefinition::MathMatch => Rule::MathMatch,
            MetricDefinition::ValueMatch => Rule::ValueMatch,
            MetricDefinition::Rouge { of, stems } => Rule::Rouge { of: *of, stems: *stems },
            MetricDefinition::Reading { score, of } => Rule::Reading { score: *score, of: *of },
            MetricDefinition::Contains => Rule::Contains,
            MetricDefinition::Instructions { level, strictness } => {
                Rule::Instructions { level: *level, strictness: *strictness }
            }
            MetricDefinition::F1 => Rule::Corpus(CorpusMetric::F1),
            MetricDefinition::Mcc => Rule::Corpus(CorpusMetric::Matthews),
            MetricDefinition::Bleu => Rule::Corpus(CorpusMetric::Bleu),
            MetricDefinition::Chrf => Rule::Corpus(CorpusMetric::Chrf),
            MetricDefinition::Ter => Rule::Corpus(CorpusMetric::Ter),
            MetricDefinition::WordPerplexity => Rule::Corpus(CorpusMetric::WordPerplexity),
            MetricDefinition::BytePerplexity => Rule::Corpus(CorpusMetric::BytePerplexity),
            MetricDefinition::BitsPerByte => Rule::Corpus(CorpusMetric::BitsPerByte),
        };
        Ok(Self { name: definition.name(), rule })
    }

    /// The value of an extracted text; `None` where the metric is one of choices.
    fn of_text(&self, extracted: &str, references: &[&str]) -> Option<f64> {
        match &self.rule {
            Rule::ExactMatch(exact) => Some(exact.score(extracted, references)),
            Rule::NormalisedMatch { credits_empty } => {
                Some(f64::from(normalised_match(extracted, references, *credits_empty)))
            }
            Rule::MathMatch => Some(f64::from(references.iter().any(|reference| is_equivalent(extracted, reference)))),
            Rule::ValueMatch => {
                Some(f64::from(references.iter().any(|reference| is_equivalent_by_value(extracted, reference))))
            }
            Rule::Rouge { of, stems } => Some(of.score(extracted, references, *stems)),
            Rule::Reading { of, .. } if !of.has(references) => None,
            Rule::Reading { score, .. } => Some(score.score(extracted, references)),
            Rule::Instructions { level, strictness } => {
                Some(level.value(&followed(extracted, references, *strictness)))
            }
            Rule::Contains => Some(f64::from(contains(extracted, references))),
            Rule::Corpus(metric) => metric.of_texts([(*references.first()?, extracted)]),
            Rule::Acc | Rule::AccNorm | Rule::AccBytes | Rule::RightMass | Rule::Greedy | Rule::Perplexity => None,
        }
    }
}

fn failed(error: String) -> Score {
    Score { outcome: Outcome::Failed { error }, filters: Vec::new() }
}
