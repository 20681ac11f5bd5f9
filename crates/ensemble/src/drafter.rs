//! A model without a vote, which proposes tokens to those that have one.

use std::borrow::Cow;
use std::sync::Arc;

use gac_inference::{ChatTemplate, Distribution, TokenId};

use crate::ensemble::{Ensemble, Seat};
use crate::vocabulary::segmentation::Speller;
use crate::vocabulary::union::{Projection, UnionId};
use crate::vote::sampling::Decoding;

/// A model that has no vote and proposes tokens ([`Proposer::Drafter`](crate::Proposer::Drafter)) to the members of an
/// ensemble: a small one of a member's family, say. It changes no answer. Made by
/// [`Scheduler::drafter`](crate::Scheduler::drafter).
#[derive(Debug)]
pub struct Drafter {
    pub(crate) seat: Seat,
    /// For the members' union tokens; what it has beside them it cannot propose.
    projection: Projection,
    speller: Speller,
    template: Option<ChatTemplate>,
    ensemble: Arc<Ensemble>,
}

impl Drafter {
    pub(crate) fn new(ensemble: Arc<Ensemble>, seat: Seat) -> Self {
        let projection = ensemble.union().project(seat.tokenizer.vocabulary());
        let speller = Speller::new(ensemble.union(), &projection, Arc::clone(&seat.tokenizer));
        Self { seat, projection, speller, template: None, ensemble }
    }

    /// Writes chats down by a template of its own; the first member's otherwise.
    #[must_use]
    pub fn with_template(self, template: ChatTemplate) -> Self {
        Self { template: Some(template), ..self }
    }

    pub(crate) fn template(&self) -> Option<&ChatTemplate> {
        self.template.as_ref()
    }

    /// Whether it proposes to the members of `ensemble`.
    pub(crate) fn is_of(&self, ensemble: &Arc<Ensemble>) -> bool {
        Arc::ptr_eq(&self.ensemble, ensemble)
    }

    /// What it is fed for a union token; none where it cannot spell it.
    pub(crate) fn spell(&self, token: UnionId) -> Option<Cow<'_, [TokenId]>> {
        self.speller.ids(self.ensemble.union(), token)
    }

    /// The union token that it proposes where it says `view`, and `draw` in 0 to 1 is what sampling goes by.
    pub(crate) fn proposes(&self, view: &Distribution, decoding: Decoding, draw: f64) -> Option<UnionId> {
        let key = |id| self.projection.key(id);
        let drawn = match decoding {
            Decoding::Greedy => None,
            Decoding::Sampled(sampling) => {
                let known: Vec<(TokenId, f64)> = view.known().filter(|(id, _)| key(*id).is_some()).collect();
                sampling.pick(known, draw)
            }
        };
        let (id, probability) = drawn.unwrap_or_else(|| view.top_where(|id| key(id).is_some()));
        key(id).filter(|_| probability > 0.0)
    }
}
