//! The language models that take part in ensembles.

use std::sync::Arc;

use gac_inference::{LanguageModel, Tokenizer};

/// A member's place in its ensemble, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub usize);

/// The place of a loaded model among those of a [`Scheduler`](crate::Scheduler), from 0. The same model may be a member
/// of several ensembles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ModelId(pub usize);

/// A loaded model with its tokenizer, ready to take part.
pub struct Member {
    /// What it is called in results and errors.
    pub name: String,
    /// What computes its next-token distributions.
    pub model: Box<dyn LanguageModel>,
    /// What its ids stand for, and how it encodes text.
    pub tokenizer: Arc<Tokenizer>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("name", &self.name).field("limits", &self.model.limits()).finish_non_exhaustive()
    }
}
