//! How often guesses come true, and how many of them are worth a look.

use crate::decode::lookup::LONGEST;
use crate::forward_pace::cost;

/// Most tokens that are guessed at once where the number follows what is measured.
const MOST: usize = 8;
/// So many guesses are as good as certain about what is usual; older ones fade.
const MEMORY: f64 = 64.0;
/// What is thought of guesses of which nothing is known: so many, so many of them true.
const PRIOR: (f64, f64) = (4.0, 1.0);

/// The same of a drafter that has no vote. It is only known by asking it, which costs time, so it is asked first.
const PRIOR_OF_DRAFTER: (f64, f64) = (4.0, 3.0);
/// The part of what is known of a drafter that fades with every token that it is not asked about: later it is tried
/// again.
const FADING: f64 = 0.02;

/// What a guess goes by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GuessSource {
    /// What followed a repeated ending of so many tokens, at least one.
    Repeat(usize),
    /// What a member would say.
    Member,
    /// What a drafter without a vote says.
    Drafter,
}

/// How often guesses came true, by what they went by.
///
/// Every guess counts, whether it was worth reading or not: so it costs nothing to find out that guesses are good.
#[derive(Clone, Debug)]
pub(crate) struct Acceptance {
    /// `(guesses, true ones)`, by an ending's length less one.
    counts: [(f64, f64); LONGEST],
    /// The same of a member's guesses.
    of_member: (f64, f64),
    of_drafter: (f64, f64),
}

impl Default for Acceptance {
    fn default() -> Self {
        Self { counts: [PRIOR; LONGEST], of_member: PRIOR, of_drafter: PRIOR_OF_DRAFTER }
    }
}

impl Acceptance {
    /// A guess came true or not.
    pub(crate) fn count(&mut self, source: GuessSource, came_true: bool) {
        let counts = match source {
            GuessSource::Repeat(length) => self.counts.get_mut(length.wrapping_sub(1)),
            GuessSource::Member => Some(&mut self.of_member),
            GuessSource::Drafter => Some(&mut self.of_drafter),
        };
        let Some((guesses, hits)) = counts else { return };
        *guesses += 1.0;
        *hits += f64::from(u8::from(came_true));
        if *guesses > MEMORY {
            *hits *= MEMORY / *guesses;
            *guesses = MEMORY;
        }
    }

    /// A drafter was not asked, because it is not worth it.
    pub(crate) fn not_asked(&mut self) {
        let fade = |known: f64, prior: f64| known + FADING * (prior - known);
        let (guesses, hits) = self.of_drafter;
        self.of_drafter = (fade(guesses, PRIOR_OF_DRAFTER.0), fade(hits, PRIOR_OF_DRAFTER.1));
    }

    /// The part of the guesses by an ending of `length` tokens that comes true.
    fn rate(&self, length: usize) -> f64 {
        self.counts.get(length.wrapping_sub(1)).map_or(0.0, |(guesses, hits)| hits / guesses)
    }

    /// How many tokens behind an ending of `length` tokens are worth reading where `in_flight` samples share forwards: as
    /// many as make tokens come faster.
    ///
    /// Each guess makes a forward [`cost`] more, the more the more there are, and adds a token where it and all before it
    /// come true.
    pub(crate) fn worth(&self, length: usize, in_flight: usize) -> usize {
        let rate = self.rate(length);
        let mut tokens = in_flight.max(1) as f64;
        let mut read = tokens;
        let mut true_so_far = 1.0;
        for guesses in 0..MOST {
            true_so_far *= rate;
            if true_so_far * cost(read) <= tokens * (cost(read + 1.0) - cost(read)) {
                return guesses;
            }
            tokens += true_so_far;
            read += 1.0;
        }
        MOST
    }

