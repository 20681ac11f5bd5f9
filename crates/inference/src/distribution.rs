//! Next-token distributions.

mod dense;
mod listed;

use crate::ask::Detail;
use crate::id::TokenId;
use dense::Dense;
use listed::Listed;

/// The distribution of the next token at one position, over a model's V rows.
///
/// A model that computes on this machine's CPU knows every token's probability: a *dense* distribution. One on a GPU or on
/// a server tells the most probable tokens and no more: a *list*, with the mass of the others. Whoever votes on lists asks for more where they do not
/// decide ([`LanguageModel::ask`](crate::LanguageModel::ask)).
#[derive(Clone, Debug)]
pub struct Distribution(DistributionKind);

#[derive(Clone, Debug)]
enum DistributionKind {
    Dense(Dense),
    Listed(Listed),
}

impl Distribution {
    /// The softmax of `logits`, f32 `(V,)`. The normaliser is computed in f64.
    pub fn dense(logits: Vec<f32>) -> Self {
        Self(DistributionKind::Dense(Dense::new(logits)))
    }

    /// A list of the most probable of `rows` tokens with their log-probabilities, in any order: no other token is more
    /// probable than the last of them. A list of all `rows` tokens is complete.
    pub fn listed(rows: usize, log_probs: &[(TokenId, f64)]) -> Self {
        Self(DistributionKind::Listed(Listed::new(rows, log_probs)))
    }

    /// A distribution among some of `rows` tokens, with their log-probabilities in any order: all others are impossible.
    pub fn among(rows: usize, log_probs: &[(TokenId, f64)]) -> Self {
        Self(DistributionKind::Listed(Listed::among(rows, log_probs)))
    }

    /// As [`listed`](Self::listed), where all probabilities together may be off one by `rounding`.
    pub fn listed_within(rows: usize, log_probs: &[(TokenId, f64)], rounding: f64) -> Self {
        Self(DistributionKind::Listed(Listed::within(rows, log_probs, rounding)))
    }

