//! What token ids stand for: exact bytes, control symbols, or nothing.

use crate::TokenId;

/// What one token id stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Symbol {
    /// Text: exactly these bytes, never empty. They need not be valid UTF-8 on their own.
    Text {
        /// The bytes.
        bytes: Box<[u8]>,
        /// Where the token comes from.
        kind: TextKind,
    },
    /// A control symbol such as `<s>`: it has a name and emits no text.
    Control {
        /// Its name, as the tokenizer writes it.
        name: Box<str>,
    },
    /// A row that no token uses (padding of the embedding).
    Unused,
}

/// Origin of a text token, in order of preference where several tokens stand for the same bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TextKind {
    /// A piece of the tokenizer's own model.
    Piece,
    /// An added token that is not special: it stands for its text.
    Added,
    /// A byte of a SentencePiece vocabulary, `<0x61>`.
    ByteFallback,
}

/// Every row of a model's output layer with what it stands for.
#[derive(Clone, Debug)]
pub struct Vocabulary {
    symbols: Vec<Symbol>,
    ends: Vec<TokenId>,
}

impl Vocabulary {
    /// `symbols[id]` is what token `id` stands for; `ends` are the ids that end a text or a turn.
    pub fn new(symbols: Vec<Symbol>, ends: impl IntoIterator<Item = TokenId>) -> Self {
        let mut ends: Vec<TokenId> = ends.into_iter().filter(|end| end.index() < symbols.len()).collect();
        ends.sort_unstable();
        ends.dedup();
        Self { symbols, ends }
    }

    /// Number of rows, unused ones included.
    pub fn len(&self) -> usize {
        self.symbols.len()
    }

    /// Whether there is no row at all.
    pub fn is_empty(&self) -> bool {
        self.symbols.is_empty()
    }

    /// What `token` stands for; [`Symbol::Unused`] beyond the last row.
    pub fn symbol(&self, token: TokenId) -> &Symbol {
        self.symbols.get(token.index()).unwrap_or(&Symbol::Unused)
    }

    /// Every id with its symbol, ascending.
    pub fn iter(&self) -> impl Iterator<Item = (TokenId, &Symbol)> {
        self.symbols.iter().enumerate().map(|(id, symbol)| (TokenId(id as u32), symbol))
    }

    /// The ids that end a text or a turn, ascending.
    pub fn ends(&self) -> &[TokenId] {
        &self.ends
    }

    /// Whether `token` ends a text or a turn.
    pub fn is_end(&self, token: TokenId) -> bool {
        self.ends.contains(&token)
    }

    /// The bytes that `token` emits: its text, or nothing for a control symbol or an unused row.
    pub fn bytes(&self, token: TokenId) -> &[u8] {
        match self.symbol(token) {
            Symbol::Text { bytes, .. } => bytes,
            Symbol::Control { .. } | Symbol::Unused => &[],
        }
    }

    /// The bytes that `tokens` emit, one after the other.
    pub fn decode(&self, tokens: &[TokenId]) -> Vec<u8> {
        tokens.iter().flat_map(|&token| self.bytes(token)).copied().collect()
    }
}

/// Text to token ids.
pub trait TextEncoder: Send + Sync {
    /// A prompt's ids, with the special tokens (such as begin-of-text) that the tokenizer puts around it.
    ///
    /// # Errors
    /// When the tokenizer cannot encode `text`.
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError>;

    /// A prompt's ids without special tokens around it.
    ///
    /// # Errors
    /// When the tokenizer cannot encode `text`.
    fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError>;

    /// The ids of `text` in the middle of other text: no special tokens and no dummy leading space.
    ///
    /// Nothing guarantees that they stand for exactly `text`'s bytes (a tokenizer may normalise): callers check.
    ///
    /// # Errors
    /// When the tokenizer cannot encode `text`.
    fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError>;
}

/// A tokenizer: ids to exact bytes, and text to ids.
pub struct Tokenizer {
    vocabulary: Vocabulary,
    encoder: Box<dyn TextEncoder>,
}

impl Tokenizer {
    /// Joins what ids stand for with how text is encoded.
    pub fn new(vocabulary: Vocabulary, encoder: impl TextEncoder + 'static) -> Self {
        Self { vocabulary, encoder: Box::new(encoder) }
    }

    /// What every id stands for.
    pub fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// How text becomes ids.
    pub fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }
}

impl std::fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokenizer").field("rows", &self.vocabulary.len()).finish_non_exhaustive()
    }
}

/// Why a tokenizer could not be read or used.
#[derive(Debug, thiserror::Error)]
pub enum TokenizerError {
    /// The file is missing, unreadable or not a tokenizer.
    #[error("failed to read the tokenizer `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The tokens' bytes cannot be known.
    #[error("the tokenizer `{path}` does not say which bytes its tokens stand for: {reason}")]
    NoBytes {
        /// The file.
        path: String,
        /// What is missing.
        reason: String,
    },
    /// The metadata of a GGUF file describe no tokenizer that is known.
    #[error("`{field}` in `{path}` {problem}")]
    Metadata {
        /// The field.
        field: &'static str,
        /// The file.
        path: String,
        /// What is wrong with it and what would be valid.
        problem: String,
    },
    /// A token of the file has another id in the tokenizer that the file describes.
    #[error("token `{token}` in `{path}` should have the id {id}, but the tokenizer that is made of it gives {found}")]
    OtherId {
        /// The file.
        path: String,
        /// The token as written in the file.
        token: String,
        /// Its id in the file.
        id: u32,
        /// What it has instead.
        found: String,
    },
    /// The tokenizer has ids that the model has no row for.
    #[error("the tokenizer has token id {id} (`{token}`), but the model has only {rows} rows")]
    BeyondModel {
        /// The id.
        id: u32,
        /// The token as written in the file.
        token: String,
        /// Rows of the model's embedding.
        rows: usize,
    },
    /// Encoding failed.
    #[error("failed to encode text: {0}")]
    Encode(String),
}
