//! A scripted model and a plain tokenizer, for testing everything above inference without weights.

mod wrapped;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use crate::device::DeviceSpec;
use crate::device_list::DeviceList;
use crate::distribution::Distribution;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, LanguageModel, Limits, ModelError};
use crate::vocabulary::{Symbol, TextEncoder, TextKind, Tokenizer, TokenizerError, Vocabulary};

pub use wrapped::{Before, Listing, Otherwise, Wrapped};

/// A tokenizer over `pieces`: id `n` stands for `pieces[n]`, text is encoded by greedy longest match.
///
/// `"<0x61>"` is a byte; other `"<...>"` pieces of more than two characters are control symbols; those named in `ends` end a text.
pub fn tokenizer(pieces: &[&str], ends: &[&str]) -> Tokenizer {
    let symbols = pieces
        .iter()
        .map(|piece| {
            if let Some(byte) = crate::tokenizer::bytes::fallback_byte(piece) {
                Symbol::Text { bytes: [byte].into(), kind: TextKind::ByteFallback }
            } else if piece.len() > 2 && piece.starts_with('<') && piece.ends_with('>') {
                Symbol::Control { name: (*piece).into() }
            } else {
                Symbol::Text { bytes: piece.as_bytes().into(), kind: TextKind::Piece }
            }
        })
        .collect();
    let ends = pieces.iter().zip(0..).filter(|(piece, _)| ends.contains(piece)).map(|(_, id)| TokenId(id));
    let vocabulary = Vocabulary::new(symbols, ends);
    Tokenizer::new(vocabulary.clone(), LongestMatch { vocabulary })
}

/// Greedy longest match from the left over a vocabulary's text tokens.
pub struct LongestMatch {
    /// The text tokens to match.
    pub vocabulary: Vocabulary,
}

impl TextEncoder for LongestMatch {
    fn encode(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        self.encode_inner(text)
    }

    fn encode_without_special(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        self.encode_inner(text)
    }

    fn encode_inner(&self, text: &str) -> Result<Vec<TokenId>, TokenizerError> {
        let mut rest = text.as_bytes();
        let mut ids = Vec::new();
        while !rest.is_empty() {
            let (id, length) = self
                .vocabulary
                .iter()
                .filter_map(|(id, symbol)| match symbol {
                    Symbol::Text { bytes, .. } if rest.starts_with(bytes) => Some((id, bytes.len())),
                    _ => None,
                })
                .max_by_key(|&(id, length)| (length, std::cmp::Reverse(id)))
                .ok_or_else(|| TokenizerError::Encode(format!("no piece for {text:?}")))?;
            ids.push(id);
            rest = &rest[length..];
        }
        Ok(ids)
    }
}

/// Every call of `extend`: which sequence got which tokens.
pub type CallLog = Arc<Mutex<Vec<Vec<(SequenceId, Vec<TokenId>)>>>>;

type ScriptRule = Box<dyn Fn(&[TokenId]) -> Vec<(TokenId, f64)> + Send>;

/// A model whose next-token distribution is a function of the tokens so far.
///
/// Every call of `extend` is recorded (see [`ScriptedModel::log`]): which sequence got how many tokens.
pub struct ScriptedModel {
    limits: Limits,
    devices: DeviceList,
    rule: ScriptRule,
    sequences: HashMap<SequenceId, Vec<TokenId>>,
    next: u64,
    log: CallLog,
}

impl ScriptedModel {
    /// `rule` maps the tokens of a sequence to probabilities; what it does not name shares the remaining mass evenly.
    pub fn new(vocabulary: usize, rule: impl Fn(&[TokenId]) -> Vec<(TokenId, f64)> + Send + 'static) -> Self {
        Self {
            limits: Limits { vocabulary, context: 4096, cache: 1 << 20, sequences: usize::MAX },
            devices: DeviceList::default(),
            rule: Box::new(rule),
            sequences: HashMap::new(),
            next: 0,
            log: Arc::default(),
        }
    }

    /// The same model with other limits.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// The same model, said to compute on `devices`.
    #[must_use]
    pub fn on(mut self, devices: impl Into<DeviceList>) -> Self {
        self.devices = devices.into();
        self
    }

    /// A handle on the record of `extend` calls; stays readable after the model was moved into an ensemble.
    pub fn log(&self) -> CallLog {
        Arc::clone(&self.log)
    }

    fn distribution(&self, tokens: &[TokenId]) -> Distribution {
        let named = (self.rule)(tokens);
        let mass: f64 = named.iter().map(|(_, p)| p).sum();
        let others = self.limits.vocabulary.saturating_sub(named.len()).max(1);
        let rest = ((1.0 - mass).max(0.0) / others as f64).ln() as f32;
        let mut logits = vec![rest; self.limits.vocabulary];
        for (token, p) in named {
            logits[token.index()] = p.ln() as f32;
        }
        Distribution::dense(logits)
    }
}

impl LanguageModel for ScriptedModel {
    fn limits(&self) -> Limits {
        self.limits
    }

    fn devices(&self) -> &[DeviceSpec] {
        self.devices.as_slice()
    }

    fn open(&mut self, _prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        let id = SequenceId(self.next);
        self.next += 1;
        self.sequences.insert(id, Vec::new());
        Ok(id)
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let tokens = self.sequences.get(&sequence).ok_or(ModelError::UnknownSequence(sequence))?.clone();
        let id = self.open(&[])?;
        self.sequences.insert(id, tokens);
        Ok(id)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        let tokens = self.sequences.get_mut(&sequence).ok_or(ModelError::UnknownSequence(sequence))?;
        if length > tokens.len() {
            return Err(ModelError::TruncateBeyondEnd { length: tokens.len(), requested: length });
        }
        tokens.truncate(length);
        Ok(())
    }

    fn close(&mut self, sequence: SequenceId) {
        self.sequences.remove(&sequence);
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.sequences.get(&sequence).map_or(0, Vec::len)
    }

    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let held: usize = self.sequences.values().map(Vec::len).sum();
        let more: usize = batch.iter().map(|extension| extension.tokens.len()).sum();
        if held + more > self.limits.cache {
            return Err(ModelError::CacheFull { needed: more, free: self.limits.cache - held });
        }
        for extension in batch {
            let length = self.length(extension.sequence) + extension.tokens.len();
            if length > self.limits.context {
                return Err(ModelError::ContextFull { length, context: self.limits.context });
            }
        }
        let record = batch.iter().map(|extension| (extension.sequence, extension.tokens.to_vec())).collect();
        self.log.lock().expect("a test thread panicked").push(record);
        batch
            .iter()
            .map(|extension| {
                let tokens = self
                    .sequences
                    .get_mut(&extension.sequence)
                    .ok_or(ModelError::UnknownSequence(extension.sequence))?;
                let start = tokens.len();
                tokens.extend_from_slice(extension.tokens);
                let tokens = tokens.clone();
                let indices = extension.wanted.indices(extension.tokens.len());
                Ok(indices.into_iter().map(|index| self.distribution(&tokens[..=start + index])).collect())
            })
            .collect()
    }
}
