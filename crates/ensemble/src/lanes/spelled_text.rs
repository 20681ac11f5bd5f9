//! A text that a lane is told by bytes.

use gac_inference::{Distribution, TokenId};

use crate::bytes::covering::Covering;

/// The last tokens of a text that grows by bytes may be more than those that it is written in at last.
const UNSETTLED: usize = 8;

/// A text that grows by bytes behind a prompt: which tokens it is read as depends on what follows.
#[derive(Clone, Debug)]
pub(super) struct SpelledText {
    pub(super) covering: Covering,
    /// Tokens of the prompt.
    prompt: usize,
    /// Whether the member is asked about tokens, and not told the next byte yet.
    pub(super) is_asked: bool,
}

/// What is known of the next byte.
pub(super) enum NextByte {
    /// The member has to be asked about other tokens first: those of its lane, of which so many are as before.
    Asks { agreed: usize },
    /// Its distribution.
    Known(Distribution),
}

impl SpelledText {
    pub(super) fn new(covering: Covering, prompt: usize) -> Self {
        Self { covering, prompt, is_asked: false }
    }

    /// The next byte, or what is to be asked for it: `tokens`, the prompt's and those behind it, become what is to be read.
    pub(super) fn next_byte(&mut self, tokens: &mut Vec<TokenId>) -> NextByte {
        let asks = self.covering.asks();
        self.is_asked = asks.is_some();
        let Some(behind) = asks else { return NextByte::Known(self.covering.next_byte()) };
        let same = tokens[self.prompt..].iter().zip(&behind).take_while(|(a, b)| a == b).count();
        let agreed = self.prompt + same;
        tokens.truncate(agreed);
        tokens.extend_from_slice(&behind[same..]);
        NextByte::Asks { agreed }
    }

    /// Whether a context of so many tokens does not hold it.
    pub(super) fn overflows(&self, context: usize) -> bool {
        self.covering.is_longer_than(context.saturating_sub(self.prompt + UNSETTLED))
    }

    /// The most tokens that it is read as.
    pub(super) fn most(&self) -> usize {
        self.prompt + self.covering.most()
    }
}
