//! What token ids stand for: exact bytes, control symbols, or nothing.

use crate::id::TokenId;

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
    /// What the encoder puts in front of every text.
    own: Option<TokenId>,
    /// What stands in front of every prompt.
    begin: Option<TokenId>,
    /// What the checkpoint calls begin-of-text.
    bos: Option<TokenId>,
}

impl Tokenizer {
    /// Joins what ids stand for with how text is encoded.
    pub fn new(vocabulary: Vocabulary, encoder: impl TextEncoder + 'static) -> Self {
        let own = put_in_front(&vocabulary, &encoder);
        Self { vocabulary, encoder: Box::new(encoder), own, begin: own, bos: own }
    }

    /// The same tokenizer, of a checkpoint that calls `bos` begin-of-text.
    #[must_use]
    pub(crate) fn with_bos(mut self, bos: Option<TokenId>) -> Self {
        self.bos = bos.or(self.own);
        self
    }

    /// The same tokenizer with begin-of-text in front of every prompt, or with none; `None` leaves it as its files say.
    ///
    /// # Errors
    /// When it should be there and the checkpoint does not name it.
    pub fn with_add_bos(mut self, add: Option<bool>) -> Result<Self, TokenizerError> {
        self.begin = match add {
            Some(true) => Some(self.bos.ok_or(TokenizerError::NoBeginOfText)?),
            Some(false) => None,
            None => self.own,
        };
        Ok(self)
    }

    /// What the checkpoint calls begin-of-text, whether or not prompts begin with it.
    pub fn bos(&self) -> Option<TokenId> {
        self.bos
    }

    /// A prompt's ids, with the special tokens that the tokenizer puts around it: none where the text begins with
    /// begin-of-text already, as in lm-evaluation-harness (`has_bos_prefix`).
    ///
    /// # Errors
    /// When the tokenizer cannot encode `text`.
    pub fn encode_prompt(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        let begun = self.begin.is_some_and(|begin| match self.vocabulary.symbol(begin) {
            Symbol::Control { name } => text.starts_with(&**name),
            Symbol::Text { bytes, .. } => text.as_bytes().starts_with(bytes),
            Symbol::Unused => false,
        });
        if begun {
            return self.encoder.encode_without_special(text);
        }
        let mut ids = self.encoder.encode(text)?;
        if self.begin != self.own {
            ids.drain(..usize::from(self.own.is_some()).min(ids.len()));
            ids.splice(0..0, self.begin);
        }
        Ok(ids)
    }

    /// Whether it puts a space in front of every text, as SentencePiece does: ids of a text then stand for one space more.
    pub fn puts_space(&self) -> bool {
        let ids = self.encoder.encode_without_special("a");
        ids.is_ok_and(|ids| self.vocabulary.decode(&ids).starts_with(b" "))
    }

    /// The text that is read as `ids`: what they stand for without begin-of-text, and without the space that it
    /// [puts](Self::puts_space) there itself. Control symbols are written by their names, which are read as such.
    pub fn text(&self, ids: &[TokenId]) -> Vec<u8> {
        let begun = self.bos.is_some_and(|bos| ids.first() == Some(&bos));
        let mut text = Vec::new();
        for &id in &ids[usize::from(begun)..] {
            match self.vocabulary.symbol(id) {
                Symbol::Text { bytes, .. } => text.extend_from_slice(bytes),
                Symbol::Control { name } => text.extend_from_slice(name.as_bytes()),
                Symbol::Unused => {}
            }
        }
        if text.starts_with(b" ") && self.puts_space() {
            text.remove(0);
        }
        text
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

/// The id that an encoder puts in front of a text: what there is more with special tokens, before what there is without.
fn put_in_front(vocabulary: &Vocabulary, encoder: &impl TextEncoder) -> Option<TokenId> {
    // What the vocabulary has can be encoded.
    let texts = vocabulary.iter().filter_map(|(_, symbol)| match symbol {
        Symbol::Text { bytes, kind: TextKind::Piece } => std::str::from_utf8(bytes).ok(),
        _ => None,
    });
    texts.take(8).find_map(|text| {
        let (with, without) = (encoder.encode(text).ok()?, encoder.encode_without_special(text).ok()?);
        let (first, rest) = with.split_first()?;
        (!without.is_empty()).then(|| rest.starts_with(&without).then_some(*first))
    })?
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
    /// Prompts should begin with begin-of-text, and the checkpoint has none.
    #[error("prompts should begin with begin-of-text, but the tokenizer's files name no such token")]
    NoBeginOfText,
    /// Encoding failed.
    #[error("failed to encode text: {0}")]
    Encode(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Letters as ids, with what is put around them.
    struct Letters {
        before: Vec<u32>,
        after: Vec<u32>,
    }

    impl TextEncoder for Letters {
        fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            let text = self.encode_without_special(text)?;
            let around = |ids: &[u32]| ids.iter().map(|&id| TokenId(id)).collect::<Vec<_>>();
            Ok([around(&self.before), text, around(&self.after)].concat())
        }

        fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            Ok(text.replace("<s>", "\0").bytes().map(|byte| TokenId(u32::from(byte))).collect())
        }

        fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            self.encode_without_special(text)
        }
    }

