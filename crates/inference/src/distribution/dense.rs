//! Every token's logit, and how to find the few large ones among 150,000.

use crate::id::TokenId;
use crate::kernel::{Simd, log_sum_exp};

/// Logits that share one maximum.
const CHUNK: usize = 128;

/// Logits `(V,)` with the logarithm of their normaliser: `log p(t) = logits[t] - log_normalizer`.
///
/// Neither probabilities nor log-probabilities are materialised: most of a step's 150,000 are never looked at.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    logits: Vec<f32>,
    log_normalizer: f64,
    /// `(V / CHUNK,)`, rounded up: the largest logit of every chunk. Most chunks never have to be looked at again.
    peaks: Vec<f32>,
}

impl Dense {
    pub(super) fn new(logits: Vec<f32>) -> Self {
        let log_normalizer = log_sum_exp(Simd::detect(), &logits);
        Self { log_normalizer, peaks: logits.chunks(CHUNK).map(largest).collect(), logits }
    }

    pub(super) fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// Negative infinity for an id beyond the rows.
    pub(super) fn log_prob(&self, token: TokenId) -> f64 {
        self.logits.get(token.index()).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit) - self.log_normalizer)
    }

    /// Every token with its probability.
    pub(super) fn probabilities(&self) -> impl Iterator<Item = (TokenId, f64)> {
        let p = |&logit: &f32| (f64::from(logit) - self.log_normalizer).exp();
        (0..).map(TokenId).zip(self.logits.iter().map(p))
    }

    /// The first of the largest logits that are allowed.
    pub(super) fn top_where(&self, allowed: impl Fn(TokenId) -> bool) -> Option<TokenId> {
        if let Some(first) = self.first().filter(|&id| allowed(id)) {
            return Some(first);
        }
        let mut best: Option<usize> = None;
        for (id, &logit) in self.logits.iter().enumerate() {
            if best.is_none_or(|best| logit > self.logits[best]) && allowed(TokenId(id as u32)) {
                best = Some(id);
            }
        }
        best.map(|id| TokenId(id as u32))
    }

    /// The first of the largest logits.
    fn first(&self) -> Option<TokenId> {
        let peak = largest(&self.peaks);
        let chunk = self.peaks.iter().position(|&most| most >= peak)?;
        let start = chunk * CHUNK;
        self.logits[start..].iter().position(|&logit| logit >= peak).map(|at| TokenId((start + at) as u32))
    }

    /// See [`Distribution::most_probable`](super::Distribution::most_probable).
    pub(super) fn most_probable(&self, k: usize, allowed: impl Fn(TokenId) -> bool) -> Vec<(TokenId, f64)> {
        let logit = |id: TokenId| (id, f64::from(self.logits[id.index()]));
        let large = self.cut_of(k).map(|cut| self.from(cut).filter(|&id| allowed(id)).map(logit).collect());
        let mut ids: Vec<(TokenId, f64)> = match large {
            Some(ids) if Vec::len(&ids) >= k => ids,
            _ => (0..self.logits.len() as u32).map(TokenId).filter(|&id| allowed(id)).map(logit).collect(),
        };
        let order = |a: &(TokenId, f64), b: &(TokenId, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
        if k < ids.len() && k > 0 {
            ids.select_nth_unstable_by(k - 1, order);
        }
        ids.truncate(k);
        ids.sort_unstable_by(order);
        ids.into_iter().map(|(id, _)| (id, self.log_prob(id).exp())).collect()
    }

    /// A logit that at least `k` logits reach, and not many more; none where there are too few chunks to know it by.
    fn cut_of(&self, k: usize) -> Option<f32> {
        if k == 0 || k > self.peaks.len() {
            return None;
        }
        // Each of the k chunks with the largest peaks has one logit that is as large as this.
        let mut peaks = self.peaks.clone();
        Some(*peaks.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a)).1)
    }

    /// See [`Distribution::at_least`](super::Distribution::at_least); ascending.
    pub(super) fn at_least(&self, p: f64) -> impl Iterator<Item = TokenId> {
        let cut = p.ln() + self.log_normalizer;
        // Below the cut by more than f32 can round it.
        self.from((cut - 1e-9 - cut.abs() * 1e-6) as f32)
    }

    /// The tokens whose logits are at least `cut`, ascending.
    fn from(&self, cut: f32) -> impl Iterator<Item = TokenId> {
        let chunks = self.logits.chunks(CHUNK).zip(&self.peaks).enumerate();
        chunks.filter(move |(_, (_, most))| **most >= cut).flat_map(move |(chunk, (logits, _))| {
            let large = logits.iter().enumerate().filter(move |(_, logit)| **logit >= cut);
            large.map(move |(at, _)| TokenId((chunk * CHUNK + at) as u32))
        })
    }

    /// H = log Z + sum w d / Z, where w = exp(-d), d is how far a logit is below the largest and Z the sum of w: nothing
    /// cancels, so that a small entropy is exact too. A logit of minus infinity has no part in it.
    pub(super) fn entropy(&self) -> f64 {
        let most = f64::from(largest(&self.peaks));
        let (mut sum, mut weighted) = (0.0, 0.0);
        for &logit in self.logits.iter().filter(|logit| **logit != f32::NEG_INFINITY) {
            let below = most - f64::from(logit);
            let weight = (-below).exp();
            sum += weight;
            weighted += weight * below;
        }
        sum.ln() + weighted / sum
    }
}

/// The largest of `logits`, by lanes, so that it becomes vector instructions; negative infinity for none.
fn largest(logits: &[f32]) -> f32 {
    let max = |a: f32, b: f32| if b > a { b } else { a };
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (whole, rest) = logits.as_chunks::<16>();
    for part in whole {
        for (lane, &logit) in lanes.iter_mut().zip(part) {
            *lane = max(*lane, logit);
        }
    }
    lanes.iter().chain(rest).copied().fold(f32::NEG_INFINITY, max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[usize]) -> Vec<TokenId> {
        ids.iter().map(|&id| TokenId(id as u32)).collect()
    }

    #[test]
    fn large_logits_are_found_wherever_they_are() {
        for length in [1, 15, 128, 129, 1000] {
            for at in [0, length / 2, length - 1] {
                let mut logits = vec![-3.0; length];
                logits[at] = 2.0;
                logits[length - 1] = 2.0;
                let dense = Dense::new(logits);
                let mut expected = vec![at, length - 1];
                expected.dedup();
                assert_eq!(dense.top_where(|_| true), Some(TokenId(at as u32)), "{length}");
                assert_eq!(dense.top_where(|id| id.index() != at).is_some(), length > 1);
                let p = dense.log_prob(TokenId(at as u32)).exp();
                assert_eq!(dense.at_least(p).collect::<Vec<_>>(), ids(&expected));
                assert_eq!(dense.at_least(p * 1e-3).count(), length);
                let most: Vec<_> =
                    dense.most_probable(expected.len(), |_| true).into_iter().map(|(id, _)| id).collect();
                assert_eq!(most, ids(&expected));
            }
        }
        assert_eq!(Dense::new(Vec::new()).top_where(|_| true), None);
    }

    #[test]
    fn of_logits_that_are_not_numbers_none_is_large() {
        let dense = Dense::new(vec![f32::NAN, 1.0]);
        assert!(dense.log_prob(TokenId(1)).is_nan());
        assert_eq!(dense.at_least(0.5).count(), 0);
    }
}
