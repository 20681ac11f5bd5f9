//! What counts as a regression.

use serde::Serialize;

/// What counts as a regression: a drop larger than `max_drop` that chance does not explain at `alpha`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct RegressionRule {
    /// Drop that is put up with, 0 to 1.
    max_drop: f64,
    /// Probability of calling chance a regression; at 1, every drop larger than `max_drop` is one.
    alpha: f64,
}

/// What a rule says of a difference.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Not worse, or not by enough, or it may be chance.
    NoRegression,
    /// Worse.
    Regression,
    /// Better, and not by chance.
    Improvement,
}

impl RegressionRule {
    /// A rule for drops larger than `max_drop`, in percentage points, at `alpha`.
    ///
    /// # Errors
    /// When the drop is not from 0 to 100 or alpha not above 0 and at most 1.
    pub fn new(max_drop_points: f64, alpha: f64) -> Result<Self, RegressionRuleError> {
        if !(0.0..=100.0).contains(&max_drop_points) {
            return Err(RegressionRuleError::MaxDrop { value: max_drop_points });
        }
        if !(alpha > 0.0 && alpha <= 1.0) {
            return Err(RegressionRuleError::Alpha { value: alpha });
        }
        Ok(Self { max_drop: max_drop_points / 100.0, alpha })
    }

    /// The drop that is put up with, in percentage points.
    pub fn max_drop_points(&self) -> f64 {
        self.max_drop * 100.0
    }

    /// Probability of calling chance a regression.
    pub fn alpha(&self) -> f64 {
        self.alpha
    }

    /// Judges a difference, new minus base, with its adjusted p-value.
    pub fn judge(&self, difference: f64, p: f64) -> Verdict {
        // Differences are sums of fractions; a drop of exactly `max_drop` is none too many.
        let tolerance = 1e-9;
        if p > self.alpha {
            Verdict::NoRegression
        } else if difference < -self.max_drop - tolerance {
            Verdict::Regression
        } else if difference > tolerance {
            Verdict::Improvement
        } else {
            Verdict::NoRegression
        }
    }
}

/// A rule that makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum RegressionRuleError {
    /// A drop that is none.
    #[error("a drop of {value} points cannot be; it is from 0 to 100 percentage points")]
    MaxDrop {
        /// The drop asked for.
        value: f64,
    },
    /// An alpha that is no probability of error.
    #[error("alpha {value} cannot be; it is above 0 and at most 1, such as 0.05")]
    Alpha {
        /// The alpha asked for.
        value: f64,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_regression_is_large_enough_and_not_chance() {
        let gate = RegressionRule::new(1.0, 0.05).unwrap();
        assert_eq!(gate.judge(-0.02, 0.04), Verdict::Regression);
        assert_eq!(gate.judge(-0.02, 0.06), Verdict::NoRegression);
        assert_eq!(gate.judge(-0.01, 0.0001), Verdict::NoRegression);
        assert_eq!(gate.judge(0.02, 0.04), Verdict::Improvement);
        // With an alpha of 1 the drop alone decides.
        assert_eq!(RegressionRule::new(1.0, 1.0).unwrap().judge(-0.02, 1.0), Verdict::Regression);
        assert_eq!(RegressionRule::new(0.0, 1.0).unwrap().judge(0.0, 1.0), Verdict::NoRegression);
    }

    #[test]
    fn gates_that_make_no_sense_are_refused() {
        for (drop, alpha) in [(-1.0, 0.05), (101.0, 0.05), (f64::NAN, 0.05), (1.0, 0.0), (1.0, 1.1), (1.0, f64::NAN)] {
            assert!(RegressionRule::new(drop, alpha).is_err(), "{drop} {alpha}");
        }
    }
}
