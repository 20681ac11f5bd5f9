//! Log-likelihoods of continuations, in the union vocabulary.

use std::ops::{ControlFlow, Range};

use gac_inference::{Distribution, ModelError, SequenceId, Wanted};

use crate::choice::{Choice, choices};
use crate::ensemble::Roles;
use crate::method::Votes;
use crate::own::{own_log_prob, top};
use crate::reading::{Piece, Round, View};
use crate::{BatchLimits, Ensemble, EnsembleError, LogLikelihood, LogLikelihoodRequest, Weights};

/// Most distributions asked for in one forward: each may be 150,000 numbers.
const MOST_DISTRIBUTIONS: usize = 256;

impl Ensemble {
    /// Scores every continuation. `finished` gets each score with the index of its request, in order; breaking ends
    /// the call early.
    ///
    /// A continuation is encoded as lm-evaluation-harness does it: white space at the end of the context moves to the
    /// continuation, the first member encodes the context and the whole, and the continuation is what comes after as
    /// many tokens as the context has. Each of these tokens is scored in the union vocabulary: log q(u) of the
    /// weighted average over all members, where each other member has read its own encoding of the context and its
    /// segmentation of the union tokens before. With a gate, its own probability of u counts where it is surer than the
    /// threshold. A single model is scored by its own ids. Another method than `gac` counts u among its candidates
    /// whatever its probability. With [`Gating::Safe`](crate::Gating::Safe) there is nothing drafted to verify: all
    /// members count at every token.
    ///
    /// # Errors
    /// Before anything is done, when some request cannot be encoded or does not fit; later, when a member fails.
    pub fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        limits: BatchLimits,
        finished: &mut dyn FnMut(usize, LogLikelihood) -> ControlFlow<()>,
    ) -> Result<(), EnsembleError> {
        let choices = choices(self, requests)?;
        let roles = self.roles(self.gating);
        let mut scorer = Scorer { ensemble: self, roles, open: Vec::new() };
        let mut rest = &choices[..];
        while !rest.is_empty() {
            let (round, later) = rest.split_at(scorer.fitting(rest, limits.max_samples.max(1)));
            for (choice, score) in round.iter().zip(scorer.score(round)?) {
                if finished(choice.request, score).is_break() {
                    return Ok(());
                }
            }
            rest = later;
        }
        Ok(())
    }
}

/// The sequences of one call.
pub(crate) struct Scorer<'e> {
    pub(crate) ensemble: &'e mut Ensemble,
    roles: Roles,
    /// Every open sequence with its member.
    pub(crate) open: Vec<(usize, SequenceId)>,
}

