//! Generation: continuous batching of samples, under one rule of gating or under many at once.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use gac_inference::{Distribution, Extension, ModelError, SequenceId, Wanted};

use crate::ensemble::Roles;
use crate::own::top;
use crate::prompt::prompts;
use crate::sample::{Sample, State};
use crate::thinking::PromptEnd;
use crate::together::{at_once, waves};
use crate::{
    BatchLimits, Decoding, Ensemble, EnsembleError, Gating, Generation, GenerationRequest, MemberId, Threshold,
};

impl Ensemble {
    /// Continues every request. `finished` gets each generation as it ends, with the index of its request; breaking
    /// ends the call early.
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
        let rules = vec![self.gating];
        self.decode(requests, rules, limits, &mut |request, _, generation| finished(request, generation))
    }

    /// Continues every request under each of `thresholds` in place of the gate's own, all together: `finished` gets
    /// each generation with the indices of its request and of its threshold.
    ///
    /// Per request, the thresholds form a tree: those that have emitted the same so far are one sample. Where a step's
    /// certainty divides them and the vote's winner is another token than the gate's, the sample forks, and both sides
    /// share what was computed before. The other members are asked once where any threshold of a sample wants a vote.
    /// Each generation is, token for token, what [`generate`](Self::generate) gives at its threshold.
    ///
    /// # Errors
    /// As [`generate`](Self::generate), and without a gate.
    pub fn sweep(
        &mut self,
        requests: &[GenerationRequest],
        thresholds: &[Threshold],
        limits: BatchLimits,
        finished: &mut dyn FnMut(usize, usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), EnsembleError> {
        let Gating::KeyTokens { gate, certainty, .. } = self.gating else {
            return Err(EnsembleError::SweepWithoutGate);
        };
        let rules = thresholds.iter().map(|&threshold| Gating::KeyTokens { gate, certainty, threshold }).collect();
        self.decode(requests, rules, limits, finished)
    }

    /// Continues every request under every rule. Rules have the same lead and the same certainty.
    fn decode(
        &mut self,
        requests: &[GenerationRequest],
        rules: Vec<Gating>,
        limits: BatchLimits,
        finished: &mut dyn FnMut(usize, usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), EnsembleError> {
        let Some(&first) = rules.first() else { return Ok(()) };
        let prompts = prompts(&self.members, self.chat.as_ref(), &self.thinking, requests)?;
        let waiting = prompts
            .into_iter()
            .zip(requests)
            .enumerate()
            .map(|(index, (prompts, request))| {
                let ends: Vec<PromptEnd> = prompts.iter().map(|prompt| prompt.end).collect();
                let mut sample = Sample::new(index, request.max_new_tokens, prompts, rules.len());
                sample.decoding = request.decoding.unwrap_or(self.decoding);
                if let Decoding::Sampled(sampling) = sample.decoding {
                    sample.seed = sampling.seed_of(&request.prompt.last_words());
                }
                sample.thought = self.thinking.start(&ends);
                sample
            })
            .collect();
        let roles = self.roles(first);
        let mut decoder = Decoder {
            ensemble: self,
            roles,
            rules,
            requests,
            max_samples: limits.max_samples.max(1),
            waiting,
            active: Vec::new(),
            crowded: false,
        };
        loop {
            decoder.admit()?;
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
pub(crate) struct Decoder<'e> {
    pub(crate) ensemble: &'e mut Ensemble,
    pub(crate) roles: Roles,
    /// When the members vote, by rule.
    pub(crate) rules: Vec<Gating>,
    pub(crate) requests: &'e [GenerationRequest],
    max_samples: usize,
    /// Samples without sequences, in the order in which they enter.
    waiting: VecDeque<Sample>,
    /// Samples in flight, the one that entered first first.
    pub(crate) active: Vec<Sample>,
    /// Whether a sample had to make room and none has left since: nobody enters.
    crowded: bool,
}

/// One member's distributions, by place of the sample in `active`.
pub(crate) type Views = Vec<Option<Distribution>>;

impl Decoder<'_> {
    /// Lets samples in while there is room for all that they may come to hold; always one when there is none.
    fn admit(&mut self) -> Result<(), EnsembleError> {
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
            let Some(mut sample) = self.waiting.pop_front() else { break };
            if sample.weights.is_none() && !sample.is_full() {
                let prompt: Vec<_> = sample.lanes.iter().map(|lane| &lane.tokens[..lane.prompt]).collect();
                match self.ensemble.prompt_weights(&prompt) {
                    Ok(weights) => sample.weights = weights,
                    // There will be room when some sample has left.
                    Err(EnsembleError::Model { source: ModelError::CacheFull { .. }, .. })
                        if !self.active.is_empty() =>
                    {
                        self.waiting.push_front(sample);
                        break;
                    }
                    Err(error) => return Err(error),
                }
            }
            sample.admit();
            self.active.push(sample);
        }
        Ok(())
    }

    /// Takes out samples that are done or had to make room.
    fn leave(&mut self, finished: &mut dyn FnMut(usize, usize, Generation) -> ControlFlow<()>) -> ControlFlow<()> {
        let mut flow = ControlFlow::Continue(());
        let mut preempted = Vec::new();
        for mut sample in std::mem::take(&mut self.active) {
            match sample.state {
                State::Running => self.active.push(sample),
                State::Preempted => preempted.push(sample),
                State::Finished(finish) => {
                    sample.close(&mut self.ensemble.members);
                    self.crowded = false;
                    let request = sample.request;
                    for (rule, generation) in sample.into_generations(finish, &self.roles.leads) {
                        if flow.is_continue() {
                            flow = finished(request, rule, generation);
                        }
                    }
                }
            }
        }
        for sample in preempted.into_iter().rev() {
            self.waiting.push_front(sample);
        }
        flow
    }

    /// Places of the samples that still want a token at this step.
    pub(crate) fn running(&self, and: impl Fn(usize) -> bool) -> Vec<usize> {
        (0..self.active.len()).filter(|&place| self.active[place].state == State::Running && and(place)).collect()
    }

    /// Puts the next-token distributions of `asked`, places of members, for the samples at `places` into `views`: one
    /// forward each, with all it owes. Members on different devices run theirs at the same time.
    pub(crate) fn consult(
        &mut self,
        asked: &[usize],
        places: &[usize],
        views: &mut [Views],
    ) -> Result<(), EnsembleError> {
        for mut wave in waves(&self.ensemble.members, asked) {
            while !wave.is_empty() {
                let places: Vec<usize> =
                    places.iter().copied().filter(|&place| self.active[place].state == State::Running).collect();
                let mut full = Vec::new();
                for (member, result) in wave.iter().copied().zip(self.extend(&wave, &places)) {
                    match result {
                        Ok(of_member) => views[member] = of_member,
                        Err(ModelError::CacheFull { .. }) => full.push(member),
                        Err(source) => return Err(self.ensemble.failed(member, source)),
                    }
                }
                // What one gives up makes room at the others too.
                if let Some(&member) = full.first() {
                    self.make_room(member, &places)?;
                }
                wave = full;
            }
        }
        Ok(())
    }

    /// One forward of each member of a wave over the samples at `places`; by member, in order.
    fn extend(&mut self, wave: &[usize], places: &[usize]) -> Vec<Result<Views, ModelError>> {
        let Self { ensemble, active, .. } = self;
        if places.is_empty() {
            return wave.iter().map(|_| Ok(active.iter().map(|_| None).collect())).collect();
        }
        let mut ready = Vec::with_capacity(wave.len());
        for &member in wave {
            let model = &mut *ensemble.members[member].model;
            let held = places.iter().map(|&place| active[place].lanes[member].ready(model));
            ready.push(held.collect::<Result<Vec<_>, _>>());
        }
        let active = &*active;
        let batch = |member: usize, held: Vec<(SequenceId, usize)>| -> Vec<Extension<'_>> {
            let owed = |(&place, (sequence, held)): (&usize, (SequenceId, usize))| Extension {
                sequence,
                tokens: &active[place].lanes[member].tokens[held..],
                wanted: Wanted::Last,
            };
            places.iter().zip(held).map(owed).collect()
        };
        let jobs = wave.iter().zip(ready).map(|(&member, held)| (member, held.map(|held| batch(member, held))));
        let results = at_once(&mut ensemble.members, jobs.collect(), |model, batch| model.extend(&batch?));
        let by_place = |distributions: Vec<Vec<Distribution>>| {
            let mut views: Views = active.iter().map(|_| None).collect();
            for (&place, mut distributions) in places.iter().zip(distributions) {
                views[place] = distributions.pop();
            }
            if places.iter().any(|&place| views[place].is_none()) {
                return Err(ModelError::Backend(String::from("fewer distributions than were asked for")));
            }
            Ok(views)
        };
        results.into_iter().map(|result| result.and_then(by_place)).collect()
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
