//! What every id of a tokenizer stands for.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;
use tokenizers::Tokenizer as HfTokenizer;

use super::decoding::{Decoded, TokenDecoding};
use crate::vocabulary::{Symbol, TextKind, TokenizerError};

/// Largest id that is believed.
const MOST_IDS: u32 = 1 << 24;

/// The parts of a `tokenizer.json` that say what ids stand for.
#[derive(Deserialize)]
pub(super) struct RawTokenizer {
    model: RawModel,
    #[serde(default)]
    added_tokens: Vec<RawAdded>,
    #[serde(default)]
    normalizer: Value,
    #[serde(default)]
    pre_tokenizer: Value,
    #[serde(default)]
    decoder: Value,
}

#[derive(Deserialize)]
struct RawModel {
    vocab: RawVocabulary,
    #[serde(default)]
    byte_fallback: bool,
}

/// BPE maps pieces to ids; a unigram vocabulary lists pieces with scores.
#[derive(Deserialize)]
#[serde(untagged)]
enum RawVocabulary {
    Map(BTreeMap<String, u32>),
    List(Vec<(String, f64)>),
}

#[derive(Deserialize)]
struct RawAdded {
    id: u32,
    content: String,
    #[serde(default)]
    special: bool,
    #[serde(default)]
    normalized: bool,
}

impl RawTokenizer {
    fn pieces(&self) -> Vec<(&str, u32)> {
        match &self.model.vocab {
            RawVocabulary::Map(map) => map.iter().map(|(piece, &id)| (piece.as_str(), id)).collect(),
            RawVocabulary::List(list) => list.iter().zip(0..).map(|((piece, _), id)| (piece.as_str(), id)).collect(),
        }
    }

    /// What every id stands for, up to the largest.
    ///
    /// # Errors
    /// When the tokens' bytes cannot be known, or there are more ids than the model's `rows`.
    pub(super) fn symbols(
        &self,
        tokenizer: &HfTokenizer,
        path: &str,
        rows: Option<usize>,
    ) -> Result<Vec<Symbol>, TokenizerError> {
        let before = [&self.normalizer, &self.pre_tokenizer];
        let decoding = TokenDecoding::read(&self.decoder, before, self.model.byte_fallback)
            .map_err(|reason| TokenizerError::NoBytes { path: path.to_owned(), reason })?;
        let pieces = self.pieces();
        let added = self.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
        let mut symbols = Vec::new();
        for (token, id) in pieces.iter().copied().chain(added) {
            if id > MOST_IDS || rows.is_some_and(|rows| id as usize >= rows) {
                let rows = rows.unwrap_or(MOST_IDS as usize);
                return Err(TokenizerError::BeyondModel { id, token: token.to_owned(), rows });
            }
            if symbols.len() <= id as usize {
                symbols.resize_with(id as usize + 1, || Symbol::Unused);
            }
        }
        for (piece, id) in pieces {
            let Decoded { bytes, fallback } = decoding.decode(piece);
            let kind = if fallback { TextKind::ByteFallback } else { TextKind::Piece };
            symbols[id as usize] = text(piece, bytes, kind);
        }
        for token in &self.added_tokens {
            let content = token.content.as_str();
            symbols[token.id as usize] = if token.special {
                Symbol::Control { name: content.into() }
            } else {
                // As it is found in text: normalised, where the file says so.
                let found = tokenizer.get_added_vocabulary().simple_id_to_token(token.id);
                let bytes = decoding.decode(found.as_deref().unwrap_or(content)).bytes;
                // Added tokens are whole texts: one whose characters the decoder would take for parts of others (`é` for
                // a byte) is its own text.
                let bytes = Some(bytes).filter(|bytes| std::str::from_utf8(bytes).is_ok());
                text(content, bytes.unwrap_or_else(|| content.as_bytes().to_vec()), TextKind::Added)
            };
        }
        Ok(symbols)
    }

    /// Checks that every token of the file has its own id in the tokenizer that was made of it, there and back.
    ///
    /// The tokenizers crate numbers added tokens itself, and keeps one of two pieces with the same id: it warns, if at
    /// all (huggingface/tokenizers#1366).
    ///
    /// # Errors
    /// For the first token that has another id.
    pub(super) fn check(&self, tokenizer: &HfTokenizer, path: &str) -> Result<(), TokenizerError> {
        let wrong = |token: &str, id: u32, found: String| TokenizerError::OtherId {
            path: path.to_owned(),
            token: token.to_owned(),
            id,
            found,
        };
        let added_by_id = tokenizer.get_added_vocabulary().get_added_tokens_decoder();
        let added = self.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
        for (token, id) in self.pieces().into_iter().chain(added).filter(|(token, _)| !token.is_empty()) {
            match tokenizer.token_to_id(token) {
                Some(found) if found == id => {}
                Some(found) => return Err(wrong(token, id, format!("id {found}"))),
                None => return Err(wrong(token, id, "no id".to_owned())),
            }
            let back = added_by_id.get(&id).map(|token| token.content.clone()).or_else(|| tokenizer.id_to_token(id));
            if back.as_deref() != Some(token) {
                return Err(wrong(token, id, format!("that id for `{}`", back.unwrap_or_default())));
            }
        }
        for token in self.added_tokens.iter().filter(|token| !token.normalized && !token.content.is_empty()) {
            let encoding = tokenizer.encode_fast(token.content.as_str(), false);
            let found = encoding.map_err(|source| TokenizerError::Encode(source.to_string()))?;
            if found.get_ids() != [token.id] {
                return Err(wrong(&token.content, token.id, format!("the ids {:?}", found.get_ids())));
            }
        }
        Ok(())
    }
}

fn text(token: &str, bytes: Vec<u8>, kind: TextKind) -> Symbol {
    if bytes.is_empty() { Symbol::Control { name: token.into() } } else { Symbol::Text { bytes: bytes.into(), kind } }
}
