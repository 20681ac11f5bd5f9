//! How long a model's forwards take.

use std::time::Duration;

/// What one more token in a forward costs, in forwards of one token: on CPUs, where forwards of few tokens wait for the
/// weights; measured 0.19 (bf16) to 0.27 (`q8_0`) for models of 135M.
pub(crate) const MARGINAL_COST: f64 = 0.25;
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

/// What a forward of so many tokens costs, in forwards of one.
pub(crate) fn cost(tokens: f64) -> f64 {
    1.0 + (tokens - 1.0) * MARGINAL_COST
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forwards_of_few_tokens_tell_what_one_takes() {
        let mut pace = ForwardPace::default();
        assert_eq!(pace.seconds(), None);
        pace.took(500, Duration::from_secs(9));
        assert_eq!(pace.seconds(), None, "a prompt tells nothing");
        pace.took(5, Duration::from_millis(20));
        assert!((pace.seconds().unwrap() - 0.010).abs() < 1e-9);
        (0..200).for_each(|_| pace.took(1, Duration::from_millis(30)));
        assert!((pace.seconds().unwrap() - 0.030).abs() < 1e-4);
    }
}
