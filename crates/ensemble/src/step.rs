//! One step of all samples in flight: who is asked, what is emitted, where a sample forks.

use gac_inference::{Distribution, TokenId};

use crate::decode::{Decoder, Views};
use crate::method::Votes;
use crate::own::top;
use crate::safe::splits_between;
use crate::sample::State;
use crate::sampling::unit;
use crate::{Certainty, Decoding, Ensemble, EnsembleError, Finish, Gating, MemberId, Step, UnionId, trace};

/// More than this of all probability is a majority.
const MAJORITY: f64 = 0.5;

/// What the member that may decide alone would emit.
struct Draft {
    member: MemberId,
    id: TokenId,
    token: UnionId,
    probability: f64,
    certainty: f64,
}

/// What a sample emits under some of its branches.
#[derive(Clone)]
struct Winner {
    token: UnionId,
    probability: f64,
    /// The member that decided alone, and its own id; none where the members voted.
    alone: Option<(MemberId, TokenId)>,
}

impl From<&Draft> for Winner {
    fn from(draft: &Draft) -> Self {
        Self { token: draft.token, probability: draft.probability, alone: Some((draft.member, draft.id)) }
    }
}

/// Which branches of a sample want a vote, and whether there is room for one.
struct Vote {
    /// By branch.
    wanted: Vec<bool>,
    /// Whether the context of a member that would have to be asked is full.
    full: bool,
}

