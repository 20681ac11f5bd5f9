//! Means of subsets: confidence bounds for the mean of any metric, of documents in groups too.

use std::collections::BTreeMap;

use super::rng::Xoshiro256;

/// Up to this many groups, every subset is taken.
const EVERY_SUBSET: usize = 13;
/// Subsets drawn where there are more groups.
const SUBSETS: usize = 9_999;
/// The draws' seed: bounds depend on the values and on nothing else.
const SEED: u64 = 20_240_618;

/// A mean over documents that come in groups, with what is known of it by means over random subsets of the groups.
///
/// Under the hypothesis that the mean is m, each group's distances from m are as likely as their opposites. Of all ways
/// to turn signs around, as many give a mean beyond the observed one as there are subsets whose mean is beyond m: the
/// sign-flip permutation test of every m at once (Hartigan 1969, "typical values"). Groups count as a whole, so that
/// documents of a group may depend on each other in any way. The test is exact for symmetric distances, and right for others
/// as the number of groups grows.
#[derive(Clone, Debug, PartialEq)]
pub struct SubsetMeans {
    value: f64,
    standard_error: f64,
    groups: usize,
    /// Ascending.
    means: Vec<f64>,
}

impl SubsetMeans {
    /// The mean of `values`; `groups` says for each which one it belongs to, or all are by themselves.
    pub fn new(values: &[f64], groups: Option<&[usize]>) -> Self {
        let mut sums: BTreeMap<usize, (f64, f64)> = BTreeMap::new();
        for (place, value) in values.iter().enumerate() {
            let (sum, size) = sums.entry(groups.map_or(place, |groups| groups[place])).or_default();
            *sum += value;
            *size += 1.0;
        }
        let sums: Vec<(f64, f64)> = sums.into_values().collect();
        let documents = values.len() as f64;
        let value = values.iter().sum::<f64>() / documents;
        // Liang and Zeger (1986), with the usual correction for the number of groups.
        let count = sums.len() as f64;
        let squares: f64 = sums.iter().map(|(sum, size)| (sum - size * value).powi(2)).sum();
        let standard_error = (squares * count / (count - 1.0).max(1.0)).sqrt() / documents;
        let mut means = if sums.len() <= EVERY_SUBSET { every_subset(&sums) } else { random_subsets(&sums) };
        means.sort_unstable_by(f64::total_cmp);
        Self { value, standard_error, groups: sums.len(), means }
    }

    /// The mean over documents.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// Its cluster-robust standard error.
    pub fn standard_error(&self) -> f64 {
        self.standard_error
    }

    /// How many groups there are.
    pub fn groups(&self) -> usize {
        self.groups
    }

    /// One-sided lower confidence bound; minus infinity where there are too few groups for any at this `alpha`.
    pub fn lower(&self, alpha: f64) -> f64 {
        self.beyond(alpha).map_or(f64::NEG_INFINITY, |place| self.means[place])
    }

    /// One-sided upper confidence bound.
    pub fn upper(&self, alpha: f64) -> f64 {
        self.beyond(alpha).map_or(f64::INFINITY, |place| self.means[self.means.len() - 1 - place])
    }

    /// The place of the bound, from its end: as many subsets, the signs as they are among them, lie beyond it as `alpha`
    /// allows.
    fn beyond(&self, alpha: f64) -> Option<usize> {
        let allowed = (alpha * (self.means.len() + 1) as f64 + 1e-9).floor() as usize;
        Some(allowed.checked_sub(1)?.min(self.means.len().checked_sub(1)?))
    }
}

/// The mean over every subset of groups that is not empty; groups by their sums and sizes.
fn every_subset(groups: &[(f64, f64)]) -> Vec<f64> {
    let subsets = 1_usize..1 << groups.len();
    let mean = |subset: usize| {
        let chosen = groups.iter().enumerate().filter(|(place, _)| subset >> place & 1 == 1);
        let (sum, size) = chosen.fold((0.0, 0.0), |(sum, size), (_, group)| (sum + group.0, size + group.1));
        sum / size
    };
    subsets.map(mean).collect()
}

/// The mean over random subsets: each group is in one with probability a half.
fn random_subsets(groups: &[(f64, f64)]) -> Vec<f64> {
    let mut generator = Xoshiro256::new(SEED);
    let mut draw = || {
        let (mut sum, mut size) = (0.0, 0.0);
        for groups in groups.chunks(64) {
            let mut bits = generator.next_u64();
            for group in groups {
                // By arithmetic, as a branch would be guessed wrong every other time.
                let chosen = (bits & 1) as f64;
                sum += chosen * group.0;
                size += chosen * group.1;
                bits >>= 1;
            }
        }
        (sum, size)
    };
    (0..SUBSETS)
        .map(|_| {
            loop {
                let (sum, size) = draw();
                if size > 0.0 {
                    return sum / size;
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subset_of_few_groups_is_taken_and_bounds_are_its_quantiles() {
        let means = SubsetMeans::new(&[1.0, 2.0, 4.0, 8.0, 16.0], None);
        assert_eq!((means.groups(), means.means.len()), (5, 31));
        // One of 32 ways to set signs: 1/32 is the least p-value.
        assert!(means.lower(0.03).is_infinite());
        assert!((means.lower(0.04) - 1.0).abs() < 1e-12 && (means.upper(0.04) - 16.0).abs() < 1e-12);
        // {1} and {1, 2}.
        assert!((means.lower(0.07) - 1.5).abs() < 1e-12);
    }

    #[test]
    fn documents_of_a_group_stay_together() {
        let values = [1.0, 1.0, 1.0, 0.0, 0.0, 0.0];
        let alone = SubsetMeans::new(&values, None);
        let grouped = SubsetMeans::new(&values, Some(&[0, 0, 0, 1, 1, 1]));
        assert_eq!((alone.groups(), grouped.groups()), (6, 2));
        assert!((grouped.standard_error() - 0.5).abs() < 1e-12, "{}", grouped.standard_error());
        assert!(grouped.standard_error() > alone.standard_error());
        assert!(grouped.lower(0.05).is_infinite());
    }
}
