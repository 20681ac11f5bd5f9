//! Whether two systems differ on the same documents, exactly.

use serde::{Deserialize, Serialize};
use statrs::distribution::{Binomial, DiscreteCDF};

/// Documents on which one system did better than the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discordant {
    /// Documents on which the new system is above the base.
    pub better: u64,
    /// Documents on which it is below.
    pub worse: u64,
}

impl Discordant {
    /// Counts the signs of differences.
    pub fn count(differences: impl IntoIterator<Item = f64>) -> Self {
        let mut found = Self::default();
        for difference in differences {
            found.better += u64::from(difference > 0.0);
            found.worse += u64::from(difference < 0.0);
        }
        found
    }

    /// Two-sided p-value of McNemar's exact test: where the systems are equally good, a document on which they differ
    /// is as likely to go one way as the other. For scores other than 0 and 1 it is the exact sign test.
    ///
    /// 1 where they differ on no document. `scipy.stats.binomtest(better, better + worse, 0.5)` gives the same.
    pub fn p_value(self) -> f64 {
        let Self { better, worse } = self;
        // A half is a probability, and any count a number of trials.
        let Ok(binomial) = Binomial::new(0.5, better + worse) else { return 1.0 };
        // Symmetric, so that both tails are equal; at the middle they overlap.
        (2.0 * binomial.cdf(better.min(worse))).min(1.0)
    }
}

/// Holm's step-down adjustment of p-values for their number (Holm 1979), in the order given.
///
/// Rejecting what is at or below alpha keeps the probability of any false rejection at or below alpha.
pub fn holm(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut highest: f64 = 0.0;
    for (rank, &index) in order.iter().enumerate() {
        highest = highest.max(p_values[index] * (p_values.len() - rank) as f64).min(1.0);
        adjusted[index] = highest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_that_never_differ_have_a_p_value_of_one() {
        assert!((Discordant::default().p_value() - 1.0).abs() < 1e-15);
        assert!((Discordant { better: 4, worse: 4 }.p_value() - 1.0).abs() < 1e-15);
    }

    #[test]
    fn signs_are_counted_and_ties_left_out() {
        assert_eq!(Discordant::count([1.0, 0.0, -1.0, 0.25, -0.0]), Discordant { better: 2, worse: 1 });
    }

    #[test]
    fn holms_adjustment_never_falls_and_ends_at_one() {
        let adjusted = holm(&[0.04, 0.01, 0.9]);
        for (found, expected) in adjusted.iter().zip([0.08, 0.03, 0.9]) {
            assert!((found - expected).abs() < 1e-12, "{adjusted:?}");
        }
        assert!(holm(&[]).is_empty());
    }
}
