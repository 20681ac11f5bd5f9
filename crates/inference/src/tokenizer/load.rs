//! Reads `tokenizer.json` and what says which ids end a text.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::bytes::{Alphabet, fallback_byte, piece_bytes};
use super::declared::{lacks_declared, with_declared};
use super::encoder::HfEncoder;
use crate::checkpoint::config::{EndIds, Ids};
use crate::checkpoint::files::{CheckpointError, ModelSource};
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::json::{read_json, read_text, typed};
use crate::checkpoint::special_tokens::SpecialTokens;
use crate::{Symbol, TextKind, TokenId, Tokenizer, TokenizerError, Vocabulary};

/// Control symbols that end a text or a turn in the chat formats of known model families, whatever a checkpoint's
/// configuration lists.
const END_NAMES: [&str; 16] = [
    "<|endoftext|>",
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|eot|>",
    "<|eom|>",
    "<eos>",
    "[EOS]",
    "<EOS_TOKEN>",
    "<|END_OF_TURN_TOKEN|>",
    "<｜end▁of▁sentence｜>",
    "<|end_of_text|>",
    "<|end_of_turn|>",
    "<end_of_turn>",
    "<|end|>",
    "</s>",
];

/// Largest id that is believed.
const MOST_IDS: u32 = 1 << 24;

#[derive(Deserialize)]
struct RawTokenizer {
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
    #[serde(rename = "type")]
    kind: Option<String>,
    vocab: RawVocabulary,
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
}

impl Tokenizer {
    /// Reads a checkpoint's tokenizer: `tokenizer.json`, and from `generation_config.json` (or else `config.json`)
    /// and `tokenizer_config.json` which ids end a text.
    ///
    /// `rows` is the number of rows of the model's output layer; ids that no token uses are [`Symbol::Unused`].
    /// `None` takes the tokenizer's own size, where there is no model.
    ///
    /// # Errors
    /// When a file is missing or damaged, when the tokens' bytes cannot be known, or when there are more tokens than
    /// rows.
    pub fn load(source: &ModelSource, rows: Option<usize>) -> Result<Self, TokenizerLoadError> {
        if let ModelSource::Gguf(path) = source {
            return Self::of_gguf(&Gguf::open(path)?, rows);
        }
        let path = source.find("tokenizer.json")?.ok_or_else(|| CheckpointError::MissingFile {
            file: "tokenizer.json".to_owned(),
            model: source.to_string(),
        })?;
        let special = SpecialTokens::load(source)?;
        // First as plain JSON: the tokenizers crate panics on some files that are none.
        let mut raw = read_json(&path)?;
        let mut tokenizer = tokenizers::Tokenizer::from_bytes(read_text(&path)?);
        if tokenizer.as_ref().is_ok_and(|tokenizer| lacks_declared(tokenizer, &special)) {
            let json = with_declared(read_json(&path)?, &special, &path)?;
            tokenizer = tokenizers::Tokenizer::from_bytes(json.to_string());
            raw = typed(json, &path)?;
        }
        Self::build(&raw, tokenizer, &path, rows, |symbols| end_ids(source, &special, symbols))
    }

    fn of_gguf(gguf: &Gguf, rows: Option<usize>) -> Result<Self, TokenizerLoadError> {
        let json = super::gguf::tokenizer_json(gguf)?;
        let tokenizer = tokenizers::Tokenizer::from_bytes(json.to_string());
        let raw: RawTokenizer = serde_json::from_value(json).map_err(|source| CheckpointError::Unreadable {
            path: gguf.path().display().to_string(),
            reason: source.to_string(),
        })?;
        let listed = ["eos_token_id", "eot_token_id", "eom_token_id"]
            .iter()
            .filter_map(|key| gguf.count(&format!("tokenizer.ggml.{key}")))
            .map(|id| TokenId(id as u32))
            .collect();
        Self::build(&raw, tokenizer, gguf.path(), rows, |symbols| Ok(with_named(listed, &[], symbols)))
    }

    fn build(
        raw: &RawTokenizer,
        tokenizer: tokenizers::Result<tokenizers::Tokenizer>,
        path: &Path,
        rows: Option<usize>,
        ends: impl FnOnce(&[Symbol]) -> Result<Vec<TokenId>, CheckpointError>,
    ) -> Result<Self, TokenizerLoadError> {
        let alphabet = alphabet(raw, path)?;
        let mut symbols = symbols(raw, alphabet, rows)?;
        let ends = ends(&symbols)?;
        symbols.resize_with(rows.unwrap_or(symbols.len()).max(symbols.len()), || Symbol::Unused);
        let unreadable = |source: tokenizers::Error| TokenizerError::Unreadable {
            path: path.display().to_string(),
            reason: source.to_string(),
        };
        let mut tokenizer = tokenizer.map_err(unreadable)?;
        tokenizer.with_truncation(None).map_err(unreadable)?;
        tokenizer.with_padding(None);
        Ok(Self::new(Vocabulary::new(symbols, ends), HfEncoder::new(tokenizer, alphabet)?))
    }
}

