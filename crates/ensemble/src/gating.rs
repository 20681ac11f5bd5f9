//! Key-token gating: which steps the members vote on.

use crate::MemberId;

/// When the members vote.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Gating {
    /// At every step.
    #[default]
    EveryStep,
    /// At key tokens: where the gate's own top probability, before weighting, is at most the threshold. At the other
    /// steps the gate's own token is taken as it is and the other members are not consulted.
    KeyTokens {
        /// The gating member.
        gate: MemberId,
        /// Where uncertainty begins.
        threshold: Threshold,
    },
}

impl Gating {
    /// Whether the members vote where the gate is sure of its own token with probability `top`, at most 1.
    pub fn votes(&self, top: f64) -> bool {
        match self {
            Self::EveryStep => true,
            Self::KeyTokens { threshold, .. } => top <= threshold.get(),
        }
    }
}

/// A probability from 0 (the gate alone) to 1 (a vote at every step).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Threshold(f64);

impl Threshold {
    /// A threshold of `value`.
    ///
    /// # Errors
    /// For a value outside of 0..=1, or not a number.
    pub fn new(value: f64) -> Result<Self, ThresholdError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(ThresholdError { value }) }
    }

    /// The probability.
    pub fn get(self) -> f64 {
        self.0
    }
}

/// A threshold that is no probability.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("threshold {value} is not a probability from 0 to 1")]
pub struct ThresholdError {
    /// The value.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_probability() {
        assert!(Threshold::new(0.0).is_ok());
        assert!(Threshold::new(1.0).is_ok());
        for value in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Threshold::new(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_top_probability_equal_to_the_threshold_is_a_key_token() {
        let at = |t| Gating::KeyTokens { gate: MemberId(0), threshold: Threshold::new(t).unwrap() };
        assert!(at(0.5).votes(0.5));
        assert!(!at(0.5).votes(0.500_001));
        assert!(at(1.0).votes(1.0));
        assert!(!at(0.0).votes(1e-300));
        assert!(Gating::EveryStep.votes(1.0));
    }
}
