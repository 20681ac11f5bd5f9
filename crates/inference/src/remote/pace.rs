//! How many tokens a request runs ahead.
//!
//! A round of requests takes `a + b k` seconds for k tokens, and its tokens serve the calls that follow until some sequence
//! leaves its path. Where none leaves it with probability q a call, k tokens serve `1 + q + ... + q^(k-1)` calls on average,
//! so the best k has the least `(a + b k) / (1 + q + ... + q^(k-1))`. All three are measured as the model runs: with one
//! sequence and a sure member k is large; with sixty-four sequences of an ensemble, of which some leaves its path at every
//! call, it is 1, and a request never waits for tokens that nobody will use.

use std::time::Duration;

/// The weight that a measurement keeps with every following one.
const MEMORY: f64 = 0.9;
/// How many times q is taken to have been measured before anything was.
const PRIOR: f64 = 2.0;
/// What q is taken to be before anything was measured.
const PRIOR_HOLDS: f64 = 0.8;

/// The least share of a round of one token that this token takes.
const LEAST_EACH: f64 = 0.05;

/// Measures rounds and tells the best length.
#[derive(Clone, Debug)]
pub(super) struct Pace {
    most: usize,
    holds: f64,
    calls: f64,
    /// Sums over rounds, each with less weight the older it is: 1, k, k^2, t, k t.
    rounds: [f64; 5],
}

impl Pace {
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), holds: PRIOR * PRIOR_HOLDS, calls: PRIOR, rounds: [0.0; 5] }
    }

    /// A call found its sequences on their paths, or some not.
    pub(super) fn called(&mut self, held: bool) {
        self.calls = self.calls * MEMORY + 1.0;
        self.holds = self.holds * MEMORY + f64::from(u8::from(held));
    }

    /// A round for `ahead` tokens took so long.
    pub(super) fn took(&mut self, ahead: usize, time: Duration) {
        let (k, t) = (ahead as f64, time.as_secs_f64());
        for (sum, term) in self.rounds.iter_mut().zip([1.0, k, k * k, t, k * t]) {
            *sum = *sum * MEMORY + term;
        }
    }

    /// Tokens that the next round asks for, at least one.
    pub(super) fn ahead(&self) -> usize {
        let (fixed, each) = self.cost();
        let q = self.holds / self.calls;
        let (mut best, mut least) = (1, f64::INFINITY);
        let (mut calls, mut power) = (0.0, 1.0);
        for k in 1..=self.most {
            calls += power;
            power *= q;
            let cost = (fixed + each * k as f64) / calls;
            if cost < least {
                (best, least) = (k, cost);
            }
        }
        best
    }

    /// Seconds of a round apart from its tokens, and of each token.
    fn cost(&self) -> (f64, f64) {
        let [n, k, kk, t, kt] = self.rounds;
        // As if a round cost as much as one token, until rounds of several lengths tell.
        let (mut fixed, mut each) = if n > 0.0 { (t / (n + k), t / (n + k)) } else { (1.0, 1.0) };
        let spread = kk * n - k * k;
        if spread > 0.05 * n * n {
            each = ((kt * n - k * t) / spread).max(0.0);
            fixed = ((t - each * k) / n).max(0.0);
        }
        // No token is free, whatever chance says.
        (fixed, each.max(LEAST_EACH * (fixed + each)).max(1e-9))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// After `calls` calls, of which `held` in ten find all on their paths, with rounds of `fixed + each * k` ms.
    fn ahead(held: usize, fixed: f64, each: f64) -> usize {
        let mut pace = Pace::new(32);
        for call in 0..200 {
            pace.called(call % 10 < held);
            let k = pace.ahead();
            // Rounds differ a little, as they do.
            let k = if call % 7 == 0 { (k + 1).min(32) } else { k };
            pace.took(k, Duration::from_secs_f64((fixed + each * k as f64) / 1000.0));
        }
        pace.ahead()
    }

    #[test]
    fn a_path_that_always_holds_is_followed_far() {
        assert!(ahead(10, 5.0, 10.0) >= 16, "{}", ahead(10, 5.0, 10.0));
    }

    #[test]
    fn where_some_sequence_always_leaves_its_path_nothing_is_asked_ahead() {
        assert_eq!(ahead(0, 5.0, 10.0), 1);
    }

    #[test]
    fn the_dearer_a_round_the_longer_it_is() {
        let near = ahead(9, 1.0, 20.0);
        let far = ahead(9, 100.0, 20.0);
        assert!(near < far, "{near} and {far}");
        assert!(far > 4);
    }

    #[test]
    fn one_is_no_running_ahead() {
        let mut pace = Pace::new(1);
        pace.called(true);
        pace.took(1, Duration::from_millis(1));
        assert_eq!(pace.ahead(), 1);
    }
}
