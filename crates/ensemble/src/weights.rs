//! How much each member's vote counts.

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

    /// The weights, `(M,)`, in the members' order.
    pub fn get(&self) -> &[f64] {
        &self.0
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
    fn bad_weights_are_named() {
        assert_eq!(Weights::given(&[1.0, -0.5]), Err(WeightsError::OutOfRange { member: 1, weight: -0.5 }));
        assert!(matches!(Weights::given(&[f64::NAN]), Err(WeightsError::OutOfRange { member: 0, .. })));
        assert!(matches!(Weights::given(&[1.0, f64::INFINITY]), Err(WeightsError::OutOfRange { member: 1, .. })));
        assert_eq!(Weights::given(&[0.0, 0.0]), Err(WeightsError::AllZero { members: 2 }));
    }
}