    /// Number of tokens, V.
    pub fn rows(&self) -> usize {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.logits().len(),
            DistributionKind::Listed(list) => list.rows(),
        }
    }

    /// The probability of `token`; 0 where it is not known.
    pub fn prob(&self, token: TokenId) -> f64 {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.log_prob(token).exp(),
            DistributionKind::Listed(list) => list.log_prob(token).map_or(0.0, f64::exp),
        }
    }

    /// The log-probability of `token`, natural logarithm, exact also where the probability is too small for an f64;
    /// negative infinity where it is not known.
    pub fn log_prob(&self, token: TokenId) -> f64 {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.log_prob(token),
            DistributionKind::Listed(list) => list.log_prob(token).unwrap_or(f64::NEG_INFINITY),
        }
    }

    /// Whether the probability of `token` is known. That of an id beyond the rows is: it is 0.
    pub fn knows(&self, token: TokenId) -> bool {
        match &self.0 {
            DistributionKind::Dense(_) => true,
            DistributionKind::Listed(list) => list.knows(token),
        }
    }

    /// Whether every token's probability is known.
    pub fn is_complete(&self) -> bool {
        match &self.0 {
            DistributionKind::Dense(_) => true,
            DistributionKind::Listed(list) => list.is_complete(),
        }
    }

    /// Every token whose probability is known, with it.
    pub fn known(&self) -> impl Iterator<Item = (TokenId, f64)> {
        let (dense, list) = match &self.0 {
            DistributionKind::Dense(dense) => (Some(dense), &[][..]),
            DistributionKind::Listed(list) => (None, list.known()),
        };
        dense.into_iter().flat_map(Dense::probabilities).chain(list.iter().copied())
    }

    /// Number of tokens whose probability is known.
    pub fn known_count(&self) -> usize {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.logits().len(),
            DistributionKind::Listed(list) => list.known().len(),
        }
    }

    /// The mass of the tokens whose probability is not known.
    pub fn rest(&self) -> f64 {
        match &self.0 {
            DistributionKind::Dense(_) => 0.0,
            DistributionKind::Listed(list) => list.rest(),
        }
    }

    /// The most that one token can have whose probability is not known.
    pub fn ceiling(&self) -> f64 {
        self.at_most(1)
    }

    /// The most that `count` tokens together can have whose probabilities are not known, roundings included.
    pub fn at_most(&self, count: usize) -> f64 {
        match &self.0 {
            DistributionKind::Dense(_) => 0.0,
            DistributionKind::Listed(list) => list.at_most(count),
        }
    }

    /// The most probable token (ties: the lowest id) and its probability.
    pub fn top(&self) -> (TokenId, f64) {
        self.top_where(|_| true)
    }

    /// The most probable of the known tokens that `allowed` accepts (ties: the lowest id), and its probability. With
    /// none of them allowed: token 0 and probability 0. Not a number where the logits are not.
    pub fn top_where(&self, allowed: impl Fn(TokenId) -> bool) -> (TokenId, f64) {
        let top = match &self.0 {
            DistributionKind::Dense(dense) => dense.top_where(allowed).map(|id| (id, dense.log_prob(id).exp())),
            DistributionKind::Listed(list) => list.known().iter().copied().find(|(id, _)| allowed(*id)),
        };
        top.unwrap_or((TokenId(0), 0.0))
    }

    /// The `k` most probable of the known tokens that `allowed` accepts, most probable first (ties: the lowest id), with
    /// their probabilities.
    pub fn most_probable(&self, k: usize, allowed: impl Fn(TokenId) -> bool) -> Vec<(TokenId, f64)> {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.most_probable(k, allowed),
            DistributionKind::Listed(list) => {
                list.known().iter().copied().filter(|(id, _)| allowed(*id)).take(k).collect()
            }
        }
    }

    /// The known tokens with a probability of at least `p`, in no order. A few that are less probable by what f32 cannot
    /// tell apart may be among them.
    pub fn at_least(&self, p: f64) -> impl Iterator<Item = TokenId> {
        let (dense, list) = match &self.0 {
            DistributionKind::Dense(dense) => (Some(dense), &[][..]),
            DistributionKind::Listed(list) => (None, list.at_least(p)),
        };
        dense.into_iter().flat_map(move |dense| dense.at_least(p)).chain(list.iter().map(|(id, _)| *id))
    }

    /// Entropy in nats. What a list does not tell is taken to be spread evenly.
    pub fn entropy(&self) -> f64 {
        match &self.0 {
            DistributionKind::Dense(dense) => dense.entropy(),
            DistributionKind::Listed(list) => list.entropy(),
        }
    }

    /// What is known of a detail: log-probabilities of the tokens that it names, or of the most probable ones, most
    /// probable first.
    pub fn tell(&self, detail: Detail<'_>) -> Vec<(TokenId, f64)> {
        let log_prob = |id: TokenId| (id, self.log_prob(id));
        match detail {
            Detail::Tokens(ids) => ids.iter().copied().map(log_prob).collect(),
            Detail::Top(count) => self.most_probable(count, |_| true).into_iter().map(|(id, _)| log_prob(id)).collect(),
        }
    }

    /// Adds what was asked about a list ([`LanguageModel::ask`](crate::LanguageModel::ask)): tokens with their
    /// log-probabilities.
    pub fn learn(&mut self, detail: Detail<'_>, answer: &[(TokenId, f64)]) {
        match (&mut self.0, detail) {
            (DistributionKind::Dense(_), _) => {}
            (DistributionKind::Listed(list), Detail::Tokens(_)) => list.learn(answer),
            (DistributionKind::Listed(list), Detail::Top(_)) => list.lengthen(answer),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logs(p: &[(u32, f64)]) -> Vec<(TokenId, f64)> {
        p.iter().map(|&(id, p)| (TokenId(id), p.ln())).collect()
    }

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().copied().map(TokenId).collect()
    }

    #[test]
    fn probabilities_of_a_dense_distribution_sum_to_one() {
        let dense = Distribution::dense(vec![1000.0, 999.0, -50.0]);
        let sum: f64 = dense.known().map(|(_, p)| p).sum();
        assert!((sum - 1.0).abs() < 1e-7, "{sum}");
        assert!(dense.is_complete() && dense.rest() == 0.0 && dense.ceiling() == 0.0);
        assert_eq!(dense.prob(TokenId(9)).to_bits(), 0.0_f64.to_bits());
    }

    #[test]
    fn a_tie_goes_to_the_lowest_allowed_id() {
        let list = Distribution::listed(5, &logs(&[(3, 0.25), (1, 0.25), (2, 0.25)]));
        assert_eq!(list.top(), (TokenId(1), 0.25));
        for distribution in [Distribution::dense(vec![2.0, 2.0, 2.0, 2.0]), list] {
            assert_eq!(distribution.top_where(|t| t.0 > 1).0, TokenId(2));
            let two: Vec<_> = distribution.most_probable(2, |t| t.0 > 0).into_iter().map(|(id, _)| id).collect();
            assert_eq!(two, ids(&[1, 2]));
            assert_eq!(distribution.top_where(|_| false), (TokenId(0), 0.0));
        }
    }

    #[test]
    fn a_list_tells_what_it_knows_and_how_much_the_others_can_have() {
        let mut list = Distribution::listed(6, &logs(&[(4, 0.25), (2, 0.5), (2, 0.5)]));
        assert_eq!((list.prob(TokenId(4)), list.log_prob(TokenId(2))), (0.25, 0.5_f64.ln()));
        assert!(list.knows(TokenId(4)) && !list.knows(TokenId(0)) && list.knows(TokenId(6)));
        assert!((list.rest() - 0.25).abs() < 1e-12);
        assert_eq!((list.ceiling(), list.at_most(0)), (0.25, 0.0));
        assert!((list.at_most(2) - 0.25).abs() < 1e-5);
        assert_eq!(list.at_least(0.25).collect::<Vec<_>>(), ids(&[2, 4]));

        list.learn(Detail::Tokens(&ids(&[0])), &logs(&[(0, 0.125)]));
        assert!((list.rest() - 0.125).abs() < 1e-12);
        assert!((list.ceiling() - 0.125).abs() < 1e-5, "no more than the rest");
        assert_eq!(list.at_least(0.25).count(), 2);
        assert_eq!((list.known_count(), list.log_prob(TokenId(0))), (3, 0.125_f64.ln()));

        list.learn(Detail::Top(3), &logs(&[(2, 0.5), (4, 0.25), (5, 0.0625)]));
        assert_eq!((list.known_count(), list.log_prob(TokenId(0))), (4, 0.125_f64.ln()));
        assert!((list.at_most(1) - 0.0625).abs() < 1e-12, "no more than the last of the list");
        list.learn(Detail::Tokens(&ids(&[1, 3])), &logs(&[(1, 0.0625), (3, 0.0)]));
        assert!(list.is_complete() && list.rest() == 0.0 && list.at_most(9) == 0.0);
    }

    #[test]
    fn entropies_computed_by_hand() {
        let dense = Distribution::dense(vec![0.5_f32.ln(), 0.25_f32.ln(), 0.25_f32.ln(), f32::NEG_INFINITY]);
        assert!((dense.entropy() / 2.0_f64.ln() - 1.5).abs() < 1e-6);
        let list = Distribution::listed(4, &logs(&[(0, 0.5), (1, 0.25)]));
        assert!((list.entropy() / 2.0_f64.ln() - 1.75).abs() < 1e-6, "an eighth for each of the others");
    }

    #[test]
    fn the_entropy_of_a_distribution_without_doubt_is_exact() {
        // All but e^-20 on the first, whatever all logits are raised by.
        let q = (-20.0_f64).exp();
        let (p, q) = (1.0 / (1.0 + q), q / (1.0 + q));
        let expected = -p * p.ln() - q * q.ln();
        let off = 1e-7;
        let list = Distribution::listed(2, &[(TokenId(0), p.ln() + off), (TokenId(1), q.ln() + off)]);
        for distribution in [Distribution::dense(vec![40.0, 20.0]), list] {
            assert!((distribution.entropy() / expected - 1.0).abs() < 1e-6, "{} {expected}", distribution.entropy());
        }
        assert!(Distribution::dense(vec![f32::NAN, 1.0]).entropy().is_nan());
    }
}