impl Scorer<'_> {
    /// How many of `choices` are scored together, at least one: contexts that are shared count once.
    fn fitting(&self, choices: &[Choice], max_samples: usize) -> usize {
        let max_samples = max_samples.min(MOST_DISTRIBUTIONS);
        let mut samples = 0;
        // Those of the group's choices that need a sequence of their own.
        let mut branches = 0;
        let mut held = vec![0_usize; self.ensemble.members.len()];
        for (index, choice) in choices.iter().enumerate() {
            if index == 0 || !choices[index - 1].shares_context(choice, &self.ensemble.members) {
                samples += 1;
                branches = 0;
                held.iter_mut().zip(&choice.context.ids).for_each(|(held, ids)| *held += ids.len());
            }
            if choice.tokens.len() > 1 {
                branches += 1;
                samples += usize::from(branches > 1);
                held.iter_mut().zip(&choice.fed).for_each(|(held, fed)| *held += fed.len());
            }
            let full = self.ensemble.members.iter().zip(&held).any(|(m, &held)| held > m.model.limits().cache);
            if index > 0 && (samples > max_samples || full) {
                return index;
            }
        }
        choices.len()
    }

    /// Scores `choices` together; where a cache is too small for that, in two halves.
    fn score(&mut self, choices: &[Choice]) -> Result<Vec<LogLikelihood>, EnsembleError> {
        let result = self.round(choices);
        self.close();
        match result {
            Err(EnsembleError::Model { source: ModelError::CacheFull { .. }, .. }) if choices.len() > 1 => {
                let (left, right) = choices.split_at(choices.len() / 2);
                let mut scores = self.score(left)?;
                scores.extend(self.score(right)?);
                Ok(scores)
            }
            other => other,
        }
    }

    fn round(&mut self, choices: &[Choice]) -> Result<Vec<LogLikelihood>, EnsembleError> {
        let groups: Vec<Range<usize>> = choices
            .chunk_by(|a, b| a.shares_context(b, &self.ensemble.members))
            .scan(0, |start, group| {
                let range = *start..*start + group.len();
                *start = range.end;
                Some(range)
            })
            .collect();
        let members = self.ensemble.members.len();
        let mut weights = Vec::with_capacity(groups.len());
        for group in &groups {
            let context: Vec<_> = choices[group.start].context.ids.iter().map(Vec::as_slice).collect();
            weights.push(self.ensemble.prompt_weights(&context)?);
        }
        let mut round = Round {
            choices,
            weights,
            contexts: vec![vec![None; groups.len()]; members],
            branches: vec![vec![None; choices.len()]; members],
            groups,
        };
        let mut scores: Vec<LogLikelihood> = choices
            .iter()
            .map(|choice| LogLikelihood {
                sum: 0.0,
                greedy: true,
                tokens: Vec::with_capacity(choice.tokens.len()),
                truncated: choice.context.truncated,
            })
            .collect();
        self.first_tokens(&mut round, &mut scores)?;
        let mut left: Vec<(usize, Range<usize>)> =
            choices.iter().enumerate().map(|(choice, c)| (choice, 1..c.tokens.len())).collect();
        loop {
            let mut room = MOST_DISTRIBUTIONS;
            let pieces: Vec<Piece> = left
                .iter_mut()
                .map(|(choice, left)| {
                    let tokens = left.by_ref().take(room).collect::<Vec<_>>();
                    room -= tokens.len();
                    Piece { choice: *choice, tokens }
                })
                .filter(|piece| !piece.tokens.is_empty())
                .collect();
            if pieces.is_empty() {
                return Ok(scores);
            }
            self.later_tokens(&mut round, &pieces, &mut scores)?;
        }
    }

    /// Scores each choice's first token: choices with the same context share its distribution.
    fn first_tokens(&mut self, round: &mut Round<'_>, scores: &mut [LogLikelihood]) -> Result<(), EnsembleError> {
        let all: Vec<usize> = (0..round.groups.len()).collect();
        let mut views: Vec<Vec<Option<Distribution>>> =
            round.contexts.iter().map(|_| all.iter().map(|_| None).collect()).collect();
        let leads = self.roles.leads.clone();
        for (&lead, view) in leads.iter().zip(self.read_contexts(round, &leads, &all, Wanted::Last)?) {
            views[lead] = view;
        }
        let key: Vec<usize> =
            all.into_iter().filter(|&group| self.votes(|member| views[member][group].as_ref())).collect();
        let supporters = self.roles.supporters.clone();
        for (&supporter, view) in supporters.iter().zip(self.read_contexts(round, &supporters, &key, Wanted::Last)?) {
            views[supporter] = view;
        }
        for (group, range) in round.groups.iter().enumerate() {
            let of_members: Vec<_> = views.iter().map(|views| views[group].as_ref()).collect();
            for choice in range.clone() {
                let weights = round.weights[group].as_ref();
                self.add(&mut scores[choice], &round.choices[choice], 0, &of_members, weights)?;
            }
        }
        Ok(())
    }

    /// Scores `pieces`: tokens that come after other tokens of their choice.
    fn later_tokens(
        &mut self,
        round: &mut Round<'_>,
        pieces: &[Piece],
        scores: &mut [LogLikelihood],
    ) -> Result<(), EnsembleError> {
        let mut views: Vec<Vec<Option<View>>> =
            round.branches.iter().map(|_| pieces.iter().map(|_| None).collect()).collect();
        let leads = self.roles.leads.clone();
        let all: Vec<_> = pieces.iter().map(|piece| piece.tokens.clone()).collect();
        for (&lead, view) in leads.iter().zip(self.read_pieces(round, &leads, pieces, &all)?) {
            views[lead] = view;
        }
        // Places of the tokens in their piece.
        let key: Vec<Vec<usize>> = pieces
            .iter()
            .enumerate()
            .map(|(at, piece)| {
                let votes =
                    |token: &usize| self.votes(|member| views[member][at].as_ref().map(|view| view.get(*token)));
                (0..piece.tokens.len()).filter(votes).collect()
            })
            .collect();
        let wanted: Vec<Vec<usize>> = pieces
            .iter()
            .zip(&key)
            .map(|(piece, key)| key.iter().map(|&place| piece.tokens[place]).collect())
            .collect();
        let supporters = self.roles.supporters.clone();
        for (&supporter, view) in supporters.iter().zip(self.read_pieces(round, &supporters, pieces, &wanted)?) {
            views[supporter] = view;
        }
        for (at, (piece, key)) in pieces.iter().zip(&key).enumerate() {
            for (place, &token) in piece.tokens.iter().enumerate() {
                let of_members: Vec<_> = views
                    .iter()
                    .enumerate()
                    .map(|(member, views)| {
                        let place = if self.roles.supporters.contains(&member) {
                            key.binary_search(&place).ok()?
                        } else {
                            place
                        };
                        views[at].as_ref().map(|view| view.get(place))
                    })
                    .collect();
                let weights = round.weights[round.group(piece.choice)].as_ref();
                self.add(&mut scores[piece.choice], &round.choices[piece.choice], token, &of_members, weights)?;
            }
        }
        Ok(())
    }

    /// Whether the supporters are to be asked, by what the gate sees.
    fn votes<'d>(&self, view: impl Fn(usize) -> Option<&'d Distribution>) -> bool {
        self.roles.alone.is_some_and(|gate| {
            let gating = self.ensemble.gating;
            let certain = view(gate.0).map(|view| gating.certainty().of(&self.ensemble.union, gate, view));
            !self.roles.supporters.is_empty() && certain.is_some_and(|certain| gating.votes(certain))
        })
    }

    /// Adds a token to its choice's score. `views[member]` is there for each member that was consulted.
    fn add(
        &mut self,
        score: &mut LogLikelihood,
        choice: &Choice,
        token: usize,
        views: &[Option<&Distribution>],
        weights: Option<&Weights>,
    ) -> Result<(), EnsembleError> {
        let Ensemble { union, segmentation, weights: given, members, method, .. } = &mut *self.ensemble;
        let (id, key) = choice.tokens[token];
        let all: Vec<&Distribution> = views.iter().copied().flatten().collect();
        let (log_prob, greedy) = match (self.roles.alone, key, &all[..]) {
            _ if members.len() == 1 => (all[0].log_prob(id), all[0].top().0 == id),
            (_, Some(key), all) if all.len() == members.len() => {
                let votes = Votes { union, weights: weights.unwrap_or(given), members: all };
                let Some((winner, _)) = votes.combine(*method, None, segmentation).winner() else {
                    return Err(self.ensemble.who_gave_no_probabilities(all));
                };
                (votes.log_prob(*method, key, segmentation), winner == key)
            }
            (Some(gate), Some(key), &[view]) => {
                let (best, _) = top(union, gate, view);
                (own_log_prob(union, gate, view, key), union.projection(gate).key(best) == Some(key))
            }
            _ => {
                return Err(EnsembleError::UnusedToken {
                    member: members[0].name.clone(),
                    request: choice.request,
                    token: id.0,
                });
            }
        };
        if log_prob.is_nan() {
            return Err(self.ensemble.who_gave_no_probabilities(&all));
        }
        score.sum += log_prob;
        score.greedy &= greedy;
        score.tokens.push(log_prob);
        Ok(())
    }
}

impl Drop for Scorer<'_> {
    /// However the call ends, no sequence stays open.
    fn drop(&mut self) {
        self.close();
    }
}
