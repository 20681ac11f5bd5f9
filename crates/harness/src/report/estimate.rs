//! A score as tables show it.

use serde::{Deserialize, Serialize};

/// A score, 0 to 1, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Its value.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
}

impl Estimate {
    pub(super) fn average(scores: &[Self]) -> Self {
        let count = scores.len() as f64;
        let variance: Option<f64> = scores.iter().map(|score| score.stderr.map(|stderr| stderr * stderr)).sum();
        Self {
            value: scores.iter().map(|score| score.value).sum::<f64>() / count,
            stderr: variance.map(|variance| variance.sqrt() / count),
        }
    }
}
