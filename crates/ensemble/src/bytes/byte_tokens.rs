//! A member's tokens as strings of bytes.

use std::sync::Arc;

use gac_inference::{Distribution, Symbol, TokenId, Tokenizer};

/// What a text may go on with: any byte, or its end.
pub(crate) const OUTCOMES: usize = 257;
/// The end of a text among the outcomes.
pub(crate) const END: usize = 256;

/// What a member's ids stand for as bytes, and which ids stand for single bytes.
#[derive(Debug)]
pub(crate) struct ByteTokens {
    tokenizer: Arc<Tokenizer>,
    /// By outcome: the id that tells it in a distribution over bytes; none where the member has no such id.
    ids: Vec<Option<TokenId>>,
}

impl ByteTokens {
    /// # Errors
    /// The first byte that is in some token, and has none of its own.
    pub(crate) fn new(tokenizer: Arc<Tokenizer>) -> Result<Self, u8> {
        let vocabulary = tokenizer.vocabulary();
        let mut ids: Vec<Option<(TokenId, _)>> = vec![None; OUTCOMES];
        for (id, symbol) in vocabulary.iter() {
            // The same choice that segmentations make among several ids of one text.
            if let Symbol::Text { bytes, kind } = symbol
                && let [byte] = **bytes
                && !vocabulary.is_end(id)
            {
                let best = &mut ids[usize::from(byte)];
                if best.is_none_or(|(_, other)| *kind < other) {
                    *best = Some((id, *kind));
                }
            }
        }
        let mut ids: Vec<Option<TokenId>> = ids.into_iter().map(|best| best.map(|(id, _)| id)).collect();
        let is_missing = |byte: &u8| ids[usize::from(*byte)].is_none();
        let missing = vocabulary.iter().flat_map(|(id, _)| vocabulary.bytes(id)).copied().find(is_missing);
        if let Some(byte) = missing {
            return Err(byte);
        }
        ids[END] = vocabulary.ends().first().copied();
        Ok(Self { tokenizer, ids })
    }

    /// Number of its ids.
    pub(crate) fn rows(&self) -> usize {
        self.tokenizer.vocabulary().len()
    }

    /// The bytes of a token that goes on with the text; none for the end and other control symbols.
    pub(crate) fn bytes(&self, id: TokenId) -> &[u8] {
        let vocabulary = self.tokenizer.vocabulary();
        if vocabulary.is_end(id) { &[] } else { vocabulary.bytes(id) }
    }

    /// Whether a token ends the text.
    pub(crate) fn is_end(&self, id: TokenId) -> bool {
        self.tokenizer.vocabulary().is_end(id)
    }

    /// Whether the tokenizer, given the text of both, splits it into exactly these two: whether it ever writes `next` behind
    /// `last`, or at the beginning of a text. Inside of a character it is taken to, and behind a part of one it is asked
    /// about `next` alone.
    pub(crate) fn may_follow(&self, last: Option<TokenId>, next: TokenId) -> bool {
        let both: Vec<TokenId> = last.into_iter().chain([next]).collect();
        let whole: Vec<u8> = both.iter().flat_map(|&id| self.bytes(id)).copied().collect();
        match std::str::from_utf8(&whole) {
            Ok(text) => self.tokenizer.encoder().encode_inner(text).is_ok_and(|ids| ids == both),
            Err(_) => last.is_none() || std::str::from_utf8(self.bytes(next)).is_err() || self.may_follow(None, next),
        }
    }

    /// How the tokenizer writes `text`; what follows the last whole character is written byte by byte. None where it has no
    /// ids for that.
    pub(crate) fn write(&self, text: &[u8]) -> Option<Vec<TokenId>> {
        let whole = match std::str::from_utf8(text) {
            Ok(text) => text,
            Err(error) => std::str::from_utf8(&text[..error.valid_up_to()]).unwrap_or_default(),
        };
        let ids = self.tokenizer.encoder().encode_inner(whole).ok();
        let exact = |ids: &Vec<TokenId>| self.tokenizer.vocabulary().decode(ids) == whole.as_bytes();
        let byte = |byte: &u8| self.ids[usize::from(*byte)];
        let written = ids.filter(exact).or_else(|| whole.as_bytes().iter().map(byte).collect::<Option<Vec<_>>>())?;
        let rest: Option<Vec<TokenId>> = text[whole.len()..].iter().map(byte).collect();
        Some([written, rest?].concat())
    }

    /// Masses by outcome as a distribution over the member's own ids of single bytes and of the end.
    pub(crate) fn distribution(&self, masses: &[f64; OUTCOMES]) -> Distribution {
        let told = self.ids.iter().zip(masses).filter_map(|(id, &mass)| Some(((*id)?, mass)));
        let told: Vec<(TokenId, f64)> = told.filter(|(_, mass)| *mass > 0.0).collect();
        let total: f64 = told.iter().map(|(_, mass)| mass).sum();
        let logs: Vec<(TokenId, f64)> = told.into_iter().map(|(id, mass)| (id, (mass / total).ln())).collect();
        Distribution::among(self.rows(), &logs)
    }
}
