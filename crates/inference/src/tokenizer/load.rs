//! Reads `tokenizer.json` and what says which ids end a text.

use std::path::Path;

use serde::Deserialize;

use super::declared::{lacks_declared, with_declared};
use super::encoder::HfEncoder;
use super::gguf::Described;
use super::symbols::RawTokenizer;
use crate::checkpoint::config::{EndIds, Ids};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::json::{read_json, read_text, typed};
use crate::checkpoint::source::ModelSource;
use crate::checkpoint::special_tokens::SpecialTokens;
use crate::id::TokenId;
use crate::vocabulary::{Symbol, Tokenizer, TokenizerError, Vocabulary};

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

#[derive(Deserialize)]
struct BeginId {
    bos_token_id: Option<Ids>,
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
        let built = Self::build(&raw, tokenizer, &path, rows, |symbols| end_ids(source, &special, symbols))?;
        let bos = bos(source, &special, built.vocabulary())?;
        Ok(built.with_bos(bos))
    }

    fn of_gguf(gguf: &Gguf, rows: Option<usize>) -> Result<Self, TokenizerLoadError> {
        let Described { json, bos } = super::gguf::describe(gguf)?;
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
        let built = Self::build(&raw, tokenizer, gguf.path(), rows, |symbols| Ok(with_named(listed, &[], symbols)))?;
        Ok(built.with_bos(bos.map(TokenId)))
    }

    fn build(
        raw: &RawTokenizer,
        tokenizer: tokenizers::Result<tokenizers::Tokenizer>,
        path: &Path,
        rows: Option<usize>,
        ends: impl FnOnce(&[Symbol]) -> Result<Vec<TokenId>, CheckpointError>,
    ) -> Result<Self, TokenizerLoadError> {
        let path = path.display().to_string();
        let unreadable =
            |source: tokenizers::Error| TokenizerError::Unreadable { path: path.clone(), reason: source.to_string() };
        let mut tokenizer = tokenizer.map_err(unreadable)?;
        tokenizer.with_truncation(None).map_err(unreadable)?;
        tokenizer.with_padding(None);
        raw.check(&tokenizer, &path)?;
        let mut symbols = raw.symbols(&tokenizer, &path, rows)?;
        let ends = ends(&symbols)?;
        symbols.resize_with(rows.unwrap_or(symbols.len()).max(symbols.len()), || Symbol::Unused);
        let vocabulary = Vocabulary::new(symbols, ends);
        let encoder = HfEncoder::new(tokenizer, &vocabulary)?;
        Ok(Self::new(vocabulary, encoder))
    }
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

/// The id of begin-of-text: what the tokenizer's files call it, or else what `config.json` does.
fn bos(
    source: &ModelSource,
    special: &SpecialTokens,
    vocabulary: &Vocabulary,
) -> Result<Option<TokenId>, CheckpointError> {
    if let Some(bos) = special.named.get("bos_token") {
        let named = |symbol: &Symbol| matches!(symbol, Symbol::Control { name } if **name == **bos);
        return Ok(vocabulary.iter().find(|(_, symbol)| named(symbol)).map(|(id, _)| id));
    }
    let Some(path) = source.find("config.json")? else { return Ok(None) };
    let listed = read_json::<BeginId>(&path)?.bos_token_id.map(Ids::into_vec).unwrap_or_default();
    let id = listed.first().copied().map(TokenId);
    Ok(id.filter(|id| matches!(vocabulary.symbol(*id), Symbol::Control { .. })))
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
