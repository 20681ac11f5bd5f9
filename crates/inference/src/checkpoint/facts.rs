//! What a checkpoint says of itself, without being loaded.

use std::collections::BTreeMap;

use super::config::DecoderConfig;
use super::error::CheckpointError;
use super::gguf::Gguf;
use super::source::ModelSource;
use super::special_tokens::SpecialTokens;
use super::weights::CheckpointTensors;
use crate::dtype::WeightType;
use crate::id::TokenId;
use crate::vocabulary::{Symbol, Tokenizer};
use candle_core::Device;

/// What a checkpoint says of itself, as reports want it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModelFacts {
    /// Numbers in its tensors, each tensor counted as often as it is stored.
    pub parameters: u64,
    /// The type in which most of them are stored, as the format calls it: `BF16`, `Q4_K`.
    pub weight_type: String,
    /// The most tokens of a sequence; none where only candle-transformers knows the architecture.
    pub context: Option<usize>,
    /// `bos_token`, `eos_token`, `pad_token` and their like, by name.
    pub special_tokens: BTreeMap<String, SpecialToken>,
}

/// A token that a checkpoint has a name for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecialToken {
    /// Its text.
    pub text: String,
    /// Its id; none where the vocabulary lacks it.
    pub id: Option<TokenId>,
}

impl ModelFacts {
    /// Reads a checkpoint's headers.
    ///
    /// # Errors
    /// When a file is missing or damaged.
    pub fn read(source: &ModelSource) -> Result<Self, CheckpointError> {
        let (weights, context) = match source {
            ModelSource::Gguf(path) => {
                let gguf = Gguf::open(path)?;
                let context = DecoderConfig::of_gguf(&gguf).ok().map(|config| config.context);
                (CheckpointTensors::of_gguf(gguf, Device::Cpu, WeightType::Stored, None), context)
            }
            ModelSource::Folder(_) | ModelSource::Hub(_) => {
                let (paths, name) = (source.weights()?, source.to_string());
                let context = DecoderConfig::load(&source.config()?).ok().map(|config| config.context);
                (CheckpointTensors::open(&paths, name, Device::Cpu, WeightType::Stored, None)?, context)
            }
        };
        let mut by_type: BTreeMap<String, u64> = BTreeMap::new();
        for header in weights.headers() {
            *by_type.entry(format!("{:?}", header.stored).to_uppercase()).or_default() += header.numbers();
        }
        Ok(Self {
            parameters: by_type.values().sum(),
            weight_type: by_type
                .into_iter()
                .max_by_key(|(_, numbers)| *numbers)
                .map(|(name, _)| name)
                .unwrap_or_default(),
            context,
            special_tokens: with_ids(source, SpecialTokens::load(source)?.named),
        })
    }
}

impl ModelSource {
    /// The texts of `bos_token`, `eos_token`, `pad_token` and their like, by name.
    ///
    /// # Errors
    /// When a file is damaged.
    pub fn special_tokens(&self) -> Result<BTreeMap<String, String>, CheckpointError> {
        Ok(SpecialTokens::load(self)?.named)
    }
}

/// Tokens with their ids in the checkpoint's vocabulary.
fn with_ids(source: &ModelSource, named: BTreeMap<String, String>) -> BTreeMap<String, SpecialToken> {
    let tokenizer = Tokenizer::load(source, None).ok();
    let is = |symbol: &Symbol, text: &str| match symbol {
        Symbol::Text { bytes, .. } => **bytes == *text.as_bytes(),
        Symbol::Control { name } => **name == *text,
        Symbol::Unused => false,
    };
    let id =
        |text: &str| tokenizer.as_ref()?.vocabulary().iter().find(|(_, symbol)| is(symbol, text)).map(|(id, _)| id);
    named.into_iter().map(|(name, text)| (name, SpecialToken { id: id(&text), text })).collect()
}