    /// How many tokens are worth a member's or a drafter's going on alone, where `in_flight` samples do so at the same time
    /// and one of its forwards takes the part `alone` of a step's: as many as make tokens come fastest, none where that is
    /// without.
    pub(crate) fn worth_alone(&self, source: GuessSource, alone: f64, in_flight: usize) -> usize {
        let (guesses, hits) = if source == GuessSource::Drafter { self.of_drafter } else { self.of_member };
        let (rate, samples) = (hits / guesses, in_flight.max(1) as f64);
        let speed = |guesses: usize| {
            let tokens: f64 = (0..=guesses as i32).map(|behind| rate.powi(behind)).sum();
            let ahead = guesses as f64 * alone * cost(samples);
            tokens / (ahead + cost(samples * (guesses + 1) as f64))
        };
        (0..=MOST).max_by(|&a, &b| speed(a).total_cmp(&speed(b)).then(b.cmp(&a))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(came_true: impl Fn(usize) -> bool) -> Acceptance {
        let mut acceptance = Acceptance::default();
        (0..1000).for_each(|guess| acceptance.count(GuessSource::Repeat(3), came_true(guess)));
        acceptance
    }

    #[test]
    fn guesses_that_come_true_are_worth_reading_and_others_cost_nothing() {
        assert!(after(|_| true).worth(3, 1) >= 7, "eight tokens are read together");
        assert_eq!(after(|_| false).worth(3, 1), 0);
        assert_eq!(after(|guess| guess % 40 == 0).worth(3, 1), 0, "a fortieth is less than a token costs");
        assert_eq!(
            after(|guess| guess % 5 == 0).worth(3, 8),
            0,
            "a fifth is less than a token costs beside seven others"
        );
        assert!((1..6).contains(&after(|guess| guess % 2 == 0).worth(3, 1)));
        assert!(after(|_| true).worth(2, 1) <= 2, "of endings of two nothing is known");
        assert_eq!(after(|_| true).worth(2, 8), 0, "nor is it worth finding out beside seven others");
    }

    #[test]
    fn the_more_samples_share_a_forward_the_less_is_guessed() {
        let good = after(|guess| guess % 5 != 0);
        let worth: Vec<usize> = [1, 2, 4, 16, 64].into_iter().map(|samples| good.worth(3, samples)).collect();
        assert!(worth.is_sorted_by(|a, b| a >= b) && worth[0] >= 3 && worth[4] == 0, "{worth:?}");
    }

    #[test]
    fn what_was_long_ago_fades() {
        assert_eq!(after(|guess| guess >= 800).worth(3, 1), after(|_| true).worth(3, 1));
    }

    #[test]
    fn a_cheap_member_that_is_often_right_goes_on_alone() {
        let after = |right: usize| {
            let mut acceptance = Acceptance::default();
            (0..1000).for_each(|guess| acceptance.count(GuessSource::Member, guess % 20 < right));
            acceptance
        };
        assert!((3..=8).contains(&after(17).worth_alone(GuessSource::Member, 0.15, 1)));
        assert_eq!(after(17).worth_alone(GuessSource::Member, 0.9, 1), 0, "it costs as much as everybody");
        assert_eq!(after(4).worth_alone(GuessSource::Member, 0.15, 1), 0, "it is seldom right");
        assert_eq!(after(17).worth_alone(GuessSource::Member, 0.15, 64), 0, "forwards are shared already");
        assert!(Acceptance::default().worth_alone(GuessSource::Member, 0.15, 1) <= 1, "nothing is known of it");
        assert_eq!(Acceptance::default().worth_alone(GuessSource::Member, 0.35, 1), 0, "and it is not cheap");
    }

    #[test]
    fn a_drafter_is_tried_and_tried_again_after_a_while() {
        let mut acceptance = Acceptance::default();
        let worth = |acceptance: &Acceptance| acceptance.worth_alone(GuessSource::Drafter, 0.2, 1);
        assert!(worth(&acceptance) > 0, "nothing is known of it");
        (0..100).for_each(|_| acceptance.count(GuessSource::Drafter, false));
        assert_eq!(worth(&acceptance), 0);
        let tokens = (0..1000)
            .take_while(|_| {
                acceptance.not_asked();
                worth(&acceptance) == 0
            })
            .count();
        assert!((50..500).contains(&tokens), "{tokens}");
        assert_eq!(Acceptance::default().worth_alone(GuessSource::Drafter, 0.2, 64), 0, "forwards are shared already");
    }

    #[test]
    fn an_ending_of_no_length_is_no_guess() {
        let mut acceptance = Acceptance::default();
        acceptance.count(GuessSource::Repeat(0), true);
        assert_eq!((acceptance.worth(0, 1), acceptance.worth(LONGEST + 1, 1)), (0, 0));
    }
}
