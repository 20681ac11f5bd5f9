//! What documents say about a mean.

use super::normal::{normal_cdf, normal_quantile};
use super::proportions::{PairedVerdicts, Proportion};
use super::subset_means::SubsetMeans;

/// A task's documents under two systems.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PairedScores {
    /// Scores of the base, 0 to 1.
    pub base: Vec<f64>,
    /// Scores of the new system, of the same documents in the same order.
    pub new: Vec<f64>,
    /// The group that each document belongs to, where they come in groups.
    pub groups: Option<Vec<usize>>,
}

/// What documents say about a mean over all documents of their kind: an estimate, and confidence bounds at any error
/// probability.
#[derive(Clone, Debug, PartialEq)]
pub enum Evidence {
    /// The difference of two systems' shares of right answers, by Tango's score interval.
    Difference(PairedVerdicts),
    /// A share of right answers, by Clopper and Pearson's exact interval.
    Share(Proportion),
    /// The mean of any metric, or over documents in groups, by sign flips of groups.
    Mean(SubsetMeans),
    /// A sum of independent estimates, each times a factor that is not negative: its bounds are recovered from theirs
    /// (Zou and Donner 2008).
    Sum(Vec<(f64, Evidence)>),
}

impl PairedScores {
    /// What the documents say about the new system's mean minus the base's.
    pub fn difference(&self) -> Evidence {
        let pairs = || self.base.iter().zip(&self.new);
        let count = |differs: fn((&f64, &f64)) -> bool| pairs().filter(|&pair| differs(pair)).count() as u64;
        let (better, worse) = (count(|(base, new)| new > base), count(|(base, new)| new < base));
        let verdicts = |documents| Evidence::Difference(PairedVerdicts { better, worse, documents });
        let groups = self.groups.as_deref();
        if groups.is_none() && self.is_binary() {
            return verdicts(self.base.len() as u64);
        }
        let differences: Vec<f64> = pairs().map(|(base, new)| new - base).collect();
        let means = SubsetMeans::new(&differences, groups);
        // Nothing that differs has nothing to permute, and does not tell whether documents of a group depend on each other;
        // that none of so many differ is still evidence.
        if better + worse == 0 { verdicts(self.base.len() as u64) } else { Evidence::Mean(means) }
    }

    /// Whether every document is right or wrong.
    pub fn is_binary(&self) -> bool {
        is_binary(&self.base) && is_binary(&self.new)
    }

    /// Two-sided p-value of the hypothesis that the systems are equally good: each difference is as likely as its opposite
    /// (a permutation test by sign flips, of groups where documents come in groups).
    pub fn permutation_p_value(&self) -> f64 {
        let difference = self.difference();
        let below = difference.p_below(0.0);
        // Turned around, the other side.
        let turned = Self { base: self.new.clone(), new: self.base.clone(), groups: self.groups.clone() };
        (2.0 * below.min(turned.difference().p_below(0.0))).min(1.0)
    }

    /// What they say about the base's mean.
    pub fn base_mean(&self) -> Evidence {
        mean(&self.base, self.groups.as_deref())
    }

    /// What they say about the new system's mean.
    pub fn new_mean(&self) -> Evidence {
        mean(&self.new, self.groups.as_deref())
    }
}

fn is_binary(values: &[f64]) -> bool {
    values.iter().all(|&value| value == 0.0 || (value - 1.0).abs() < f64::EPSILON)
}

fn mean(values: &[f64], groups: Option<&[usize]>) -> Evidence {
    if groups.is_none() && is_binary(values) {
        let hits = values.iter().filter(|&&value| value > 0.5).count() as u64;
        Evidence::Share(Proportion { hits, documents: values.len() as u64 })
    } else {
        Evidence::Mean(SubsetMeans::new(values, groups))
    }
}

impl Evidence {
    /// The mean of independent estimates.
    pub fn average(parts: impl IntoIterator<Item = Evidence>) -> Self {
        let parts: Vec<Evidence> = parts.into_iter().collect();
        let factor = 1.0 / parts.len().max(1) as f64;
        Self::Sum(parts.into_iter().map(|part| (factor, part)).collect())
    }

    /// The estimate itself.
    pub fn value(&self) -> f64 {
        match self {
            Self::Difference(verdicts) => verdicts.difference(),
            Self::Share(proportion) => proportion.share(),
            Self::Mean(means) => means.value(),
            Self::Sum(parts) => parts.iter().map(|(factor, part)| factor * part.value()).sum(),
        }
    }

    /// Its standard error.
    pub fn standard_error(&self) -> f64 {
        match self {
            Self::Difference(verdicts) => verdicts.standard_error(),
            Self::Share(proportion) => proportion.standard_error(),
            Self::Mean(means) => means.standard_error(),
            Self::Sum(parts) => {
                parts.iter().map(|(factor, part)| (factor * part.standard_error()).powi(2)).sum::<f64>().sqrt()
            }
        }
    }

    /// One-sided lower confidence bound: the mean is below it with a probability of at most `alpha`, 0 to 0.5.
    pub fn lower(&self, alpha: f64) -> f64 {
        match self {
            Self::Difference(verdicts) => verdicts.lower(alpha),
            Self::Share(proportion) => proportion.lower(alpha),
            Self::Mean(means) => means.lower(alpha),
            Self::Sum(parts) => self.value() - distance(parts, |part| part.value() - part.lower(alpha)),
        }
    }

    /// One-sided upper confidence bound.
    pub fn upper(&self, alpha: f64) -> f64 {
        match self {
            Self::Difference(verdicts) => verdicts.upper(alpha),
            Self::Share(proportion) => proportion.upper(alpha),
            Self::Mean(means) => means.upper(alpha),
            Self::Sum(parts) => self.value() + distance(parts, |part| part.upper(alpha) - part.value()),
        }
    }

    /// One-sided p-value of the hypothesis that the mean is `limit` or more: the smallest alpha whose upper bound is below
    /// it. At most 0.5 where the estimate is below, and 1 where it is not.
    pub fn p_below(&self, limit: f64) -> f64 {
        if self.value() >= limit {
            return 1.0;
        }
        // By the normal distribution's quantiles, as small p-values are what matters.
        let (mut low, mut high) = (0.0, 8.0);
        for _ in 0..50 {
            let middle = f64::midpoint(low, high);
            if self.upper(normal_cdf(-middle)) < limit {
                low = middle;
            } else {
                high = middle;
            }
        }
        normal_cdf(-low)
    }

    /// The smallest distance from a limit that is told apart with this power, one-sided, at this alpha.
    pub fn smallest_told(&self, alpha: f64, power: f64) -> f64 {
        (normal_quantile(1.0 - alpha) + normal_quantile(power)) * self.standard_error()
    }
}

fn distance(parts: &[(f64, Evidence)], side: impl Fn(&Evidence) -> f64) -> f64 {
    parts.iter().map(|(factor, part)| (factor * side(part)).powi(2)).sum::<f64>().sqrt()
}
