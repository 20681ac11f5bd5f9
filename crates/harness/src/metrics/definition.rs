//! Metrics, as task definitions write them.

use serde::{Deserialize, Serialize};

use super::corpus::{CorpusMetric, Over};
use super::instructions::{InstructionLevel, Strictness};
use super::reading::{AnswerScore, Questions};
use super::rouge::Rouge;

/// A metric of one document.
///
/// Source: lm-evaluation-harness 0.4.13, `lm_eval/api/metrics.py`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum MetricDefinition {
    /// Whether the extracted text is a reference text.
    ExactMatch {
        /// Patterns (Python's dialect) whose matches are dropped from both texts first, one after the other.
        #[serde(default)]
        regexes_to_ignore: Vec<String>,
        /// Whether both texts are lower-cased.
        #[serde(default)]
        ignore_case: bool,
        /// Whether ASCII punctuation is dropped from both texts.
        #[serde(default)]
        ignore_punctuation: bool,
    },
    /// Whether the extracted text is a reference text once case, punctuation and articles are dropped. An answer of
    /// which nothing is left is wrong.
    NormalisedMatch,
    /// As `normalised_match`, but an answer of which nothing is left is right where a reference is such, too: the rule
    /// by which `DeePEn` and `UniTE` were published.
    NormalisedMatchAsPublished,
    /// Exact match, aggregated as the mean of the accuracies after each document: the rule by which `UniTE` was
    /// published. It depends on the order of the documents and weighs the first ones most.
    RunningMeanAsPublished,
    /// Whether the choice of the highest log-likelihood is right.
    Acc,
    /// Whether the choice of the highest log-likelihood per character is right.
    AccNorm,
    /// Whether the choice of the highest log-likelihood per byte is right.
    AccBytes,
    /// The share of the right choices in the probabilities of all (`TruthfulQA`'s MC2); reported as `acc`.
    RightMass,
    /// Whether the only choice is what greedy decoding gives; reported as `acc`.
    Greedy,
    /// The log-likelihood of the only choice; over documents, the exponential of its negative mean. Less is better.
    Perplexity,
    /// F1 of choice 1 over all documents.
    F1,
    /// Matthews' correlation over all documents.
    Mcc,
    /// BLEU over all documents.
    Bleu,
    /// chrF over all documents.
    Chrf,
    /// TER over all documents; less is better.
    Ter,
    /// Perplexity per word of all documents; less is better.
    WordPerplexity,
    /// Perplexity per byte of all documents; less is better.
    BytePerplexity,
    /// Bits per byte of all documents; less is better.
    BitsPerByte,
    /// Whether the extracted text is the reference once both are written in one way, as answers to MATH are; reported as
    /// `exact_match`.
    MathMatch,
    /// Whether the extracted text has the value of the reference, as answers to MATH do under Minerva's protocol; reported as
    /// `exact_match`.
    ValueMatch,
    /// Which instructions a response follows, as `IFEval` has them; reported as `prompt_level_strict_acc` and so on. The target is the
    /// list of the instructions.
    Instructions {
        /// What is counted.
        level: InstructionLevel,
        /// Which texts of the response are looked at.
        strictness: Strictness,
    },
    /// ROUGE against a reference, of several the best.
    Rouge {
        /// What is counted.
        of: Rouge,
        /// Whether words are stemmed.
        #[serde(default)]
        stems: bool,
    },
    /// An answer about a passage that may have none, as `SQuAD` 2.0 has them; reported as `exact`, `HasAns_f1` and so on.
    Reading {
        /// How it is compared.
        score: AnswerScore,
        /// Over which questions.
        #[serde(default)]
        of: Questions,
    },
    /// Whether a reference stands in the extracted text, in any case.
    Contains,
}

/// A metric that is not aggregated by its mean.
pub(crate) const RUNNING_MEAN: &str = "running_mean_as_published";

/// Another one.
pub(crate) const PERPLEXITY: &str = "perplexity";

impl MetricDefinition {
    /// lm-evaluation-harness's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExactMatch { .. } | Self::MathMatch | Self::ValueMatch => "exact_match",
            Self::NormalisedMatch => "normalised_match",
            Self::NormalisedMatchAsPublished => "normalised_match_as_published",
            Self::RunningMeanAsPublished => RUNNING_MEAN,
            Self::Acc | Self::RightMass | Self::Greedy => "acc",
            Self::AccNorm => "acc_norm",
            Self::AccBytes => "acc_bytes",
            Self::Perplexity => PERPLEXITY,
            Self::Rouge { of, .. } => of.name(),
            Self::Reading { score, of } => score.name(*of),
            Self::Contains => "contains",
            Self::Instructions { level, strictness } => level.name(*strictness),
            Self::F1
            | Self::Mcc
            | Self::Bleu
            | Self::Chrf
            | Self::Ter
            | Self::WordPerplexity
            | Self::BytePerplexity
            | Self::BitsPerByte => self.of_corpus().map(CorpusMetric::name).unwrap_or_default(),
        }
    }

    /// How lm-evaluation-harness names the way in which documents are put together.
    pub(crate) fn aggregation(&self) -> &'static str {
        match self {
            Self::Perplexity => "perplexity",
            Self::Mcc => "matthews_corrcoef",
            Self::F1 | Self::Bleu | Self::Chrf | Self::Ter | Self::BitsPerByte => self.name(),
            Self::WordPerplexity | Self::BytePerplexity => "weighted_perplexity",
            _ => "mean",
        }
    }

    /// Whether more is better.
    pub(crate) fn is_higher_better(&self) -> bool {
        !matches!(self, Self::Perplexity | Self::Ter | Self::WordPerplexity | Self::BytePerplexity | Self::BitsPerByte)
    }

    /// The metric of all documents together that it is, if it is one.
    pub(crate) fn of_corpus(&self) -> Option<CorpusMetric> {
        match self {
            Self::F1 => Some(CorpusMetric::F1),
            Self::Mcc => Some(CorpusMetric::Matthews),
            Self::Bleu => Some(CorpusMetric::Bleu),
            Self::Chrf => Some(CorpusMetric::Chrf),
            Self::Ter => Some(CorpusMetric::Ter),
            Self::WordPerplexity => Some(CorpusMetric::WordPerplexity),
            Self::BytePerplexity => Some(CorpusMetric::BytePerplexity),
            Self::BitsPerByte => Some(CorpusMetric::BitsPerByte),
            _ => None,
        }
    }

    /// Whether it is one of choices, and not of texts.
    pub(crate) fn is_of_choices(&self) -> bool {
        if let Some(metric) = self.of_corpus() {
            return metric.over() != Over::Texts;
        }
        matches!(self, Self::Acc | Self::AccNorm | Self::AccBytes | Self::RightMass | Self::Greedy | Self::Perplexity)
    }
}
