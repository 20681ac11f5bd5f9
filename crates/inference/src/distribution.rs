//! Next-token distributions.

use crate::TokenId;
use crate::kernel::{Simd, log_sum_exp};

/// The distribution of the next token at one position.
#[derive(Clone, Debug)]
pub enum Distribution {
    /// Every token's logit.
    Dense(DenseDistribution),
    /// The most probable tokens of an engine that gives no more, with the mass of the others.
    TopK(TopKDistribution),
}

impl Distribution {
    /// Log-probability of `token`, natural logarithm. Negative infinity for a token outside of a top-k list.
    pub fn log_prob(&self, token: TokenId) -> f64 {
        match self {
            Self::Dense(dense) => dense.log_prob(token),
            Self::TopK(top) => {
                top.entries.iter().find(|(id, _)| *id == token).map_or(f64::NEG_INFINITY, |(_, p)| p.ln())
            }
        }
    }

    /// The most probable token (ties: the lowest id) and its probability.
    pub fn top(&self) -> (TokenId, f64) {
        self.top_where(|_| true)
    }

    /// The most probable token among those that `allowed` accepts (ties: the lowest id), and its probability.
    /// With nothing allowed: token 0 and probability 0.
    pub fn top_where(&self, allowed: impl Fn(TokenId) -> bool) -> (TokenId, f64) {
        match self {
            Self::Dense(dense) => {
                let mut best: Option<usize> = None;
                for (id, &logit) in dense.logits.iter().enumerate() {
                    if best.is_none_or(|b| logit > dense.logits[b]) && allowed(TokenId(id as u32)) {
                        best = Some(id);
                    }
                }
                best.map_or((TokenId(0), 0.0), |id| {
                    let token = TokenId(id as u32);
                    (token, dense.log_prob(token).exp())
                })
            }
            Self::TopK(top) => {
                top.entries.iter().filter(|(id, _)| allowed(*id)).fold((TokenId(0), 0.0), |best, &(id, p)| {
                    let order = p.total_cmp(&best.1);
                    if order.is_gt() || (order.is_eq() && p > 0.0 && id < best.0) { (id, p) } else { best }
                })
            }
        }
    }
}

/// Logits `(V,)` with the logarithm of their normaliser: `log p(t) = logits[t] - log_normalizer`.
///
/// Neither probabilities nor log-probabilities are materialised: most of a step's 150,000 are never looked at.
#[derive(Clone, Debug)]
pub struct DenseDistribution {
    logits: Vec<f32>,
    log_normalizer: f64,
}

impl DenseDistribution {
    /// Takes unnormalised `logits`, f32 `(V,)`, and computes their normaliser in f64.
    pub fn new(logits: Vec<f32>) -> Self {
        Self { log_normalizer: log_sum_exp(Simd::detect(), &logits), logits }
    }

    /// The logits, `(V,)`.
    pub fn logits(&self) -> &[f32] {
        &self.logits
    }

    /// `log(sum(exp(logits)))`.
    pub fn log_normalizer(&self) -> f64 {
        self.log_normalizer
    }

    /// Log-probability of `token`; negative infinity for an id outside of the vocabulary.
    pub fn log_prob(&self, token: TokenId) -> f64 {
        self.logits.get(token.index()).map_or(f64::NEG_INFINITY, |&logit| f64::from(logit) - self.log_normalizer)
    }
}

/// The `k` most probable tokens, most probable first.
#[derive(Clone, Debug)]
pub struct TopKDistribution {
    /// Tokens and probabilities, descending.
    pub entries: Vec<(TokenId, f64)>,
    /// Probability mass of all tokens that are not listed.
    pub rest: f64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_of_a_dense_distribution_sum_to_one() {
        let dense = DenseDistribution::new(vec![1000.0, 999.0, -50.0]);
        let sum: f64 = (0..3).map(|t| dense.log_prob(TokenId(t)).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{sum}");
    }

    #[test]
    fn a_tie_goes_to_the_lowest_allowed_id() {
        let dense = Distribution::Dense(DenseDistribution::new(vec![2.0, 2.0, 2.0]));
        assert_eq!(dense.top().0, TokenId(0));
        assert_eq!(dense.top_where(|t| t.0 > 0).0, TokenId(1));
    }
}
