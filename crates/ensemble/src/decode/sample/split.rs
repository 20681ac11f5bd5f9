//! A sample of several rules that part: some go on as a sample of their own.

use std::sync::Arc;

use super::{Sample, SamplePhase};
use crate::decode::branch::RuleBranch;
use crate::error::Trouble;
use crate::lanes::lane::Lane;
use crate::member::Member;

impl Sample {
    /// The branches at the places where `leave` is true go on as a sample of their own, with sequences that share what
    /// was computed. Some branch has to leave and some has to stay. What members said stays here.
    ///
    /// # Errors
    /// When a sequence cannot be forked; the sample is then unchanged, and no sequence stays open for the other.
    pub(crate) fn split(&mut self, leave: &[bool], models: &mut [Member]) -> Result<Self, Trouble> {
        let mut lanes: Vec<Lane> = Vec::with_capacity(self.lanes.len());
        for (member, lane) in self.lanes.iter().enumerate() {
            match lane.fork(self.model(member, models)) {
                Ok(fork) => lanes.push(fork),
                Err(source) => {
                    for (member, lane) in lanes.iter_mut().enumerate() {
                        lane.close(&mut *models[self.settings.ensemble().members()[member].model.0].model);
                    }
                    return Err(Trouble::Model(self.settings.ensemble().members()[member].model.0, source));
                }
            }
        }
        let drafter = self.drafter.as_ref().map(|drafting| {
            let model = drafting.drafter.seat.model.0;
            // Without room for it, the other part goes on without drafts.
            drafting.fork(&mut *models[model].model).ok()
        });
        let (leaving, staying): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.branches).into_iter().zip(leave).partition(|(_, leave)| **leave);
        let branches = |parts: Vec<(RuleBranch, _)>| parts.into_iter().map(|(branch, _)| branch).collect();
        self.branches = branches(staying);
        Ok(Self {
            request: self.request,
            settings: Arc::clone(&self.settings),
            phase: SamplePhase::Leading,
            lanes,
            drafter: drafter.flatten(),
            told: self.told.clone(),
            branches: branches(leaving),
            drafts: Vec::new(),
            ahead: self.ahead,
            guesses: self.guesses.clone(),
            emitted: self.emitted,
            text: self.text.clone(),
            asks: self.asks,
            decoding: self.decoding,
            seed: self.seed,
            weights: self.weights.clone(),
            max_new_tokens: self.max_new_tokens,
            trace: self.trace,
            log_probs: self.log_probs.clone(),
            admitted: self.admitted,
        })
    }

    fn model<'m>(&self, member: usize, models: &'m mut [Member]) -> &'m mut dyn gac_inference::LanguageModel {
        &mut *models[self.settings.ensemble().members()[member].model.0].model
    }
}
