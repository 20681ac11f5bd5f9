//! What a sample emits: its tokens for every member, its bytes, its trace.

use std::sync::Arc;

use gac_inference::Distribution;

use crate::decode::ballot::{Winner, votes};
use crate::decode::draft::Draft;
use crate::decode::sample::{Sample, SamplePhase};
use crate::decode::trace;
use crate::error::RequestError;
use crate::event::SchedulerEvent;
use crate::request::{Finish, Step};
use crate::resources::Resources;
use crate::settings::Lead;
use crate::vocabulary::segmentation::Segmentation;
use crate::vote::log_probs::{AnyToken, AskedLogProbs, DecidedBy, TokenLogProbs};

/// What a sample's branches, all leaving the same tokens, are about to emit; nothing where a context is full.
pub(crate) struct Emission {
    winner: Option<Winner>,
    /// By branch: whether its members voted, and what its trace tells.
    told: Vec<(bool, Option<Step>)>,
}

impl Emission {
    /// `winners`, and whether a vote was `wanted`, by branch; member m's view is `views[m]` of its lane.
    pub(crate) fn new(
        sample: &Sample,
        winners: &[Option<Winner>],
        draft: Option<&Draft>,
        wanted: &[bool],
        views: &[Option<usize>],
        segmentation: &mut Segmentation,
    ) -> Self {
        let settings = &sample.settings;
        let union = settings.ensemble().union();
        let gated = draft.filter(|_| !settings.supporters().is_empty());
        let told = winners.iter().flatten().zip(wanted).map(|(winner, asked)| {
            let step = (sample.trace || sample.log_probs.is_some()).then(|| {
                let view = |(member, view): (usize, &Option<usize>)| {
                    sample.view(member, (*view)?).filter(|_| *asked || settings.leads().contains(&member))
                };
                let of_members: Vec<Option<&Distribution>> = views.iter().enumerate().map(view).collect();
                let log_probs = sample.log_probs.as_ref();
                let alone = winner.alone.map(|(member, _)| member);
                Step {
                    bytes: union.bytes(winner.token).to_vec(),
                    end: union.end() == Some(winner.token),
                    ensembled: winner.is_of_ensemble(),
                    probability: winner.probability,
                    beyond: winner.beyond,
                    runner_up: trace::runner_up(union, sample.weights(), &of_members, winner.token, alone),
                    asks: sample.asks,
                    certainty: gated.map(|draft| draft.certainty),
                    proposed: gated.map(|draft| union.token(draft.token).clone()),
                    views: if sample.trace {
                        trace::views(union, sample.weights(), &of_members, winner.token, alone)
                    } else {
                        Vec::new()
                    },
                    log_probs: log_probs.and_then(|asked| tell(sample, winner, &of_members, asked, segmentation)),
                }
            });
            (winner.is_of_ensemble(), step)
        });
        Self { told: told.collect(), winner: winners.first().cloned().flatten() }
    }

    pub(crate) fn emit(self, sample: &mut Sample, resources: &mut Resources<'_>) -> Result<(), RequestError> {
        let Some(winner) = self.winner else {
            sample.phase = SamplePhase::Finished(Finish::Context);
            return Ok(());
        };
        let settings = Arc::clone(&sample.settings);
        let union = settings.ensemble().union();
        let end = union.end() == Some(winner.token);
        if !end {
            for (member, lane) in sample.lanes.iter_mut().enumerate() {
                if lane.push_bytes(union.bytes(winner.token)) {
                    continue;
                }
                match winner.alone {
                    Some((alone, id)) if alone.0 == member => lane.push(&[id]),
                    _ => lane.push(settings.ensemble().segment(resources.segmentation, winner.token, member)?),
                }
            }
        }
        if let Some(drafting) = sample.drafter.as_mut().filter(|_| !end) {
            drafting.push(winner.token);
        }
        sample.asks = 0;
        if let Some(guesses) = &mut sample.guesses {
            guesses.follow(winner.token, resources.acceptance);
        }
        sample.emit(union.token(winner.token));
        let bytes = sample.stream();
        let thinking = sample.text.thinking();
        for (branch, (ensembled, step)) in sample.branches.iter_mut().zip(self.told) {
            let (request, rule) = (sample.request, branch.rule);
            let (bytes, of_trace) = (bytes.clone(), step.clone());
            resources.events.push(SchedulerEvent::Token { request, rule, bytes, thinking, step: of_trace });
            branch.record(ensembled, step);
        }
        Ok(())
    }
}

/// What is told of the distribution that `winner` was taken from; `views[m]` is member m's, if it was asked.
fn tell(
    sample: &Sample,
    winner: &Winner,
    views: &[Option<&Distribution>],
    asked: &AskedLogProbs,
    segmentation: &mut Segmentation,
) -> Option<TokenLogProbs> {
    let settings = &sample.settings;
    let union = settings.ensemble().union();
    let all: Vec<&Distribution> = views.iter().copied().flatten().collect();
    let decider = match winner.alone {
        Some((member, _)) if *settings.lead() == Lead::Only => DecidedBy::Only(views[member.0]?),
        Some((member, _)) => DecidedBy::Alone(member, views[member.0]?),
        None => DecidedBy::Voters(votes(sample, &all), settings.method()),
    };
    let id = winner.alone.filter(|(member, _)| member.0 == 0).map(|(_, id)| id);
    Some(decider.tell(union, asked, AnyToken { id, key: Some(winner.token) }, segmentation))
}
