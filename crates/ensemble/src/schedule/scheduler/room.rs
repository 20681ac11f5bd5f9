//! Who has room: what enters, what is shared out, and who gives way.

use gac_inference::ModelError;

use super::Scheduler;
use crate::error::{EnsembleError, RequestError};
use crate::member::Member;
use crate::schedule::in_flight::InFlight;

/// Most distributions at once of contexts and continuations that are read for many of them: each may be 150,000 numbers.
const MOST_DISTRIBUTIONS: usize = 256;

impl Scheduler {
    /// Lets in what there is room for: for what it holds and a little ahead; always one when there is none.
    pub(super) fn admit(&mut self, max_samples: usize) {
        while let Some(next) = self.waiting.front() {
            let group = self.active.iter().position(|item| item.takes(next, &self.models));
            let busy = self.active.iter().any(|item| item.weight() > 0);
            if busy && (self.crowded || !self.has_room(next, group, max_samples)) {
                break;
            }
            let Some(mut next) = self.waiting.pop_front() else { break };
            if let Some(group) = group {
                self.active[group].join(next);
            } else {
                next.admit();
                self.active.push(next);
            }
        }
        self.tell_groups();
    }

    /// Whether there is room for `next`, which joins what is in flight at `group`.
    fn has_room(&self, next: &InFlight, group: Option<usize>, max_samples: usize) -> bool {
        let models = || next.settings().ensemble().models();
        let kept = models().map(|model| self.models[model.0].model.limits().sequences).min().unwrap_or(usize::MAX);
        // A group reads its context once, however many continuations it has.
        let most = max_samples.min(if next.is_scored() { MOST_DISTRIBUTIONS } else { kept });
        let weight: usize = self.active.iter().map(InFlight::weight).sum();
        let more = group.map_or(next.weight(), |group| self.active[group].more_weight(next));
        let fits = |model: usize| {
            let held: usize = self.active.iter().map(|item| item.reserved_at(model)).sum();
            held.saturating_add(next.reserved_at(model)) <= self.models[model].model.limits().cache
        };
        weight + more <= most && models().all(|model| fits(model.0))
    }

    /// Tells the groups in flight whether there is more for them.
    pub(super) fn tell_groups(&mut self) {
        let next = self.waiting.front();
        for item in &mut self.active {
            let more = next.is_some_and(|next| item.takes(next, &self.models));
            item.expect(more);
        }
    }

    /// Shares out the distributions of contexts and continuations, to what entered first first.
    pub(super) fn plan(&mut self) {
        let promised: usize = self.active.iter().map(InFlight::promised).sum();
        let mut room = MOST_DISTRIBUTIONS.saturating_sub(promised);
        for item in &mut self.active {
            let before = item.promised();
            item.plan(room);
            room -= item.promised().saturating_sub(before).min(room);
        }
    }

    /// The youngest that `model` holds or is to hold gives up its sequences everywhere. It keeps what it has come to, and
    /// is the next to enter.
    pub(super) fn make_room(&mut self, model: usize) -> Result<(), EnsembleError> {
        let holding: Vec<usize> = (0..self.active.len()).filter(|&at| self.active[at].is_at(model)).collect();
        let mut forgotten = false;
        for &at in &holding {
            forgotten |= self.active[at].forget_guesses();
        }
        match holding[..] {
            _ if forgotten => Ok(()),
            [] => Err(self.gone(model, ModelError::CacheFull { needed: 1, free: 0 })),
            [only] => {
                if !self.active[only].narrow(&mut self.models) {
                    let tokens = self.active[only].size_at(model);
                    for request in self.active[only].requests() {
                        let Member { name, model, .. } = &self.models[model];
                        let (member, cache) = (name.clone(), model.limits().cache);
                        self.fail(request, RequestError::CacheTooSmall { member, tokens, cache });
                    }
                }
                Ok(())
            }
            [.., youngest] => {
                let mut item = self.active.remove(youngest);
                tracing::debug!(model, requests = ?item.requests(), "the cache is full: the youngest makes room");
                item.give_way(&mut self.models);
                self.waiting.push_front(item);
                self.crowded = true;
                Ok(())
            }
        }
    }
}
