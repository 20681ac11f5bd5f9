//! What a sample emits: its tokens for every member, its bytes, its trace.

use std::sync::Arc;

use gac_inference::Distribution;

use crate::decode::ballot::Winner;
use crate::decode::draft::Draft;
use crate::decode::sample::{Phase, Sample};
use crate::decode::trace;
use crate::error::RequestError;
use crate::request::{Finish, Step};
use crate::schedule::event::SchedulerEvent;
use crate::schedule::resources::Resources;

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
    ) -> Self {
        let settings = &sample.settings;
        let union = settings.ensemble().union();
        let gated = draft.filter(|_| !settings.supporters().is_empty());
        let told = winners.iter().flatten().zip(wanted).map(|(winner, asked)| {
            let step = sample.trace.then(|| {
                let view = |(member, view): (usize, &Option<usize>)| {
                    sample.view(member, (*view)?).filter(|_| *asked || settings.leads().contains(&member))
                };
                let of_members: Vec<Option<&Distribution>> = views.iter().enumerate().map(view).collect();
                let alone = winner.alone.map(|(member, _)| member);
                Step {
                    bytes: union.bytes(winner.token).to_vec(),
                    end: union.end() == Some(winner.token),
                    ensembled: winner.alone.is_none(),
                    probability: winner.probability,
                    beyond: winner.beyond,
                    asks: sample.asks,
                    certainty: gated.map(|draft| draft.certainty),
                    proposed: gated.map(|draft| union.token(draft.token).clone()),
                    views: trace::views(union, sample.weights(), &of_members, winner.token, alone),
                }
            });
            (winner.alone.is_none(), step)
        });
        Self { told: told.collect(), winner: winners.first().cloned().flatten() }
    }

    pub(crate) fn emit(self, sample: &mut Sample, resources: &mut Resources<'_>) -> Result<(), RequestError> {
        let Some(winner) = self.winner else {
            sample.phase = Phase::Finished(Finish::Context);
            return Ok(());
        };
        let settings = Arc::clone(&sample.settings);
        let union = settings.ensemble().union();
        let end = union.end() == Some(winner.token);
        if !end {
            for (member, lane) in sample.lanes.iter_mut().enumerate() {
                match winner.alone {
                    Some((alone, id)) if alone.0 == member => lane.push(&[id]),
                    _ => lane.push(settings.ensemble().segment(resources.segmentation, winner.token, member)?),
                }
            }
        }
        sample.asks = 0;
        sample.emit(union.token(winner.token));
        let bytes = sample.stream();
        for (branch, (ensembled, step)) in sample.branches.iter_mut().zip(self.told) {
            let (request, rule) = (sample.request, branch.rule);
            resources.events.push(SchedulerEvent::Token { request, rule, bytes: bytes.clone(), step: step.clone() });
            branch.record(ensembled, step);
        }
        Ok(())
    }
}
