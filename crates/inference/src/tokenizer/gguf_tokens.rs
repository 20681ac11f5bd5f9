//! The tokens of a GGUF file, and what a kind of tokenizer makes of them.

use std::collections::HashMap;

use serde_json::{Map, Value};

use crate::checkpoint::gguf::Gguf;
use crate::vocabulary::TokenizerError;

/// What a token is for (`tokenizer.ggml.token_type`, llama.cpp's `llama_token_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
    /// A piece of text, made by merging.
    Normal,
    /// What stands for text that has no token.
    Unknown,
    /// A control symbol: cut out of text before anything is merged.
    Control,
    /// Text that is cut out before anything is merged.
    UserDefined,
    /// A row that no text has.
    Unused,
    /// A byte, `<0xNN>`.
    Byte,
}

impl TokenKind {
    fn of(number: f64) -> Self {
        match number {
            2.0 => Self::Unknown,
            3.0 => Self::Control,
            4.0 => Self::UserDefined,
            5.0 => Self::Unused,
            6.0 => Self::Byte,
            _ => Self::Normal,
        }
    }
}

/// The tokens of a file.
pub(super) struct Tokens<'g> {
    texts: Vec<&'g str>,
    kinds: Vec<TokenKind>,
}

impl<'g> Tokens<'g> {
    /// Reads them from the metadata.
    ///
    /// # Errors
    /// When they are missing, are not as many as their kinds, or one is there twice.
    pub(super) fn read(gguf: &'g Gguf) -> Result<Self, TokenizerError> {
        let field = "tokenizer.ggml.tokens";
        let texts = gguf.texts(field).ok_or_else(|| problem(gguf, field, "is missing"))?;
        let field = "tokenizer.ggml.token_type";
        let written = gguf.numbers(field).unwrap_or_else(|| vec![1.0; texts.len()]);
        if written.len() != texts.len() {
            return Err(problem(gguf, field, format!("has {} values for {} tokens", written.len(), texts.len())));
        }
        // Not by its name, as llama.cpp has it: in Qwen's vocabulary, `</s>` is a piece like others.
        let kind = |(text, number): (&&str, f64)| {
            if text.is_empty() { TokenKind::Unused } else { TokenKind::of(number) }
        };
        let kinds = texts.iter().zip(written).map(kind).collect();
        let mut tokens = Self { texts, kinds };
        for key in NAMED {
            let named = tokens.named(gguf, key, None);
            if let Some((id, _)) = named.filter(|(id, text)| tokens.is_normal(*id) && looks_special(text)) {
                tokens.kinds[id as usize] = TokenKind::Control;
            }
        }
        let mut ids: HashMap<&str, u32> = HashMap::with_capacity(tokens.texts.len());
        for (id, text, _) in tokens.iter() {
            if let Some(first) = ids.insert(text, id) {
                let both = format!("has `{text}` twice, as {first} and {id}: which of them a text has cannot be told");
                return Err(problem(gguf, "tokenizer.ggml.tokens", both));
            }
        }
        Ok(tokens)
    }

    /// Each token with its id and kind, ascending; those that are [`TokenKind::Unused`] are left out.
    pub(super) fn iter(&self) -> impl Iterator<Item = (u32, &'g str, TokenKind)> {
        let all = (0u32..).zip(self.texts.iter().zip(&self.kinds)).map(|(id, (text, kind))| (id, *text, *kind));
        all.filter(|(_, _, kind)| *kind != TokenKind::Unused)
    }

    /// The number of tokens, unused ones included.
    pub(super) fn len(&self) -> usize {
        self.texts.len()
    }

    /// The token whose id the metadata name, or else the one with the id `default`.
    pub(super) fn named(&self, gguf: &Gguf, key: &str, default: Option<u32>) -> Option<(u32, &'g str)> {
        let id = gguf.count(&format!("tokenizer.ggml.{key}")).and_then(|id| u32::try_from(id).ok()).or(default)?;
        let text = self.texts.get(id as usize).copied()?;
        (self.kinds[id as usize] != TokenKind::Unused).then_some((id, text))
    }

    pub(super) fn is_normal(&self, id: u32) -> bool {
        self.kinds.get(id as usize) == Some(&TokenKind::Normal)
    }
}

/// The metadata that name special tokens, which old converters wrote down as text.
const NAMED: [&str; 7] = [
    "bos_token_id",
    "eos_token_id",
    "eot_token_id",
    "eom_token_id",
    "unknown_token_id",
    "padding_token_id",
    "seperator_token_id",
];

fn looks_special(text: &str) -> bool {
    [('<', '>'), ('[', ']')].iter().any(|&(open, close)| text.starts_with(open) && text.ends_with(close))
}

/// What a kind of tokenizer makes of the tokens.
pub(super) struct TokenizerParts {
    pub(super) vocabulary: Map<String, Value>,
    /// `tokenizer.json` but for the vocabulary and what is the same for all kinds.
    pub(super) json: Value,
    /// Tokens that are cut out before anything is merged.
    pub(super) added: Vec<Added>,
    /// Whether begin-of-text is added where the file does not say.
    pub(super) add_bos: bool,
    /// The ids of begin-of-text and end-of-text where the file does not say.
    pub(super) defaults: Option<(u32, u32)>,
}

/// A token that is cut out of text before anything is merged.
pub(super) struct Added {
    pub(super) id: u32,
    pub(super) text: String,
    pub(super) control: bool,
    /// Whether it takes the white space after it along.
    pub(super) rstrip: bool,
}

/// The error for a field of the metadata.
pub(super) fn problem(gguf: &Gguf, field: &'static str, problem: impl Into<String>) -> TokenizerError {
    TokenizerError::Metadata { field, path: gguf.path().display().to_string(), problem: problem.into() }
}
