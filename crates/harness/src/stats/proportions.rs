//! Verdicts of right and wrong: a proportion, and the difference of two over the same documents.

use statrs::function::beta::beta_reg;

use super::normal::normal_quantile;

/// Halvings of an interval of length 2 that leave less than the precision of `f64`.
const HALVINGS: usize = 60;

/// Right or wrong under two systems, document by document: what the difference of their shares depends on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PairedVerdicts {
    /// Documents that only the new system gets right.
    pub better: u64,
    /// Documents that only the base gets right.
    pub worse: u64,
    /// All documents.
    pub documents: u64,
}

impl PairedVerdicts {
    /// New minus base, -1 to 1.
    pub fn difference(self) -> f64 {
        (self.better as f64 - self.worse as f64) / self.documents as f64
    }

    /// Standard error of the difference with half a document added to each of the four kinds (Agresti and Min 2005), so
    /// that systems which differ on none of these documents are not known to differ on none at all.
    pub fn standard_error(self) -> f64 {
        let (better, worse, n) = (self.better as f64 + 0.5, self.worse as f64 + 0.5, self.documents as f64 + 2.0);
        (better + worse - (better - worse).powi(2) / n).sqrt() / n
    }

    /// Variance of one document's difference under the hypothesis that their mean is `delta`, the other parameter being the
    /// most likely one.
    pub fn variance(self, delta: f64) -> f64 {
        let (better, worse) = (self.better as f64, self.worse as f64);
        let documents = self.documents as f64;
        // The share of documents that only the base gets right: the larger root of a q^2 + b q + c.
        let (a, b, c) = (
            2.0 * documents,
            (2.0 * documents - better + worse) * delta - better - worse,
            -worse * delta * (1.0 - delta),
        );
        let q = ((b * b - 4.0 * a * c).max(0.0).sqrt() - b) / (2.0 * a);
        2.0 * q + delta * (1.0 - delta)
    }

    /// The score statistic of that hypothesis (Tango 1998): standard normal under it, and falling in `delta`.
    pub fn score(self, delta: f64) -> f64 {
        let n = self.documents as f64;
        let distance = self.better as f64 - self.worse as f64 - n * delta;
        let variance = n * self.variance(delta);
        if variance > 1e-12 {
            distance / variance.sqrt()
        } else if distance.abs() < 1e-9 {
            0.0
        } else {
            distance.signum() * f64::INFINITY
        }
    }

    /// One-sided lower confidence bound of the difference, -1 to 1.
    pub fn lower(self, alpha: f64) -> f64 {
        falling_through(|delta| self.score(delta), normal_quantile(1.0 - alpha), -1.0)
    }

    /// One-sided upper confidence bound.
    pub fn upper(self, alpha: f64) -> f64 {
        falling_through(|delta| self.score(delta), normal_quantile(alpha), -1.0)
    }
}

/// A count of documents out of all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proportion {
    /// Documents that count.
    pub hits: u64,
    /// All documents.
    pub documents: u64,
}

impl Proportion {
    /// The share, 0 to 1.
    pub fn share(self) -> f64 {
        self.hits as f64 / self.documents as f64
    }

    /// Standard error of the share, with two documents of each kind added (Agresti and Coull 1998).
    pub fn standard_error(self) -> f64 {
        let n = self.documents as f64 + 4.0;
        let share = (self.hits as f64 + 2.0) / n;
        (share * (1.0 - share) / n).sqrt()
    }

    /// One-sided lower confidence bound, exact (Clopper and Pearson 1934).
    pub fn lower(self, alpha: f64) -> f64 {
        let (hits, misses) = (self.hits as f64, (self.documents - self.hits) as f64);
        if self.hits == 0 { 0.0 } else { falling_through(|p| -beta_reg(hits, misses + 1.0, p), -alpha, 0.0) }
    }

    /// One-sided upper confidence bound, exact.
    pub fn upper(self, alpha: f64) -> f64 {
        let (hits, misses) = (self.hits as f64, (self.documents - self.hits) as f64);
        if misses == 0.0 { 1.0 } else { falling_through(|p| -beta_reg(hits + 1.0, misses, p), alpha - 1.0, 0.0) }
    }
}

/// Where a falling function of a number from `from` to 1 goes through `level`.
fn falling_through(function: impl Fn(f64) -> f64, level: f64, from: f64) -> f64 {
    let (mut low, mut high) = (from, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if function(middle) > level {
            low = middle;
        } else {
            high = middle;
        }
    }
    f64::midpoint(low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_score_at_no_difference_is_mcnemars_without_correction() {
        let verdicts = PairedVerdicts { better: 25, worse: 10, documents: 400 };
        assert!((verdicts.score(0.0) - 15.0 / 35.0_f64.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn bounds_mirror_each_other_and_documents_that_never_differ_leave_some_doubt() {
        let verdicts = PairedVerdicts { better: 4, worse: 9, documents: 150 };
        let mirrored = PairedVerdicts { better: 9, worse: 4, documents: 150 };
        assert!((verdicts.lower(0.05) + mirrored.upper(0.05)).abs() < 1e-9);
        let alike = PairedVerdicts { better: 0, worse: 0, documents: 100 };
        // z^2 / (n + z^2).
        assert!((alike.lower(0.05) + 2.705_543_454 / 102.705_543_454).abs() < 1e-8, "{}", alike.lower(0.05));
    }

    #[test]
    fn a_share_of_nothing_or_everything_has_a_bound_on_one_side() {
        let none = Proportion { hits: 0, documents: 100 };
        assert!(none.lower(0.05).abs() < 1e-15);
        assert!((none.upper(0.05) - (1.0 - 0.05_f64.powf(0.01))).abs() < 1e-9);
        let all = Proportion { hits: 100, documents: 100 };
        assert!((all.lower(0.05) - 0.05_f64.powf(0.01)).abs() < 1e-9);
        assert!((all.upper(0.05) - 1.0).abs() < 1e-15);
    }
}