    /// Letters as ids, where "b" is written as " b".
    struct Spaced(Letters);
    impl TextEncoder for Spaced {
        fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            self.0.encode(&format!(" {text}"))
        }
        fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            self.0.encode_without_special(&format!(" {text}"))
        }
        fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
            self.0.encode_inner(text)
        }
    }

    fn tokenizer(before: &[u32], after: &[u32]) -> Tokenizer {
        let mut symbols: Vec<Symbol> =
            (0..=255u8).map(|byte| Symbol::Text { bytes: [byte].into(), kind: TextKind::Piece }).collect();
        symbols[0] = Symbol::Control { name: "<s>".into() };
        Tokenizer::new(Vocabulary::new(symbols, []), Letters { before: before.to_vec(), after: after.to_vec() })
    }

    fn ids(tokenizer: &Tokenizer, text: &str) -> Vec<u32> {
        tokenizer.encode_prompt(text).unwrap().iter().map(|id| id.0).collect()
    }

    #[test]
    fn a_prompt_that_begins_with_begin_of_text_gets_no_second_one() {
        let begins = tokenizer(&[0], &[9]);
        assert_eq!(begins.bos(), Some(TokenId(0)));
        assert_eq!(ids(&begins, "b"), [0, 98, 9]);
        assert_eq!(ids(&begins, "<s>b"), [0, 98]);
        assert_eq!(ids(&begins, "b<s>"), [0, 98, 0, 9]);
        // What comes after a text is no begin-of-text.
        let ends = tokenizer(&[], &[0]);
        assert_eq!(ends.bos(), None);
        assert_eq!(ids(&ends, "<s>b"), [0, 98, 0]);
    }

    #[test]
    fn the_text_of_ids_is_what_is_read_as_them() {
        let begins = tokenizer(&[0], &[]);
        assert!(!begins.puts_space());
        assert_eq!(begins.text(&[0, 32, 98, 0].map(TokenId)), b" b<s>");
        let spaced = Spaced(Letters { before: vec![0], after: Vec::new() });
        let spaced = Tokenizer::new(begins.vocabulary().clone(), spaced);
        for text in ["b", " b", "", "b c"] {
            assert_eq!(spaced.text(&spaced.encode_prompt(text).unwrap()), text.as_bytes());
        }
    }

    #[test]
    fn begin_of_text_is_there_or_not_as_one_says() {
        let without = tokenizer(&[0], &[9]).with_add_bos(Some(false)).unwrap();
        assert_eq!(ids(&without, "b"), [98, 9]);
        assert_eq!(ids(&without, "<s>b"), [0, 98, 9]);
        assert_eq!(ids(&without, ""), [9]);
        let with = tokenizer(&[], &[]).with_bos(Some(TokenId(0))).with_add_bos(Some(true)).unwrap();
        assert_eq!(ids(&with, "b"), [0, 98]);
        assert_eq!(ids(&with, "<s>b"), [0, 98]);
        assert!(matches!(tokenizer(&[], &[]).with_add_bos(Some(true)), Err(TokenizerError::NoBeginOfText)));
    }
}