/// Finds out how pieces are written: by the steps that turn text into pieces and back.
fn alphabet(raw: &RawTokenizer, path: &Path) -> Result<Alphabet, TokenizerError> {
    let steps = [&raw.normalizer, &raw.pre_tokenizer, &raw.decoder];
    if steps.iter().any(|step| mentions(step, &|kind, _| kind == "ByteLevel")) {
        return Ok(Alphabet::ByteLevel);
    }
    let spaces = |kind: &str, step: &Value| {
        kind == "Metaspace" || (kind == "Replace" && step.to_string().contains('▁')) || kind == "ByteFallback"
    };
    if steps.iter().any(|step| mentions(step, &spaces)) {
        return Ok(Alphabet::SentencePiece);
    }
    Err(TokenizerError::NoBytes {
        path: path.display().to_string(),
        reason: format!(
            "a {} model that is neither byte-level nor SentencePiece-style",
            raw.model.kind.as_deref().unwrap_or("nameless")
        ),
    })
}

/// Whether a processing step, or one inside a sequence of steps, is of the kind asked for.
fn mentions(step: &Value, wanted: &dyn Fn(&str, &Value) -> bool) -> bool {
    match step {
        Value::Object(fields) => {
            fields.get("type").and_then(Value::as_str).is_some_and(|kind| wanted(kind, step))
                || fields.values().any(|value| mentions(value, wanted))
        }
        Value::Array(steps) => steps.iter().any(|step| mentions(step, wanted)),
        _ => false,
    }
}

fn symbols(raw: &RawTokenizer, alphabet: Alphabet, rows: Option<usize>) -> Result<Vec<Symbol>, TokenizerError> {
    let pieces: Vec<(&str, u32)> = match &raw.model.vocab {
        RawVocabulary::Map(map) => map.iter().map(|(piece, &id)| (piece.as_str(), id)).collect(),
        RawVocabulary::List(list) => list.iter().zip(0..).map(|((piece, _), id)| (piece.as_str(), id)).collect(),
    };
    let added = raw.added_tokens.iter().map(|token| (token.content.as_str(), token.id));
    let mut symbols = Vec::new();
    for (token, id) in pieces.iter().copied().chain(added) {
        if id > MOST_IDS || rows.is_some_and(|rows| id as usize >= rows) {
            return Err(TokenizerError::BeyondModel {
                id,
                token: token.to_owned(),
                rows: rows.unwrap_or(MOST_IDS as usize),
            });
        }
        if symbols.len() <= id as usize {
            symbols.resize_with(id as usize + 1, || Symbol::Unused);
        }
    }
    let control = |name: &str| Symbol::Control { name: name.into() };
    for (piece, id) in pieces {
        let (bytes, kind) = match fallback_byte(piece).filter(|_| alphabet == Alphabet::SentencePiece) {
            Some(byte) => (vec![byte], TextKind::ByteFallback),
            None => (piece_bytes(piece, alphabet), TextKind::Piece),
        };
        symbols[id as usize] =
            if bytes.is_empty() { control(piece) } else { Symbol::Text { bytes: bytes.into(), kind } };
    }
    for token in &raw.added_tokens {
        symbols[token.id as usize] = if token.special || token.content.is_empty() {
            control(&token.content)
        } else {
            Symbol::Text { bytes: token.content.as_bytes().into(), kind: TextKind::Added }
        };
    }
    Ok(symbols)
}

/// All ids that end a text or a turn: those of `generation_config.json` or else `config.json`, the tokenizer's own
/// end-of-text, and the control symbols of the known chat formats.
fn end_ids(source: &ModelSource, special: &SpecialTokens, symbols: &[Symbol]) -> Result<Vec<TokenId>, CheckpointError> {
    let mut listed = None;
    for file in ["generation_config.json", "config.json"] {
        if listed.is_none()
            && let Some(path) = source.find(file)?
        {
            listed = read_json::<EndIds>(&path)?.eos_token_id;
        }
    }
    let names: Vec<&str> = special.ends().collect();
    let listed = listed.map(Ids::into_vec).unwrap_or_default();
    Ok(with_named(listed.into_iter().map(TokenId).collect(), &names, symbols))
}

/// `listed`, and the ids of control symbols with one of `names` or a name that ends a turn in a known chat format.
fn with_named(listed: Vec<TokenId>, names: &[&str], symbols: &[Symbol]) -> Vec<TokenId> {
    let ends = |name: &str| END_NAMES.contains(&name) || names.contains(&name);
    let named = symbols.iter().zip(0..).filter_map(|(symbol, id)| match symbol {
        Symbol::Control { name } if ends(name) => Some(TokenId(id)),
        _ => None,
    });
    listed.into_iter().chain(named).collect()
}

/// A tokenizer that could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerLoadError {
    /// A file is missing or unreadable.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The file is no tokenizer whose bytes are known.
    #[error(transparent)]
    Tokenizer(#[from] TokenizerError),
}

impl TokenizerLoadError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::Tokenizer(TokenizerError::BeyondModel { .. }) => {
                Some("do tokenizer.json and config.json belong together?")
            }
            Self::Tokenizer(_) => {
                Some("gac reads tokenizer.json files with a byte-level or SentencePiece-style vocabulary")
            }
        }
    }
}
