//! Text to ids through the `tokenizers` crate.

use tokenizers::Tokenizer as HfTokenizer;

use super::bytes::Alphabet;
use crate::{TextEncoder, TokenId, TokenizerError};

/// A `tokenizer.json` as an encoder.
pub(crate) struct HfEncoder {
    tokenizer: HfTokenizer,
    alphabet: Alphabet,
    /// The ids of a line break at the beginning of a text, which [`TextEncoder::encode_inner`] takes off again.
    line_break: Vec<TokenId>,
}

impl HfEncoder {
    pub(crate) fn new(tokenizer: HfTokenizer, alphabet: Alphabet) -> Result<Self, TokenizerError> {
        let line_break = ids(&tokenizer, "\n", false)?;
        Ok(Self { tokenizer, alphabet, line_break })
    }
}

impl TextEncoder for HfEncoder {
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        ids(&self.tokenizer, text, true)
    }

    fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        ids(&self.tokenizer, text, false)
    }

    fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        match self.alphabet {
            Alphabet::ByteLevel => ids(&self.tokenizer, text, false),
            Alphabet::SentencePiece => {
                let whole = ids(&self.tokenizer, &format!("\n{text}"), false)?;
                // Where the line break merged with what follows, the ids stand for something else: the caller, who
                // checks bytes, then goes another way.
                Ok(whole.strip_prefix(self.line_break.as_slice()).map(<[TokenId]>::to_vec).unwrap_or(whole))
            }
        }
    }
}

fn ids(tokenizer: &HfTokenizer, text: &str, special: bool) -> Result<Vec<TokenId>, TokenizerError> {
    let encoding = tokenizer.encode_fast(text, special).map_err(|source| TokenizerError::Encode(source.to_string()))?;
    Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
}
