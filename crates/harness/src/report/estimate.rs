//! A score as tables show it.

use serde::{Deserialize, Serialize};

/// What a score is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreUnit {
    /// A share from 0 to 1, which tables show in percent: more is better.
    #[default]
    Share,
    /// A perplexity or bits, shown as they are: less is better. There is no average of these and shares.
    Perplexity,
}

impl ScoreUnit {
    /// The unit of a metric, by its name.
    pub fn of(metric: &str) -> Self {
        match metric {
            "perplexity" | "word_perplexity" | "byte_perplexity" | "bits_per_byte" => Self::Perplexity,
            _ => Self::Share,
        }
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A score with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Its value.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
    /// What it is.
    #[serde(default, skip_serializing_if = "is_default")]
    pub unit: ScoreUnit,
}

impl Estimate {
    /// A share.
    pub fn share(value: f64, stderr: Option<f64>) -> Self {
        Self { value, stderr, unit: ScoreUnit::Share }
    }

    pub(super) fn average(scores: &[Self]) -> Self {
        let count = scores.len() as f64;
        let variance: Option<f64> = scores.iter().map(|score| score.stderr.map(|stderr| stderr * stderr)).sum();
        let value = scores.iter().map(|score| score.value).sum::<f64>() / count;
        Self::share(value, variance.map(|variance| variance.sqrt() / count))
    }
}
