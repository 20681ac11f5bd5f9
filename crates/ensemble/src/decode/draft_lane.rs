//! A drafter without a vote, reading a sample.

use std::sync::Arc;

use gac_inference::{LanguageModel, ModelError, TokenId};

use crate::drafter::Drafter;
use crate::lanes::lane::Lane;
use crate::vocabulary::union::UnionId;

/// What a drafter reads of a sample: its prompt, then what was emitted, in its own ids.
#[derive(Debug)]
pub(crate) struct DraftLane {
    pub(crate) drafter: Arc<Drafter>,
    pub(crate) lane: Lane,
    /// Whether it could not spell something: it knows no more what was said.
    is_lost: bool,
}

impl DraftLane {
    pub(crate) fn new(drafter: Arc<Drafter>, prompt: Vec<TokenId>) -> Self {
        Self { drafter, lane: Lane::new(prompt), is_lost: false }
    }

    /// Whether it can be asked what comes next.
    pub(crate) fn can_go_on(&self) -> bool {
        !self.is_lost && !self.lane.overflows(self.drafter.seat.limits.context)
    }

    /// A token was emitted.
    pub(crate) fn push(&mut self, token: UnionId) {
        match self.drafter.spell(token) {
            Some(ids) if !self.is_lost => self.lane.push(&ids),
            _ => self.is_lost = true,
        }
    }

    /// Goes on behind what it proposes itself; whether it can.
    pub(crate) fn propose(&mut self, token: UnionId) -> bool {
        let ids = self.drafter.spell(token);
        let Some(ids) = ids.filter(|ids| self.lane.length() + ids.len() <= self.drafter.seat.limits.context) else {
            return false;
        };
        self.lane.propose(&ids);
        true
    }

    /// What it reads is of no use any more.
    pub(crate) fn forget(&mut self) {
        self.lane.forget_proposed();
        self.lane.want(Vec::new());
    }

    /// The same for a sample that parts from this one.
    pub(crate) fn fork(&self, model: &mut dyn LanguageModel) -> Result<Self, ModelError> {
        Ok(Self { drafter: Arc::clone(&self.drafter), lane: self.lane.fork(model)?, is_lost: self.is_lost })
    }
}
