//! How long a model's forwards take.

use std::time::Duration;

/// What a forward of so many tokens costs, in forwards of one: on a CPU, where forwards of few tokens wait for the weights.
/// Measured (bf16, two cores) 1.05 to 1.4 for 4 tokens, 1.6 to 2.0 for 8, and 4.9 to 6.5 for 24, with models of 135M, 270M
/// and 0.5B: `cargo run --release --example speed -- MODEL stored 1 decode f32 1 4 8 24`.
const COSTS: [(f64, f64); 4] = [(1.0, 1.0), (4.0, 1.15), (8.0, 1.7), (24.0, 5.4)];
/// Forwards of more tokens than this wait for something else than weights.
const FEW: usize = 64;
/// The weight of one more measurement among those before.
const NEWEST: f64 = 1.0 / 16.0;

/// How long a forward of one token takes, as forwards of few tokens tell; and how many there were.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct ForwardPace {
    /// Seconds; 0 as long as nothing is known.
    one: f64,
    pub(crate) forwards: u64,
    pub(crate) tokens: u64,
    /// Of all forwards.
    pub(crate) time: Duration,
}

impl ForwardPace {
    /// A forward of so many tokens took so long.
    pub(crate) fn took(&mut self, tokens: usize, time: Duration) {
        if tokens == 0 {
            return;
        }
        self.forwards += 1;
        self.tokens += tokens as u64;
        self.time += time;
        if tokens > FEW {
            return;
        }
        let one = time.as_secs_f64() / cost(tokens as f64);
        self.one = if self.one == 0.0 { one } else { self.one + NEWEST * (one - self.one) };
    }

    /// Seconds of a forward of one token; none as long as nothing is known.
    pub(crate) fn seconds(self) -> Option<f64> {
        (self.one > 0.0).then_some(self.one)
    }
}

/// What a forward of so many tokens costs, in forwards of one: between what was measured, and beyond, along a line.
pub(crate) fn cost(tokens: f64) -> f64 {
    let line = COSTS.windows(2).find(|line| tokens <= line[1].0).unwrap_or(&COSTS[COSTS.len() - 2..]);
    let ((from, least), (to, most)) = (line[0], line[1]);
    least + (tokens - from) * (most - least) / (to - from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_forward_costs_what_was_measured_and_one_more_token_never_less_than_the_one_before() {
        assert!(COSTS.into_iter().all(|(tokens, forwards)| (cost(tokens) - forwards).abs() < 1e-9));
        let more: Vec<f64> = (1..100).map(|tokens| cost(f64::from(tokens + 1)) - cost(f64::from(tokens))).collect();
        assert!(more[0] > 0.0 && more.windows(2).all(|more| more[1] > more[0] - 1e-9), "{more:?}");
    }

    #[test]
    fn forwards_of_few_tokens_tell_what_one_takes() {
        let mut pace = ForwardPace::default();
        assert_eq!(pace.seconds(), None);
        pace.took(500, Duration::from_secs(9));
        assert_eq!(pace.seconds(), None, "a prompt tells nothing");
        pace.took(8, Duration::from_millis(17));
        assert!((pace.seconds().unwrap() - 0.010).abs() < 1e-9);
        (0..200).for_each(|_| pace.took(1, Duration::from_millis(30)));
        assert!((pace.seconds().unwrap() - 0.030).abs() < 1e-4);
    }
}
