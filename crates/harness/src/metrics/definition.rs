//! Metrics, as task definitions write them.

use serde::{Deserialize, Serialize};

use super::instructions::{InstructionLevel, Strictness};
use super::reading::{AnswerScore, Questions};
use super::rouge::Rouge;
use super::span::SpanDefinition;
use super::true_answers::{Likeness, TruthFigure};

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
    /// F1 over all documents.
    F1 {
        /// Of which classes.
        #[serde(default)]
        average: F1Average,
    },
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
    /// Whether the response gives the answer that the solution has, as Hugging Face's `math_verify` finds and compares them.
    /// It looks at the whole response, not at what is extracted; without a solution, the target is one.
    MathVerify,
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
    /// The same of all questions, where those are left unanswered to which no answer is likelier than a threshold: the best that
    /// some threshold gives. Reported as `best_exact` and `best_f1`; it needs `prompt.no_answer`.
    BestReading {
        /// How an answer is compared.
        score: AnswerScore,
    },
    /// Whether a reference stands in the extracted text, in any case.
    Contains,
    /// How like the response is to true answers and to false ones: those are the task's choices, `right_choices` says which
    /// are true. Reported as `bleu_max` and so on.
    TrueAnswers {
        /// What is counted.
        by: Likeness,
        /// What is told of it.
        figure: TruthFigure,
    },
    /// An answer found in a text, compared by its words; reported as `exact_match` or `f1`.
    Span(SpanDefinition),
}

/// Which classes F1 is of, where it is one of all documents; scikit-learn's names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum F1Average {
    /// Choice 1, where there are two.
    #[default]
    Binary,
    /// The mean over the classes, each by how many documents are of it.
    Weighted,
    /// The mean over the classes.
    Macro,
    /// All classes at once: with one answer a document, the share of right ones.
    Micro,
}

/// What a metric of all documents together is over. No mean over documents gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Choices, right and chosen.
    Choices,
    /// Texts, right and written.
    Texts,
    /// Log-likelihoods of texts, and how long these are.
    LogLikelihoods,
    /// Lists of instructions, and what share of each is followed.
    Instructions,
    /// Answers with their scores, and how likely it was that there is none.
    DoubtedAnswers,
}

/// Whether lm-evaluation-harness writes the figures of a metric from 0 to 100.
pub(crate) fn is_percentage_there(metric: &str) -> bool {
    let is_likeness = ["bleu_", "rouge1_", "rouge2_", "rougeL_"].iter().any(|by| metric.starts_with(by));
    matches!(metric, "bleu" | "chrf" | "ter") || (is_likeness && !metric.ends_with("_acc"))
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
            Self::MathVerify => "math_verify",
            Self::Rouge { of, .. } => of.name(),
            Self::Reading { score, of } => score.name(*of),
            Self::BestReading { score } => score.best_name(),
            Self::Contains => "contains",
            Self::Span(span) => span.name(),
            Self::TrueAnswers { by, figure } => by.name(*figure),
            Self::Instructions { level, strictness } => level.name(*strictness),
            Self::F1 { .. } => "f1",
            Self::Mcc => "mcc",
            Self::Bleu => "bleu",
            Self::Chrf => "chrf",
            Self::Ter => "ter",
            Self::WordPerplexity => "word_perplexity",
            Self::BytePerplexity => "byte_perplexity",
            Self::BitsPerByte => "bits_per_byte",
        }
    }

    /// How lm-evaluation-harness names the way in which documents are put together.
    pub(crate) fn aggregation(&self) -> &'static str {
        match self {
            Self::Perplexity => "perplexity",
            Self::Mcc => "matthews_corrcoef",
            Self::F1 { .. } | Self::Bleu | Self::Chrf | Self::Ter | Self::BitsPerByte | Self::BestReading { .. } => {
                self.name()
            }
            Self::WordPerplexity | Self::BytePerplexity => "weighted_perplexity",
            _ => "mean",
        }
    }

    /// Whether more is better.
    pub(crate) fn is_higher_better(&self) -> bool {
        !matches!(self, Self::Perplexity | Self::Ter | Self::WordPerplexity | Self::BytePerplexity | Self::BitsPerByte)
    }

    /// What it is over, where it is one of all documents together.
    pub fn over(&self) -> Option<Over> {
        match self {
            Self::F1 { .. } | Self::Mcc => Some(Over::Choices),
            Self::Bleu | Self::Chrf | Self::Ter => Some(Over::Texts),
            Self::WordPerplexity | Self::BytePerplexity | Self::BitsPerByte => Some(Over::LogLikelihoods),
            Self::Instructions { level: InstructionLevel::Instruction, .. } => Some(Over::Instructions),
            Self::BestReading { .. } => Some(Over::DoubtedAnswers),
            _ => None,
        }
    }

    /// Whether it is told which of a document's choices are right, of which there may be several.
    pub(crate) fn takes_right_choices(&self) -> bool {
        matches!(self, Self::RightMass | Self::TrueAnswers { .. })
    }

    /// Whether it is one of choices, and not of texts.
    pub(crate) fn is_of_choices(&self) -> bool {
        matches!(self.over(), Some(Over::Choices | Over::LogLikelihoods))
            || matches!(
                self,
                Self::Acc | Self::AccNorm | Self::AccBytes | Self::RightMass | Self::Greedy | Self::Perplexity
            )
    }
}
