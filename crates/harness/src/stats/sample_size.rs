//! How many documents it takes to tell.

use super::normal::normal_quantile;
use super::proportions::PairedVerdicts;

/// How documents differ between two systems, as far as it is known before they are asked.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Spread {
    /// Share of documents on which the verdict of right or wrong changes, 0 to 1.
    Discordance(f64),
    /// Standard deviation of the difference of a document's scores.
    Deviation(f64),
}

/// What a plan is made for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Demand {
    /// The drop that is put up with, 0 to 1.
    pub max_drop: f64,
    /// Probability that a drop of `max_drop` is taken for a smaller one.
    pub alpha: f64,
    /// Probability that a system that did not change is shown to be within `max_drop`.
    pub power: f64,
}

/// The number of documents at which a system that is as good as the base is shown, with probability `power`, to drop by less
/// than `max_drop`. A drop of twice that is shown to be too large with about the same probability.
///
/// The normal approximation, with the variances of both hypotheses (Nam 1997 for paired proportions).
pub fn documents_needed(spread: Spread, demand: Demand) -> f64 {
    let Demand { max_drop, alpha, power } = demand;
    let (under_limit, under_none) = match spread {
        Spread::Deviation(deviation) => (deviation * deviation, deviation * deviation),
        Spread::Discordance(share) => {
            // As a sample that is as large as to have no fractions to speak of.
            let documents = 1_000_000_000_u64;
            let each = (share / 2.0 * documents as f64).round() as u64;
            (PairedVerdicts { better: each, worse: each, documents }.variance(-max_drop), share)
        }
    };
    let (alpha, power) = (normal_quantile(1.0 - alpha), normal_quantile(power));
    ((alpha * under_limit.sqrt() + power * under_none.sqrt()) / max_drop).powi(2).ceil()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_times_the_documents_tell_half_the_drop() {
        let demand = |max_drop| Demand { max_drop, alpha: 0.05, power: 0.8 };
        // (1.644854 + 0.841621)^2 * 0.3^2 / 0.02^2 = 1391.1
        assert!((documents_needed(Spread::Deviation(0.3), demand(0.02)) - 1392.0).abs() < 1e-9);
        assert!((documents_needed(Spread::Deviation(0.3), demand(0.01)) - 5565.0).abs() < 1e-9);
    }

    #[test]
    fn documents_that_never_change_still_have_to_be_asked() {
        let demand = Demand { max_drop: 0.01, alpha: 0.05, power: 0.8 };
        let needed = [0.0, 0.02, 0.2].map(|share| documents_needed(Spread::Discordance(share), demand));
        assert!(needed[0] > 200.0 && needed[0] < needed[1] && needed[1] < needed[2], "{needed:?}");
    }
}