impl Decoder<'_> {
    /// Every active sample emits one token, unless it has to make room or its context is full.
    pub(crate) fn step(&mut self) -> Result<(), EnsembleError> {
        let mut views: Vec<Views> = self.ensemble.members.iter().map(|_| Views::new()).collect();
        let running = self.running(|_| true);
        self.consult(&self.roles.leads.clone(), &running, &mut views)?;
        let mut drafts = Vec::with_capacity(self.active.len());
        let mut votes = Vec::with_capacity(self.active.len());
        for place in 0..self.active.len() {
            let draft = self.draft(place, &views)?;
            votes.push(self.wanted(place, draft.as_ref()));
            drafts.push(draft);
        }
        let places = self.running(|place| votes[place].asks());
        self.consult(&self.roles.supporters.clone(), &places, &mut views)?;
        // Forks come behind these places.
        for place in self.running(|_| true) {
            self.decide(place, drafts[place].as_ref(), &votes[place], &views)?;
        }
        Ok(())
    }

    /// What the only member or the gate would emit; none where all members are always asked.
    fn draft(&self, place: usize, views: &[Views]) -> Result<Option<Draft>, EnsembleError> {
        let Some(member) = self.roles.alone else { return Ok(None) };
        let sample = &self.active[place];
        if sample.state != State::Running {
            return Ok(None);
        }
        let Some(distribution) = views[member.0].get(place).and_then(Option::as_ref) else { return Ok(None) };
        let union = &*self.ensemble.union;
        let (first, most) = top(union, member, distribution);
        let certainty = match self.rules[0].certainty() {
            _ if self.roles.supporters.is_empty() => most,
            Certainty::TopProbability => most,
            other => other.of(union, member, distribution),
        };
        let (id, probability) = match sample.decoding {
            Decoding::Greedy => (first, most),
            Decoding::Sampled(sampling) => {
                let ids = all_ids(self.ensemble, member, distribution);
                sampling.pick(ids, unit(sample.seed, sample.emitted)).unwrap_or((first, most))
            }
        };
        match union.projection(member).key(id) {
            Some(token) if probability > 0.0 => Ok(Some(Draft { member, id, token, probability, certainty })),
            _ => Err(self.ensemble.no_probabilities(member.0)),
        }
    }

    /// Which branches of a sample want a vote on what `draft` proposes. Those that get one have consulted the others.
    fn wanted(&mut self, place: usize, draft: Option<&Draft>) -> Vote {
        let Self { ensemble, roles, rules, active, .. } = self;
        let sample = &mut active[place];
        let nobody = |wanted| Vote { wanted: vec![wanted; sample.branches.len()], full: false };
        let Some(draft) = draft else { return nobody(true) };
        if roles.supporters.is_empty() {
            return nobody(false);
        }
        if let Gating::Safe { .. } = rules[0] {
            let next = ensemble.union.bytes(draft.token);
            let splits = |&member: &usize| splits_between(&ensemble.members[member].tokenizer, &sample.bytes, next);
            if !roles.supporters.iter().all(splits) {
                return nobody(false);
            }
        }
        let wanted: Vec<bool> =
            sample.branches.iter().map(|branch| rules[branch.rule].votes(draft.certainty)).collect();
        let full = roles
            .supporters
            .iter()
            .any(|&member| sample.lanes[member].tokens.len() > ensemble.members[member].model.limits().context);
        for (branch, wanted) in sample.branches.iter_mut().zip(&wanted) {
            branch.consulted |= *wanted && !full;
        }
        Vote { wanted, full }
    }

    /// What a sample emits under each of its branches; where that is not the same, it forks.
    fn decide(
        &mut self,
        place: usize,
        draft: Option<&Draft>,
        vote: &Vote,
        views: &[Views],
    ) -> Result<(), EnsembleError> {
        let alone = draft.map(Winner::from);
        let voted = if vote.asks() { Some(self.vote(place, draft, views)?) } else { None };
        let by_branch = |branch: usize| if vote.wanted[branch] { voted.as_ref() } else { alone.as_ref() };
        let winners: Vec<Option<&Winner>> = (0..vote.wanted.len()).map(by_branch).collect();
        let divided = vote.wanted.iter().any(|wanted| *wanted) && !vote.wanted.iter().all(|wanted| *wanted);
        if !divided || self.same(alone.as_ref(), voted.as_ref())? {
            return self.emit(place, &winners, vote, draft, views);
        }
        let other = self.active[place]
            .split(&vote.wanted, &mut self.ensemble.members)
            .map_err(|(member, source)| self.ensemble.failed(member, source))?;
        self.active.push(other);
        for (place_of_part, wants) in [(place, false), (self.active.len() - 1, true)] {
            let part = Vote { wanted: vec![wants; self.active[place_of_part].branches.len()], full: vote.full };
            let winners = vec![if wants { voted.as_ref() } else { alone.as_ref() }; part.wanted.len()];
            self.emit_from(place_of_part, place, &winners, &part, draft, views)?;
        }
        Ok(())
    }

    /// Whether two winners leave every member with the same tokens.
    fn same(&mut self, alone: Option<&Winner>, voted: Option<&Winner>) -> Result<bool, EnsembleError> {
        let (Some(alone), Some(voted)) = (alone, voted) else { return Ok(false) };
        if alone.token != voted.token {
            return Ok(false);
        }
        match (alone.alone, voted.alone) {
            (Some((gate, id)), None) if self.ensemble.union.end() != Some(alone.token) => {
                Ok(self.ensemble.segment(alone.token, gate)? == [id])
            }
            _ => Ok(true),
        }
    }

    /// The winner of all members' votes on a draft, if there is one.
    fn vote(&mut self, place: usize, draft: Option<&Draft>, views: &[Views]) -> Result<Winner, EnsembleError> {
        let distributions: Vec<&Distribution> = views.iter().filter_map(|views| views.get(place)?.as_ref()).collect();
        let sample = &self.active[place];
        let verified = draft.filter(|_| matches!(self.rules[0], Gating::Safe { .. }));
        let Ensemble { union, segmentation, weights, method, .. } = &mut *self.ensemble;
        let weights = sample.weights.as_ref().unwrap_or(weights);
        let votes = Votes { union, weights, members: &distributions };
        let combined = votes.combine(*method, None, segmentation);
        if let Some(draft) = verified {
            let agrees = |&(member, distribution): &(usize, &&Distribution)| {
                let member = MemberId(member);
                union.projection(member).key(top(union, member, distribution).0) == Some(draft.token)
            };
            let others = distributions.iter().enumerate().filter(|(member, _)| *member != draft.member.0);
            if others.clone().all(|other| agrees(&other)) || combined.prob(draft.token) > MAJORITY {
                return Ok(draft.into());
            }
        }
        let picked = match sample.decoding {
            Decoding::Greedy => combined.winner(),
            Decoding::Sampled(sampling) => sampling.pick(combined.entries(), unit(sample.seed, sample.emitted)),
        };
        let sharpened = match (verified, sample.decoding, picked) {
            (Some(_), Decoding::Greedy, Some((_, q))) if q <= MAJORITY => {
                votes.sharpen(segmentation).map(|token| (token, combined.prob(token)))
            }
            _ => None,
        };
        let winner = sharpened.or(picked).map(|(token, probability)| Winner { token, probability, alone: None });
        winner.ok_or_else(|| self.ensemble.who_gave_no_probabilities(&distributions))
    }

    fn emit(
        &mut self,
        place: usize,
        winners: &[Option<&Winner>],
        vote: &Vote,
        draft: Option<&Draft>,
        views: &[Views],
    ) -> Result<(), EnsembleError> {
        self.emit_from(place, place, winners, vote, draft, views)
    }

    /// Appends what was decided to the sample at `place`, of which members' views are at `seen`: `winners` by branch,
    /// all leaving the same tokens; none where the context is full.
    fn emit_from(
        &mut self,
        place: usize,
        seen: usize,
        winners: &[Option<&Winner>],
        vote: &Vote,
        draft: Option<&Draft>,
        views: &[Views],
    ) -> Result<(), EnsembleError> {
        let Some(&Some(first)) = winners.first() else {
            self.end(place);
            return Ok(());
        };
        let Self { ensemble, active, requests, roles, .. } = self;
        let sample = &mut active[place];
        let end = ensemble.union.end() == Some(first.token);
        if !end {
            for (member, lane) in sample.lanes.iter_mut().enumerate() {
                match first.alone {
                    Some((alone, id)) if alone.0 == member => lane.tokens.push(id),
                    _ => lane.tokens.extend_from_slice(ensemble.segment(first.token, MemberId(member))?),
                }
            }
        }
        let request = &requests[sample.request];
        let gated = draft.filter(|_| !roles.supporters.is_empty());
        for ((branch, winner), asked) in sample.branches.iter_mut().zip(winners).zip(&vote.wanted) {
            let Some(winner) = winner else { continue };
            let step = request.trace.then(|| {
                let of_members: Vec<Option<&Distribution>> = views
                    .iter()
                    .enumerate()
                    .map(|(member, views)| {
                        let view = views.get(seen)?.as_ref();
                        view.filter(|_| *asked || roles.leads.contains(&member))
                    })
                    .collect();
                let weights = sample.weights.as_ref().unwrap_or(&ensemble.weights);
                let alone = winner.alone.map(|(member, _)| member);
                Step {
                    bytes: ensemble.union.bytes(winner.token).to_vec(),
                    end,
                    ensembled: winner.alone.is_none(),
                    probability: winner.probability,
                    certainty: gated.map(|draft| draft.certainty),
                    proposed: gated.map(|draft| ensemble.union.token(draft.token).clone()),
                    views: trace::views(&ensemble.union, weights, &of_members, winner.token, alone),
                }
            });
            branch.record(winner.alone.is_none(), step);
        }
        sample.emit(ensemble.union.token(first.token), &ensemble.thinking, request);
        let full =
            |&member: &usize| sample.lanes[member].tokens.len() > ensemble.members[member].model.limits().context;
        if sample.state == State::Running && roles.leads.iter().any(full) {
            self.end(place);
        }
        Ok(())
    }

    /// Ends a sample for which a member that is to be asked has no room.
    fn end(&mut self, place: usize) {
        let sample = &mut self.active[place];
        sample.state = State::Finished(Finish::Context);
        sample.close(&mut self.ensemble.members);
    }
}

impl Vote {
    /// Whether the other members are to be asked.
    fn asks(&self) -> bool {
        !self.full && self.wanted.iter().any(|wanted| *wanted)
    }
}

impl Ensemble {
    /// What `member` is fed for `token`.
    pub(crate) fn segment(&mut self, token: UnionId, member: MemberId) -> Result<&[TokenId], EnsembleError> {
        let Self { segmentation, members, .. } = self;
        segmentation
            .segment(token, member)
            .map_err(|error| EnsembleError::Unspellable { member: members[member.0].name.clone(), bytes: error.bytes })
    }
}

/// All of `member`'s ids that have a union token, with their probabilities.
fn all_ids(ensemble: &Ensemble, member: MemberId, distribution: &Distribution) -> Vec<(TokenId, f64)> {
    let projection = ensemble.union.projection(member);
    let keyed = |id: &TokenId| projection.key(*id).is_some();
    match distribution {
        Distribution::Dense(dense) => {
            let ids = (0..dense.logits().len() as u32).map(TokenId).filter(keyed);
            ids.map(|id| (id, dense.log_prob(id).exp())).collect()
        }
        Distribution::TopK(top) => top.entries.iter().copied().filter(|(id, _)| keyed(id)).collect(),
    }
}
