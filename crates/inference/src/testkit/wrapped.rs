//! Models around another model, which do some things otherwise.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::ask::{Ask, Detail};
use crate::device::DeviceSpec;
use crate::distribution::Distribution;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, LanguageModel, Limits, ModelError, Wanted};

/// What a [`Wrapped`] model does otherwise than the one inside: what is not said here is that one's.
#[expect(missing_docs, clippy::missing_errors_doc, reason = "as in `LanguageModel`")]
pub trait Otherwise: Send {
    /// Whether it is said to compute on a server.
    fn is_remote(&self) -> bool {
        false
    }

    fn open(&mut self, inner: &mut dyn LanguageModel, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        inner.open(prompt)
    }

    fn fork(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        inner.fork(sequence)
    }

    fn truncate(
        &mut self,
        inner: &mut dyn LanguageModel,
        sequence: SequenceId,
        length: usize,
    ) -> Result<(), ModelError> {
        inner.truncate(sequence, length)
    }

    fn close(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) {
        inner.close(sequence);
    }

    fn extend(
        &mut self,
        inner: &mut dyn LanguageModel,
        batch: &[Extension<'_>],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        inner.extend(batch)
    }

    fn ask(&mut self, inner: &mut dyn LanguageModel, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        inner.ask(asks)
    }
}

/// A model around another.
pub struct Wrapped<O> {
    /// The model inside.
    pub inner: Box<dyn LanguageModel>,
    /// What is done otherwise.
    pub otherwise: O,
}

impl<O: Otherwise> LanguageModel for Wrapped<O> {
    fn limits(&self) -> Limits {
        self.inner.limits()
    }

    fn devices(&self) -> &[DeviceSpec] {
        if self.otherwise.is_remote() { &[] } else { self.inner.devices() }
    }

    fn open(&mut self, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        self.otherwise.open(&mut *self.inner, prompt)
    }

    fn announce(&mut self, sequence: SequenceId, length: usize) {
        self.inner.announce(sequence, length);
    }

    fn turns_alike(&self, length: usize, other: usize) -> bool {
        self.inner.turns_alike(length, other)
    }

    fn expect(&mut self, sequence: SequenceId, length: usize, continuations: &[Vec<TokenId>]) {
        self.inner.expect(sequence, length, continuations);
    }

    fn expect_greedy(&mut self, sequence: SequenceId, from: usize, to: usize) {
        self.inner.expect_greedy(sequence, from, to);
    }

    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        self.otherwise.fork(&mut *self.inner, sequence)
    }

    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError> {
        self.otherwise.truncate(&mut *self.inner, sequence, length)
    }

    fn close(&mut self, sequence: SequenceId) {
        self.otherwise.close(&mut *self.inner, sequence);
    }

    fn forget(&mut self) {
        self.inner.forget();
    }

    fn length(&self, sequence: SequenceId) -> usize {
        self.inner.length(sequence)
    }

    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError> {
        self.otherwise.extend(&mut *self.inner, batch)
    }

    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        self.otherwise.ask(&mut *self.inner, asks)
    }
}

