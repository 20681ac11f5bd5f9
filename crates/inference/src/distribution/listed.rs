//! A list of the most probable tokens.

use crate::id::TokenId;

/// What all probabilities together are off one by at most, unless told otherwise: they come from f32 logarithms.
const ROUNDING: f64 = 1e-6;

/// Tokens whose probabilities are known: the most probable ones, and those that were asked for.
#[derive(Clone, Debug)]
pub(super) struct Listed {
    rows: usize,
    /// Probabilities, most probable first (ties: the lowest id).
    known: Vec<(TokenId, f64)>,
    /// Log-probabilities by id, ascending.
    log_probs: Vec<(TokenId, f64)>,
    /// The last listed probability: no token that is not known has more.
    last: f64,
    rest: f64,
    /// What all probabilities together may be off one by.
    rounding: f64,
    /// Whether tokens that are not known are impossible.
    others_are_impossible: bool,
}

impl Listed {
    pub(super) fn new(rows: usize, log_probs: &[(TokenId, f64)]) -> Self {
        Self::within(rows, log_probs, ROUNDING)
    }

    pub(super) fn within(rows: usize, log_probs: &[(TokenId, f64)], rounding: f64) -> Self {
        // Of nothing, nothing is known.
        let last = log_probs.iter().map(|(_, log)| log.exp()).fold(1.0, f64::min);
        let others_are_impossible = false;
        let mut listed =
            Self { rows, known: Vec::new(), log_probs: Vec::new(), last, rest: 1.0, rounding, others_are_impossible };
        listed.learn(log_probs);
        listed
    }

    /// Tokens of which each other one is impossible.
    pub(super) fn among(rows: usize, log_probs: &[(TokenId, f64)]) -> Self {
        Self { others_are_impossible: true, rest: 0.0, ..Self::new(rows, log_probs) }
    }

    pub(super) fn knows(&self, token: TokenId) -> bool {
        self.others_are_impossible || token.index() >= self.rows || self.log_prob(token).is_some()
    }

    /// Adds what is not known yet.
    pub(super) fn learn(&mut self, log_probs: &[(TokenId, f64)]) {
        let unknown = |(id, _): &(TokenId, f64)| id.index() < self.rows && self.log_prob(*id).is_none();
        let mut fresh: Vec<(TokenId, f64)> = log_probs.iter().copied().filter(unknown).collect();
        fresh.sort_unstable_by_key(|(id, _)| *id);
        fresh.dedup_by_key(|(id, _)| *id);
        if fresh.is_empty() {
            return;
        }
        self.known.extend(fresh.iter().map(|(id, log)| (*id, log.exp())));
        self.known.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        self.log_probs.extend(fresh);
        self.log_probs.sort_unstable_by_key(|(id, _)| *id);
        let sum: f64 = self.known.iter().map(|(_, p)| p).sum();
        self.rest = if self.is_complete() { 0.0 } else { (1.0 - sum).max(0.0) };
    }

    /// Takes a longer list, and keeps what is known beside it.
    pub(super) fn lengthen(&mut self, log_probs: &[(TokenId, f64)]) {
        let before = std::mem::replace(self, Self::within(self.rows, log_probs, self.rounding));
        self.last = self.last.min(before.last);
        self.learn(&before.log_probs);
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }

    pub(super) fn known(&self) -> &[(TokenId, f64)] {
        &self.known
    }

    pub(super) fn log_prob(&self, token: TokenId) -> Option<f64> {
        self.log_probs.binary_search_by_key(&token, |(id, _)| *id).ok().map(|at| self.log_probs[at].1)
    }

    pub(super) fn is_complete(&self) -> bool {
        self.others_are_impossible || self.known.len() == self.rows
    }

    pub(super) fn rest(&self) -> f64 {
        self.rest
    }

    pub(super) fn at_most(&self, count: usize) -> f64 {
        if self.is_complete() {
            return 0.0;
        }
        (count as f64 * self.last).min(self.rest + self.rounding)
    }

    pub(super) fn at_least(&self, p: f64) -> &[(TokenId, f64)] {
        &self.known[..self.known.partition_point(|(_, known)| *known >= p)]
    }

    /// Of probabilities that are off one together, what they are in proportion.
    pub(super) fn entropy(&self) -> f64 {
        let term = |p: f64| if p > 0.0 { -p * p.ln() } else { 0.0 };
        let others = (self.rows - self.known.len()).max(1) as f64;
        let known: f64 = self.known.iter().map(|&(_, p)| term(p)).sum();
        let sum = self.known.iter().map(|(_, p)| p).sum::<f64>() + self.rest;
        (known + others * term(self.rest / others)) / sum + sum.ln()
    }
}
