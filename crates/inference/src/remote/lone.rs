//! How many tokens are asked for at once where nobody else has a vote.

/// Tokens that are asked for at first, while no text has ended.
const FIRST: usize = 16;
/// Texts that are this much longer than most still take one request.
const MARGIN: f64 = 1.25;
/// How much the last text counts in the mean.
const NEW: f64 = 0.2;

/// Learns how long texts are that go on by a model's own most probable tokens.
///
/// Such a text follows its path to the end, so one request could ask for all of it; what is asked for behind its end (a
/// stop string, say, of which the server knows nothing) is computed for nobody.
#[derive(Clone, Debug)]
pub(super) struct LoneTexts {
    most: usize,
    mean: Option<f64>,
}

impl LoneTexts {
    /// At most `most` tokens at once.
    pub(super) fn new(most: usize) -> Self {
        Self { most: most.max(1), mean: None }
    }

    /// A text has ended with so many tokens.
    pub(super) fn ended(&mut self, tokens: usize) {
        let tokens = tokens as f64;
        self.mean = Some(self.mean.map_or(tokens, |mean| mean + NEW * (tokens - mean)));
    }

    /// Tokens to ask for, at least one, of a text that has `emitted` so many and may have `room` more.
    pub(super) fn ahead(&self, emitted: usize, room: usize) -> usize {
        let usual = self.mean.map_or(FIRST, |mean| (MARGIN * mean).ceil() as usize).max(1);
        // A text that is longer than most may be much longer: as many again.
        let left = if emitted < usual { usual - emitted } else { emitted.max(FIRST) };
        left.min(room).clamp(1, self.most)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_asked_for_in_one_piece_once_their_lengths_are_known() {
        let mut lone = LoneTexts::new(128);
        assert_eq!([0, 16, 32, 64].map(|emitted| lone.ahead(emitted, 1000)), [16, 16, 32, 64]);
        for _ in 0..20 {
            lone.ended(40);
        }
        assert_eq!(lone.ahead(0, 1000), 50);
        assert_eq!(lone.ahead(0, 30), 30);
        assert_eq!(lone.ahead(50, 1000), 50);
        lone.ended(4);
        assert!(lone.ahead(0, 1000) < 50);
    }

    #[test]
    fn one_token_at_least_and_no_more_than_allowed_is_asked_for() {
        let mut lone = LoneTexts::new(8);
        assert_eq!((lone.ahead(0, 1000), lone.ahead(500, 1000), lone.ahead(3, 0)), (8, 8, 1));
        lone.ended(0);
        assert_eq!(lone.ahead(0, 1000), 1);
    }
}