/// What is done before each forward, with the model and the batch: it is counted, delayed or refused.
type Hook = Box<dyn FnMut(&dyn LanguageModel, &[Extension<'_>]) -> Result<(), ModelError> + Send>;

/// Does something before each forward.
pub struct Before(Hook);

impl Before {
    /// `inner`, with `hook` before each forward; its error is the forward's.
    pub fn each(
        inner: Box<dyn LanguageModel>,
        hook: impl FnMut(&dyn LanguageModel, &[Extension<'_>]) -> Result<(), ModelError> + Send + 'static,
    ) -> Wrapped<Self> {
        Wrapped { inner, otherwise: Self(Box::new(hook)) }
    }
}

impl Otherwise for Before {
    fn extend(
        &mut self,
        inner: &mut dyn LanguageModel,
        batch: &[Extension<'_>],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        (self.0)(inner, batch)?;
        inner.extend(batch)
    }
}

/// Lists the `k` most probable tokens and no more, as servers do, until it is asked. Of a sequence that has not given what
/// it is asked about, a token is read again.
pub struct Listing {
    k: usize,
    /// What the inner model gave, by sequence and length.
    given: HashMap<(SequenceId, usize), Distribution>,
    /// What each sequence holds.
    held: HashMap<SequenceId, Vec<TokenId>>,
    asks: Arc<AtomicUsize>,
}

impl Listing {
    /// Lists the `k` most probable tokens of what `inner` gives.
    pub fn of(inner: Box<dyn LanguageModel>, k: usize) -> Wrapped<Self> {
        Wrapped { inner, otherwise: Self { k, given: HashMap::new(), held: HashMap::new(), asks: Arc::default() } }
    }

    /// A handle on the number of times that more was asked.
    pub fn asks(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.asks)
    }

    /// What `sequence` said after `length` of its tokens, by a fork that reads the last of them again.
    fn again(
        &self,
        inner: &mut dyn LanguageModel,
        sequence: SequenceId,
        length: usize,
    ) -> Result<Distribution, ModelError> {
        let held = self.held.get(&sequence).and_then(|held| held.get(..length)).unwrap_or_default();
        let (Some(last), Some(before)) = (held.last_chunk::<1>(), length.checked_sub(1)) else {
            return Err(ModelError::UnknownSequence(sequence));
        };
        let fork = inner.fork(sequence)?;
        let extension = Extension { sequence: fork, tokens: last, wanted: Wanted::Last };
        let given = inner.truncate(fork, before).and_then(|()| inner.extend(&[extension]));
        inner.close(fork);
        given?.into_iter().flatten().next().ok_or(ModelError::UnknownSequence(sequence))
    }
}

impl Otherwise for Listing {
    fn open(&mut self, inner: &mut dyn LanguageModel, prompt: &[TokenId]) -> Result<SequenceId, ModelError> {
        let sequence = inner.open(prompt)?;
        self.held.insert(sequence, prompt[..inner.length(sequence)].to_vec());
        Ok(sequence)
    }

    fn fork(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) -> Result<SequenceId, ModelError> {
        let fork = inner.fork(sequence)?;
        self.held.insert(fork, self.held.get(&sequence).cloned().unwrap_or_default());
        Ok(fork)
    }

    fn truncate(
        &mut self,
        inner: &mut dyn LanguageModel,
        sequence: SequenceId,
        length: usize,
    ) -> Result<(), ModelError> {
        inner.truncate(sequence, length)?;
        self.given.retain(|(of, after), _| *of != sequence || *after <= length);
        if let Some(held) = self.held.get_mut(&sequence) {
            held.truncate(length);
        }
        Ok(())
    }

    fn close(&mut self, inner: &mut dyn LanguageModel, sequence: SequenceId) {
        self.given.retain(|(of, _), _| *of != sequence);
        self.held.remove(&sequence);
        inner.close(sequence);
    }

    fn extend(
        &mut self,
        inner: &mut dyn LanguageModel,
        batch: &[Extension<'_>],
    ) -> Result<Vec<Vec<Distribution>>, ModelError> {
        let starts: Vec<usize> = batch.iter().map(|extension| inner.length(extension.sequence)).collect();
        let all = inner.extend(batch)?;
        let mut lists = Vec::with_capacity(all.len());
        for ((extension, start), complete) in batch.iter().zip(starts).zip(all) {
            self.held.entry(extension.sequence).or_default().extend_from_slice(extension.tokens);
            let indices = extension.wanted.indices(extension.tokens.len());
            let mut of_extension = Vec::with_capacity(complete.len());
            for (index, complete) in indices.into_iter().zip(complete) {
                of_extension.push(Distribution::listed(complete.rows(), &complete.tell(Detail::Top(self.k))));
                self.given.insert((extension.sequence, start + index + 1), complete);
            }
            lists.push(of_extension);
        }
        Ok(lists)
    }

    fn ask(&mut self, inner: &mut dyn LanguageModel, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        self.asks.fetch_add(asks.len(), Ordering::Relaxed);
        for &Ask { sequence, length, .. } in asks {
            if !self.given.contains_key(&(sequence, length)) {
                let again = self.again(inner, sequence, length)?;
                self.given.insert((sequence, length), again);
            }
        }
        Ok(asks.iter().map(|ask| self.given[&(ask.sequence, ask.length)].tell(ask.detail)).collect())
    }
}
