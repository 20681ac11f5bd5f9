//! Metrics, as task definitions write them.

use serde::{Deserialize, Serialize};

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
    /// Whether the choice of the highest log-likelihood is right.
    Acc,
    /// Whether the choice of the highest log-likelihood per character is right.
    AccNorm,
}

impl MetricDefinition {
    /// lm-evaluation-harness's name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::ExactMatch { .. } => "exact_match",
            Self::Acc => "acc",
            Self::AccNorm => "acc_norm",
        }
    }
}
