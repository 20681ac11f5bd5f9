//! The members' votes on a sample's next token.

use gac_inference::{Distribution, TokenId};

use crate::decode::draft::Draft;
use crate::decode::sample::Sample;
use crate::error::RequestError;
use crate::member::MemberId;
use crate::settings::{Lead, Settings};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::member_view::top;
use crate::vote::sampling::{Decoding, unit};
use crate::vote::votes::Votes;

/// More than this of all probability is a majority.
const MAJORITY: f64 = 0.5;

/// What a sample emits under some of its branches.
#[derive(Clone)]
pub(crate) struct Winner {
    pub(crate) token: UnionId,
    pub(crate) probability: f64,
    /// How much more the probability may be.
    pub(crate) beyond: f64,
    /// The member that decided alone, and its own id; none where the members voted.
    pub(crate) alone: Option<(MemberId, TokenId)>,
    /// Whether that member was drawn.
    pub(crate) drawn: bool,
}

impl Winner {
    /// Whether the ensemble decided: its members voted, or one of them was drawn.
    pub(crate) fn is_of_ensemble(&self) -> bool {
        self.alone.is_none() || self.drawn
    }
}

impl From<&Draft> for Winner {
    fn from(draft: &Draft) -> Self {
        let alone = Some((draft.member, draft.id));
        Self { token: draft.token, probability: draft.probability, beyond: 0.0, alone, drawn: false }
    }
}

/// All members' views, where everybody was asked.
pub(crate) fn all_views<'s>(sample: &'s Sample, views: &[Option<usize>]) -> Option<Vec<&'s Distribution>> {
    views.iter().enumerate().map(|(member, view)| sample.view(member, (*view)?)).collect()
}

pub(crate) fn votes<'v>(sample: &'v Sample, views: &'v [&'v Distribution]) -> Votes<'v> {
    Votes { union: sample.settings.ensemble().union(), weights: sample.weights(), members: views }
}

/// The winner of all members' votes, on a draft if there is one.
pub(crate) fn vote(
    sample: &Sample,
    draft: Option<&Draft>,
    views: &[Option<usize>],
    segmentation: &mut Segmentation,
) -> Result<Winner, RequestError> {
    let settings = &sample.settings;
    let all = all_views(sample, views).unwrap_or_default();
    let votes = votes(sample, &all);
    let verified = draft.filter(|_| matches!(settings.lead(), Lead::Drafter(_)));
    let combined = settings.method().combine(votes, None, segmentation);
    if let Some(draft) = verified {
        let agrees = |&(member, view): &(usize, &&Distribution)| {
            let member = MemberId(member);
            votes.union.projection(member).key(top(votes.union, member, view).0) == Some(draft.token)
        };
        let others = all.iter().enumerate().filter(|(member, _)| *member != draft.member.0);
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
    let (token, probability) = sharpened.or(picked).ok_or_else(|| no_probabilities(settings, &all))?;
    Ok(Winner { token, probability, beyond: combined.beyond(token), alone: None, drawn: false })
}

/// The error for distributions without a winner.
pub(crate) fn no_probabilities(settings: &Settings, views: &[&Distribution]) -> RequestError {
    let ensemble = settings.ensemble();
    let unusable = |&(member, view): &(usize, &&Distribution)| {
        let p = top(ensemble.union(), MemberId(member), view).1;
        p.is_nan() || p <= 0.0
    };
    let member = views.iter().enumerate().find(unusable).map_or(0, |(member, _)| member);
    RequestError::NoProbabilities { member: ensemble.members()[member].name.clone() }
}
