//! Generation: continuous batching of samples, with and without a gate.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use gac_inference::{Distribution, Extension, ModelError, TokenId, Wanted};

use crate::combine::top;
use crate::ensemble::Roles;
use crate::prompt::prompts;
use crate::sample::{Sample, State};
use crate::{
    BatchLimits, Ensemble, EnsembleError, Finish, Fused, Generation, GenerationRequest, MemberId, Step, UnionId,
};

impl Ensemble {
    /// Continues every request greedily. `finished` gets each generation as it ends, with the index of its request;
    /// breaking ends the call early.
    ///
    /// Samples enter and leave between steps, in the order of `requests`. A step is one forward per member over all
    /// samples that need it. Which samples are in flight together changes no output (but for what a model's own
    /// arithmetic makes of it). No sequence stays open, however the call ends.
    ///
    /// # Errors
    /// Before anything is done, when some request cannot be encoded or does not fit; later, when a member fails.
    pub fn generate(
        &mut self,
        requests: &[GenerationRequest],
        limits: BatchLimits,
        finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), EnsembleError> {
        let prompts = prompts(&self.members, requests)?;
        let waiting = prompts
            .into_iter()
            .zip(requests)
            .enumerate()
            .map(|(index, (prompts, request))| Sample::new(index, request.max_new_tokens, prompts))
            .collect();
        let roles = self.roles();
        let mut decoder = Decoder {
            ensemble: self,
            roles,
            requests,
            max_samples: limits.max_samples.max(1),
            waiting,
            active: Vec::new(),
            crowded: false,
        };
        loop {
            decoder.admit();
            if decoder.active.is_empty() {
                return Ok(());
            }
            decoder.step()?;
            if decoder.leave(finished).is_break() {
                return Ok(());
            }
        }
    }
}

/// The samples of one call.
struct Decoder<'e> {
    ensemble: &'e mut Ensemble,
    roles: Roles,
    requests: &'e [GenerationRequest],
    max_samples: usize,
    /// Samples without sequences, in the order in which they enter.
    waiting: VecDeque<Sample>,
    /// Samples in flight, the one that entered first first.
    active: Vec<Sample>,
    /// Whether a sample had to make room and none has left since: nobody enters.
    crowded: bool,
}

/// What a sample emits at a step.
struct Winner {
    token: UnionId,
    probability: f64,
    /// The member that decided alone, and its own id; none where the members voted.
    alone: Option<(MemberId, TokenId)>,
}

/// One member's distributions, by place of the sample in `active`.
type Views = Vec<Option<Distribution>>;

