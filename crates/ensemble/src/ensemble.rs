//! An ensemble: which models are its members, and their vocabularies joined.

use std::sync::Arc;

use gac_inference::{Limits, Tokenizer};

use crate::error::{EnsembleError, RequestError};
use crate::member::{Member, MemberId, ModelId};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{ControlSymbols, UnionId, UnionVocabulary};

/// Language models that can vote on every next token, in the union of their vocabularies.
///
/// A single model is an ensemble of one: nobody votes, and its own most probable token is taken as it is.
///
/// It never changes and is shared by all settings that its members are used with; the models themselves and what is
/// worked out about the vocabularies on the way belong to the [`Scheduler`](crate::Scheduler) that made it.
#[derive(Debug)]
pub struct Ensemble {
    /// Which of its scheduler's ensembles it is.
    pub(crate) index: usize,
    members: Vec<Seat>,
    union: Arc<UnionVocabulary>,
    pub(crate) controls: ControlSymbols,
}

/// What is known of a member without its model.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) model: ModelId,
    pub(crate) name: String,
    pub(crate) tokenizer: Arc<Tokenizer>,
    pub(crate) limits: Limits,
    /// Whether it computes elsewhere.
    pub(crate) remote: bool,
}

impl Seat {
    /// Of one of the `loaded` models.
    pub(crate) fn new(loaded: &[Member], model: ModelId) -> Self {
        let Member { name, model: computes, tokenizer } = &loaded[model.0];
        let (limits, remote) = (computes.limits(), computes.devices().is_empty());
        Self { model, name: name.clone(), tokenizer: Arc::clone(tokenizer), limits, remote }
    }
}

impl Ensemble {
    /// Joins the vocabularies of some of the `loaded` models.
    ///
    /// # Errors
    /// Without members.
    pub(crate) fn new(
        index: usize,
        loaded: &[Member],
        models: &[ModelId],
        controls: ControlSymbols,
    ) -> Result<Self, EnsembleError> {
        let members: Vec<Seat> = models.iter().map(|&model| Seat::new(loaded, model)).collect();
        if members.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let vocabularies: Vec<_> = members.iter().map(|member| member.tokenizer.vocabulary()).collect();
        let union = Arc::new(UnionVocabulary::with_control_symbols(&vocabularies, controls));
        Ok(Self { index, members, union, controls })
    }

    /// The members' names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }

    /// Which of the scheduler's models the members are, in order.
    pub fn models(&self) -> impl ExactSizeIterator<Item = ModelId> {
        self.members.iter().map(|member| member.model)
    }

    /// The members' tokenizers, in order.
    pub fn tokenizers(&self) -> impl ExactSizeIterator<Item = &Tokenizer> {
        self.members.iter().map(|member| &*member.tokenizer)
    }

    /// What the members can hold, in order.
    pub fn limits(&self) -> impl ExactSizeIterator<Item = Limits> {
        self.members.iter().map(|member| member.limits)
    }

    /// The union vocabulary.
    pub fn union(&self) -> &Arc<UnionVocabulary> {
        &self.union
    }

    /// A table of what each member is fed for a union token, to be filled in as it is used.
    pub(crate) fn segmentation(&self) -> Segmentation {
        let tokenizers: Vec<_> = self.members.iter().map(|member| Arc::clone(&member.tokenizer)).collect();
        Segmentation::new(Arc::clone(&self.union), &tokenizers)
    }

    pub(crate) fn members(&self) -> &[Seat] {
        &self.members
    }

    /// What `member` is fed for `token`.
    pub(crate) fn segment<'s>(
        &self,
        segmentation: &'s mut Segmentation,
        token: UnionId,
        member: usize,
    ) -> Result<&'s [gac_inference::TokenId], RequestError> {
        segmentation.segment(token, MemberId(member)).map_err(|error| RequestError::Unspellable {
            member: self.members[member].name.clone(),
            bytes: error.bytes,
        })
    }
}
