//! Text to ids through the `tokenizers` crate.

use tokenizers::Tokenizer as HfTokenizer;

use crate::id::TokenId;
use crate::vocabulary::{TextEncoder, TokenizerError, Vocabulary};

/// A `tokenizer.json` as an encoder.
pub(crate) struct HfEncoder {
    tokenizer: HfTokenizer,
    /// The ids of a line break at the beginning of a text, which [`TextEncoder::encode_inner`] takes off again; none
    /// where nothing is put in front of a text.
    line_break: Option<Vec<TokenId>>,
}

impl HfEncoder {
    pub(crate) fn new(tokenizer: HfTokenizer, vocabulary: &Vocabulary) -> Result<Self, TokenizerError> {
        // Whether a text begins with a space that is not in it. One that cannot be encoded does not tell; others may.
        let starts_with_space = |text: &str| {
            let ids = ids(&tokenizer, text, false).unwrap_or_default();
            vocabulary.decode(&ids).starts_with(b" ")
        };
        let prefixed = ["a", "1", "."].into_iter().any(starts_with_space);
        let line_break = prefixed.then(|| ids(&tokenizer, "\n", false)).transpose()?;
        Ok(Self { tokenizer, line_break })
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
        let Some(line_break) = &self.line_break else { return ids(&self.tokenizer, text, false) };
        let whole = ids(&self.tokenizer, &format!("\n{text}"), false)?;
        // Where the line break merged with what follows, the ids stand for something else: the caller, who checks
        // bytes, then goes another way.
        Ok(whole.strip_prefix(line_break.as_slice()).map(<[TokenId]>::to_vec).unwrap_or(whole))
    }
}

fn ids(tokenizer: &HfTokenizer, text: &str, special: bool) -> Result<Vec<TokenId>, TokenizerError> {
    let encoding = tokenizer.encode_fast(text, special).map_err(|source| TokenizerError::Encode(source.to_string()))?;
    Ok(encoding.get_ids().iter().map(|&id| TokenId(id)).collect())
}