impl Decoder<'_> {
    /// Lets samples in while there is room for all that they may come to hold; always one when there is none.
    fn admit(&mut self) {
        while let Some(next) = self.waiting.front() {
            let fits = || {
                self.ensemble.members.iter().enumerate().all(|(member, m)| {
                    let held =
                        self.active.iter().fold(next.reserved(member), |sum, s| sum.saturating_add(s.reserved(member)));
                    held <= m.model.limits().cache
                })
            };
            let admitted = self.active.is_empty() || (!self.crowded && self.active.len() < self.max_samples && fits());
            if !admitted {
                break;
            }
            self.active.extend(self.waiting.pop_front().map(|mut sample| {
                sample.admit();
                sample
            }));
        }
    }

    /// Takes out samples that are done or had to make room.
    fn leave(&mut self, finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let mut preempted = Vec::new();
        for mut sample in std::mem::take(&mut self.active) {
            match sample.state {
                State::Running => self.active.push(sample),
                State::Preempted => preempted.push(sample),
                State::Finished(finish) => {
                    sample.close(&mut self.ensemble.members);
                    self.crowded = false;
                    if flow.is_continue() {
                        flow = finished(sample.request, sample.into_generation(finish));
                    }
                }
            }
        }
        for sample in preempted.into_iter().rev() {
            self.waiting.push_front(sample);
        }
        flow
    }

    /// Every active sample emits one token, unless it has to make room or its context is full.
    fn step(&mut self) -> Result<(), EnsembleError> {
        let members = self.ensemble.members.len();
        let mut views: Vec<Views> = (0..members).map(|_| Views::new()).collect();
        let running = self.running(|_| true);
        for lead in self.roles.leads.clone() {
            views[lead] = self.consult(lead, running.clone())?;
        }
        let mut winners: Vec<Option<Winner>> = Vec::with_capacity(self.active.len());
        for place in 0..self.active.len() {
            winners.push(self.decide_alone(place, &views)?);
        }
        if !self.roles.supporters.is_empty() {
            let supporters = self.roles.supporters.clone();
            for &place in &self.running(|place| winners[place].is_none()) {
                self.end_where_context_is_full(place, &supporters);
            }
            for supporter in supporters {
                let at_key_token = self.running(|place| winners[place].is_none());
                views[supporter] = self.consult(supporter, at_key_token)?;
            }
        }
        for place in self.running(|_| true) {
            let winner = match winners[place].take() {
                Some(winner) => winner,
                None => self.vote(place, &views)?,
            };
            self.emit(place, &winner)?;
        }
        Ok(())
    }

    /// Places of the samples that still want a token at this step.
    fn running(&self, and: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.active.len()).filter(|&place| self.active[place].state == State::Running && and(place)).collect()
    }

    /// `member`'s next-token distributions for the samples at `places`, in one forward, each with all it owes.
    fn consult(&mut self, member: usize, mut places: Vec<usize>) -> Result<Views, EnsembleError> {
        loop {
            places.retain(|&place| self.active[place].state == State::Running);
            match self.extend(member, &places) {
                Ok(views) => return Ok(views),
                Err(ModelError::CacheFull { .. }) => self.make_room(member, &places)?,
                Err(source) => return Err(self.ensemble.failed(member, source)),
            }
        }
    }

    fn extend(&mut self, member: usize, places: &[usize]) -> Result<Views, ModelError> {
        let mut views: Views = self.active.iter().map(|_| None).collect();
        if places.is_empty() {
            return Ok(views);
        }
        let model = &mut *self.ensemble.members[member].model;
        let mut held = Vec::with_capacity(places.len());
        for &place in places {
            held.push(self.active[place].lanes[member].ready(model)?);
        }
        let batch: Vec<_> = places
            .iter()
            .zip(held)
            .map(|(&place, (sequence, held))| Extension {
                sequence,
                tokens: &self.active[place].lanes[member].tokens[held..],
                wanted: Wanted::Last,
            })
            .collect();
        let distributions = model.extend(&batch)?;
        for (&place, mut distributions) in places.iter().zip(distributions) {
            views[place] = distributions.pop();
        }
        if places.iter().any(|&place| views[place].is_none()) {
            return Err(ModelError::Backend(String::from("fewer distributions than were asked for")));
        }
        Ok(views)
    }

    /// The youngest sample that `member` holds gives up its sequences everywhere. It keeps what it has emitted and is
    /// the next to enter.
    fn make_room(&mut self, member: usize, places: &[usize]) -> Result<(), EnsembleError> {
        let holding =
            self.running(|place| self.active[place].lanes[member].sequence.is_some() || places.contains(&place));
        match holding[..] {
            [] | [_] => {
                let place = holding.first().or(places.first()).copied().unwrap_or(0);
                let sample = &self.active[place];
                Err(EnsembleError::CacheTooSmall {
                    member: self.ensemble.members[member].name.clone(),
                    request: sample.request,
                    tokens: sample.lanes[member].tokens.len(),
                    cache: self.ensemble.members[member].model.limits().cache,
                })
            }
            [.., youngest] => {
                tracing::debug!(
                    member,
                    request = self.active[youngest].request,
                    "the cache is full: a sample makes room"
                );
                self.active[youngest].close(&mut self.ensemble.members);
                self.active[youngest].state = State::Preempted;
                self.crowded = true;
                Ok(())
            }
        }
    }

    /// The token of the only member, or of a gate that is sure of it; none where the members vote.
    fn decide_alone(&self, place: usize, views: &[Views]) -> Result<Option<Winner>, EnsembleError> {
        let Some(member) = self.roles.alone else { return Ok(None) };
        if self.active[place].state != State::Running {
            return Ok(None);
        }
        let Some(distribution) = views[member.0].get(place).and_then(Option::as_ref) else { return Ok(None) };
        let (id, probability) = top(&self.ensemble.union, member, distribution);
        let Some(token) = self.ensemble.union.projection(member).key(id).filter(|_| probability > 0.0) else {
            return Err(self.ensemble.no_probabilities(member.0));
        };
        if !self.roles.supporters.is_empty() && self.ensemble.gating.votes(probability) {
            return Ok(None);
        }
        Ok(Some(Winner { token, probability, alone: Some((member, id)) }))
    }

    /// The winner of all members' votes.
    fn vote(&self, place: usize, views: &[Views]) -> Result<Winner, EnsembleError> {
        let distributions: Vec<&Distribution> = views.iter().filter_map(|views| views.get(place)?.as_ref()).collect();
        let fused = Fused::new(&self.ensemble.union, &self.ensemble.weights, &distributions);
        let (token, probability) =
            fused.winner().ok_or_else(|| self.ensemble.who_gave_no_probabilities(&distributions))?;
        Ok(Winner { token, probability, alone: None })
    }

    /// Appends `winner` to a sample: its bytes, and what each member is to be fed for it.
    fn emit(&mut self, place: usize, winner: &Winner) -> Result<(), EnsembleError> {
        let Self { ensemble, active, requests, .. } = self;
        let sample = &mut active[place];
        let end = ensemble.union.end() == Some(winner.token);
        if !end {
            for (member, lane) in sample.lanes.iter_mut().enumerate() {
                match winner.alone {
                    Some((alone, id)) if alone.0 == member => lane.tokens.push(id),
                    _ => {
                        let ids = ensemble.segmentation.segment(winner.token, MemberId(member)).map_err(|error| {
                            EnsembleError::Unspellable {
                                member: ensemble.members[member].name.clone(),
                                bytes: error.bytes,
                            }
                        })?;
                        lane.tokens.extend_from_slice(ids);
                    }
                }
            }
        }
        let step = Step {
            bytes: ensemble.union.bytes(winner.token).to_vec(),
            end,
            ensembled: winner.alone.is_none(),
            probability: winner.probability,
        };
        sample.emit(step, &requests[sample.request]);
        self.end_where_context_is_full(place, &self.roles.leads.clone());
        Ok(())
    }

    /// Ends a sample for which one of `members`, about to be asked, has no room.
    fn end_where_context_is_full(&mut self, place: usize, members: &[usize]) {
        let sample = &mut self.active[place];
        let full =
            |&member: &usize| sample.lanes[member].tokens.len() > self.ensemble.members[member].model.limits().context;
        if sample.state == State::Running && members.iter().any(full) {
            sample.state = State::Finished(Finish::Context);
            sample.close(&mut self.ensemble.members);
        }
    }
}

impl Drop for Decoder<'_> {
    /// However the call ends, no sequence stays open.
    fn drop(&mut self) {
        for sample in &mut self.active {
            sample.close(&mut self.ensemble.members);
        }
    }
}

impl Ensemble {
    pub(crate) fn failed(&self, member: usize, source: ModelError) -> EnsembleError {
        EnsembleError::Model { member: self.members[member].name.clone(), source }
    }

    pub(crate) fn no_probabilities(&self, member: usize) -> EnsembleError {
        EnsembleError::NoProbabilities { member: self.members[member].name.clone() }
    }

    /// The error for distributions without a winner.
    pub(crate) fn who_gave_no_probabilities(&self, distributions: &[&Distribution]) -> EnsembleError {
        let unusable = |&(member, distribution): &(usize, &&Distribution)| {
            let p = top(&self.union, MemberId(member), distribution).1;
            p.is_nan() || p <= 0.0
        };
        self.no_probabilities(distributions.iter().enumerate().find(unusable).map_or(0, |(member, _)| member))
    }
}
