//! How much each member's vote counts.

use gac_inference::Named;
use serde::{Deserialize, Serialize};

/// The members' weights: finite, not negative, summing to one.
#[derive(Clone, Debug, PartialEq)]
pub struct Weights(Vec<f64>);

impl Weights {
    /// The same weight for each of `members` members.
    pub fn uniform(members: usize) -> Self {
        Self(vec![1.0 / members as f64; members])
    }

    /// Weights in proportion to `weights`, one per member (scores, or anything else that is not negative).
    ///
    /// # Errors
    /// For a weight that is negative or not finite, and when all are zero.
    pub fn given(weights: &[f64]) -> Result<Self, WeightsError> {
        if let Some((member, &weight)) = weights.iter().enumerate().find(|(_, w)| !w.is_finite() || **w < 0.0) {
            return Err(WeightsError::OutOfRange { member, weight });
        }
        // Scaled by the largest first: a sum of large weights must not overflow.
        let largest = weights.iter().copied().fold(0.0, f64::max);
        if largest == 0.0 {
            return Err(WeightsError::AllZero { members: weights.len() });
        }
        let scaled: Vec<f64> = weights.iter().map(|weight| weight / largest).collect();
        let sum: f64 = scaled.iter().sum();
        Ok(Self(scaled.into_iter().map(|weight| weight / sum).collect()))
    }

    /// The softmax of `-log_perplexity / temperature`, one per member; uniform where one of them is no number.
    pub(crate) fn by_perplexity(log_perplexities: &[f64], temperature: f64) -> Self {
        if log_perplexities.iter().any(|log| log.is_nan()) {
            return Self::uniform(log_perplexities.len());
        }
        let best = log_perplexities.iter().copied().fold(f64::INFINITY, f64::min);
        let raw: Vec<f64> = log_perplexities.iter().map(|log| ((best - log) / temperature).exp()).collect();
        Self::given(&raw).unwrap_or_else(|_| Self::uniform(log_perplexities.len()))
    }

    /// The place of the member that the draw `unit`, 0 or more and below 1, falls on. One without weight is never drawn.
    pub(crate) fn drawn(&self, unit: f64) -> usize {
        let mut left = unit;
        let falls_on = |weight: &f64| {
            left -= weight;
            left < 0.0
        };
        // Sums may end a little below 1.
        let last = || self.0.iter().rposition(|&weight| weight > 0.0).unwrap_or(0);
        self.0.iter().position(falls_on).unwrap_or_else(last)
    }

    /// The weights, `(M,)`, in the members' order.
    pub fn get(&self) -> &[f64] {
        &self.0
    }
}

/// Where the members' weights come from.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Weighting {
    /// They are given, the same for every request: uniform, chosen, or in proportion to scores.
    #[default]
    Given,
    /// By how well each member knows the prompt: the softmax over members of `-ln(perplexity) / temperature`, where the
    /// perplexity is that of the prompt's tokens but the first, in the member's own tokens (`PackLLM-sim`, Mavromatis
    /// et al., "Pack of LLMs", arXiv 2404.11531). Uniform where a member has a prompt of one token. The paper combines
    /// logits with these weights; here they weigh whatever the method combines.
    PromptPerplexity {
        /// Above 0: how far the better member is preferred (the lower, the farther).
        temperature: f64,
    },
}

impl Weighting {
    /// By the prompt's perplexity, with a temperature of 1.
    pub const PROMPT_PERPLEXITY: Self = Self::PromptPerplexity { temperature: 1.0 };

    pub(crate) fn validate(self) -> Result<(), WeightsError> {
        match self {
            Self::PromptPerplexity { temperature } if !(temperature > 0.0 && temperature.is_finite()) => {
                Err(WeightsError::Temperature { value: temperature })
            }
            _ => Ok(()),
        }
    }
}

/// What weights follow from, where they are not given.
impl Named for Weighting {
    const WHAT: &'static str = "weighting";

    fn all() -> Vec<Self> {
        vec![Self::PROMPT_PERPLEXITY]
    }

    fn name(self) -> &'static str {
        match self {
            Self::Given => "given",
            Self::PromptPerplexity { .. } => "prompt-perplexity",
        }
    }

    fn about(self) -> &'static str {
        match self {
            Self::Given => "The same for every request",
            Self::PromptPerplexity { .. } => "Each model's perplexity on the prompt",
        }
    }
}

/// Weights that cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WeightsError {
    /// A weight is negative, infinite or not a number.
    #[error("weight {weight} of member {member} is not a finite number of at least 0")]
    OutOfRange {
        /// The member's place, from 0.
        member: usize,
        /// The weight.
        weight: f64,
    },
    /// Nobody would have a vote.
    #[error("all {members} weights are 0: at least one has to be positive")]
    AllZero {
        /// Number of weights.
        members: usize,
    },
    /// A temperature that no softmax can use.
    #[error("the temperature {value} of weights by perplexity is not a positive number")]
    Temperature {
        /// The value.
        value: f64,
    },
    /// Not one weight per member.
    #[error("{weights} weights for {members} members: there has to be one per member")]
    Count {
        /// Number of weights.
        weights: usize,
        /// Number of members.
        members: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_normalised() {
        assert_eq!(Weights::given(&[3.0, 1.0, 0.0]).unwrap().get(), [0.75, 0.25, 0.0]);
        assert_eq!(Weights::given(&[f64::MAX, f64::MAX]).unwrap(), Weights::uniform(2));
    }

    #[test]
    fn weights_by_perplexity_computed_by_hand() {
        // Perplexities 2 and 8 at temperature 1: 1/2 against 1/8.
        let logs = [2.0_f64.ln(), 8.0_f64.ln()];
        let close = |weights: &Weights, expected: [f64; 2]| {
            assert!(weights.get().iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{weights:?}");
        };
        close(&Weights::by_perplexity(&logs, 1.0), [0.8, 0.2]);
        close(&Weights::by_perplexity(&logs, 2.0), [2.0 / 3.0, 1.0 / 3.0]);
        close(&Weights::by_perplexity(&[f64::INFINITY, 1.0], 1.0), [0.0, 1.0]);
        close(&Weights::by_perplexity(&[f64::NAN, 1.0], 1.0), [0.5, 0.5]);
        assert!(Weighting::PromptPerplexity { temperature: 0.0 }.validate().is_err());
    }

    #[test]
    fn bad_weights_are_named() {
        assert_eq!(Weights::given(&[1.0, -0.5]), Err(WeightsError::OutOfRange { member: 1, weight: -0.5 }));
        assert!(matches!(Weights::given(&[f64::NAN]), Err(WeightsError::OutOfRange { member: 0, .. })));
        assert!(matches!(Weights::given(&[1.0, f64::INFINITY]), Err(WeightsError::OutOfRange { member: 1, .. })));
        assert_eq!(Weights::given(&[0.0, 0.0]), Err(WeightsError::AllZero { members: 2 }));
    }
}
