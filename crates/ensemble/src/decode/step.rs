//! A sample's next token: who is asked, what is emitted, where it forks.

use std::sync::Arc;

use gac_inference::{Distribution, TokenId};

use crate::decode::draft::Draft;
use crate::decode::sample::{Phase, Sample};
use crate::decode::trace;
use crate::error::{RequestError, Trouble};
use crate::member::{Member, MemberId};
use crate::reading::lane::Lane;
use crate::reading::question::Question;
use crate::request::{Finish, Step};
use crate::schedule::event::SchedulerEvent;
use crate::settings::{Lead, Settings};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::member_view::top;
use crate::vote::method::Votes;
use crate::vote::sampling::{Decoding, unit};
use crate::vote::undecided::{Need, missing_of_lead};

/// More than this of all probability is a majority.
const MAJORITY: f64 = 0.5;
/// Most tokens that a drafter proposes before they are verified: each is a distribution to keep.
const MOST_DRAFTS: usize = 4;

/// What a decision takes beside the sample.
pub(crate) struct Resources<'a> {
    pub(crate) models: &'a mut [Member],
    pub(crate) segmentation: &'a mut Segmentation,
    pub(crate) events: &'a mut Vec<SchedulerEvent>,
}

/// What a sample emits under some of its branches.
#[derive(Clone)]
struct Winner {
    token: UnionId,
    probability: f64,
    /// How much more the probability may be.
    beyond: f64,
    /// The member that decided alone, and its own id; none where the members voted.
    alone: Option<(MemberId, TokenId)>,
}

impl From<&Draft> for Winner {
    fn from(draft: &Draft) -> Self {
        let alone = Some((draft.member, draft.id));
        Self { token: draft.token, probability: draft.probability, beyond: 0.0, alone }
    }
}

/// What has to be asked before a sample that is ready can go on: nothing where members give full distributions.
pub(crate) fn missing(sample: &Sample, segmentation: &mut Segmentation) -> Vec<Question> {
    if sample.lanes.iter().all(|lane| lane.given().iter().all(Distribution::is_complete)) {
        return Vec::new();
    }
    let settings = &*sample.settings;
    match (&sample.phase, settings.lead()) {
        (Phase::Weighing(weighing), _) => {
            let of_lane = |(member, lane): (usize, &Lane)| {
                let unknown = (0..lane.given().len()).filter_map(|index| {
                    let id = weighing.following(member, lane, index);
                    let need = Need::Tokens(vec![id]);
                    (!lane.given()[index].knows(id)).then_some(Question { slot: 0, member, index, need })
                });
                unknown.collect::<Vec<_>>()
            };
            sample.lanes.iter().enumerate().flat_map(of_lane).collect()
        }
        (Phase::Leading, Lead::Everybody) => {
            let views = vec![Some(0); sample.lanes.len()];
            let Some(all) = all_views(sample, &views) else { return Vec::new() };
            let votes = votes(sample, &all);
            let missing = votes.missing(settings.method(), settings.decoding(), None, segmentation);
            Question::of(missing, 0, &views)
        }
        (Phase::Leading, lead) => {
            let Some(member) = lead.member() else { return Vec::new() };
            let index = sample.drafts.len();
            let Some(view) = sample.view(member.0, index) else { return Vec::new() };
            let union = settings.ensemble().union();
            let need = match lead {
                // It is weighed in votes that are only taken when its sequence has gone on.
                Lead::Drafter(_) => (!view.is_complete()).then(|| Need::Top(view.rows())),
                _ => missing_of_lead(union, member, view, lead.certainty(), settings.decoding()),
            };
            need.map(|need| Question { slot: 0, member: member.0, index, need }).into_iter().collect()
        }
        (Phase::Supporting, lead) => {
            let asked = sample.drafts.iter().filter(|draft| draft.asks());
            let of_draft = |draft: &Draft| {
                let Some(all) = all_views(sample, &draft.views) else { return Vec::new() };
                let votes = votes(sample, &all);
                let (method, decoding) = (settings.method(), settings.decoding());
                let missing = match lead {
                    Lead::Drafter(_) => votes.missing_to_verify(method, decoding, draft.token, segmentation),
                    _ => votes.missing(method, decoding, None, segmentation),
                };
                Question::of(missing, 0, &draft.views)
            };
            asked.flat_map(of_draft).collect()
        }
        (Phase::Finished(_), _) => Vec::new(),
    }
}

/// Goes on with a sample that is ready: asks others, or emits a token (or several that were drafted). Where its branches
/// part, the other part is given.
pub(crate) fn advance(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<Option<Sample>, Trouble> {
    match &mut sample.phase {
        Phase::Finished(_) => Ok(None),
        Phase::Weighing(weighing) => {
            if let Some(weights) = weighing.add(&mut sample.lanes) {
                sample.weighed(weights);
            }
            Ok(None)
        }
        Phase::Supporting => match sample.settings.lead() {
            Lead::Drafter(_) => verify(sample, resources).map(|()| None),
            _ => decide(sample, resources),
        },
        Phase::Leading => match *sample.settings.lead() {
            Lead::Everybody => {
                let views = vec![Some(0); sample.lanes.len()];
                let winner = vote(sample, None, &views, resources.segmentation)?;
                Emission::new(sample, &[Some(winner)], None, &[true], &views).emit(sample, resources)?;
                go_on(sample);
                Ok(None)
            }
            Lead::Only | Lead::Gate { .. } => {
                let lead = sample.settings.leads()[0];
                let mut draft = Draft::new(sample, MemberId(lead), 0, 0, &[])?;
                if draft.is_voted_on() {
                    draft.full = is_full(&sample.settings, &sample.lanes);
                }
                for (branch, wanted) in sample.branches.iter_mut().zip(&draft.wanted) {
                    branch.consulted |= *wanted && !draft.full;
                }
                let asks = draft.asks();
                if asks {
                    for &supporter in Arc::clone(&sample.settings).supporters() {
                        draft.views[supporter] = Some(0);
                        let length = sample.lanes[supporter].length();
                        sample.consult(supporter, vec![length]);
                    }
                    sample.phase = Phase::Supporting;
                }
                sample.drafts = vec![draft];
                if asks { Ok(None) } else { decide(sample, resources) }
            }
            Lead::Drafter(drafter) => {
                if draft_on(sample, drafter)? {
                    return Ok(None);
                }
                if ask_to_verify(sample, resources.segmentation) {
                    sample.phase = Phase::Supporting;
                    return Ok(None);
                }
                verify(sample, resources).map(|()| None)
            }
        },
    }
}

/// Adds what the drafter proposes to its drafts, and lets it go on from there; whether it does.
fn draft_on(sample: &mut Sample, drafter: MemberId) -> Result<bool, RequestError> {
    let settings = Arc::clone(&sample.settings);
    let union = settings.ensemble().union();
    let text: Vec<u8> = sample.drafts.iter().flat_map(|draft| union.bytes(draft.token)).copied().collect();
    let index = sample.drafts.len();
    let draft = Draft::new(sample, drafter, index, index, &text)?;
    let end = union.end() == Some(draft.token);
    let text = [&text[..], union.bytes(draft.token)].concat();
    let id = draft.id;
    sample.drafts.push(draft);
    let over = end || sample.drafts.len() >= sample.ahead || sample.ends_with(&text, sample.drafts.len());
    let lane = &mut sample.lanes[drafter.0];
    if over || lane.length() + 1 > settings.ensemble().members()[drafter.0].limits.context {
        return Ok(false);
    }
    lane.propose(&[id]);
    lane.want_next();
    Ok(true)
}

/// Asks the supporters about the drafts that are to be verified, all in one chunk; whether there are any.
///
/// Where one of them has no room for a draft, or cannot spell the ones before it, the drafts end there.
fn ask_to_verify(sample: &mut Sample, segmentation: &mut Segmentation) -> bool {
    let settings = Arc::clone(&sample.settings);
    let (ensemble, supporters) = (settings.ensemble(), settings.supporters());
    let mut marks: Vec<Vec<usize>> = vec![Vec::new(); sample.lanes.len()];
    let mut kept = 0;
    for draft in &mut sample.drafts {
        if draft.is_voted_on() {
            draft.full = is_full(&settings, &sample.lanes);
            if draft.full && kept > 0 {
                break;
            }
            for &member in supporters.iter().filter(|_| !draft.full) {
                let length = sample.lanes[member].length();
                // After a control symbol that it does not have, it says what it said before.
                if marks[member].last() != Some(&length) {
                    marks[member].push(length);
                }
                draft.views[member] = Some(marks[member].len() - 1);
            }
        }
        kept += 1;
        let spelled = supporters.iter().all(|&member| {
            let ids = ensemble.segment(segmentation, draft.token, member);
            ids.map(|ids| sample.lanes[member].propose(ids)).is_ok()
        });
        if !spelled || draft.full {
            break;
        }
    }
    sample.drafts.truncate(kept);
    for &member in supporters {
        let marks = std::mem::take(&mut marks[member]);
        if !marks.is_empty() {
            sample.consult(member, marks);
        }
    }
    sample.drafts.iter().any(Draft::asks)
}

/// Emits the drafts as far as they hold; where one does not, what the members vote for in its place.
fn verify(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<(), Trouble> {
    let drafts = std::mem::take(&mut sample.drafts);
    let mut held = 0;
    for draft in &drafts {
        sample.branches[0].consulted |= draft.asks();
        let winner = match (draft.is_voted_on(), draft.full) {
            (false, _) => Some(Winner::from(draft)),
            (true, true) => None,
            (true, false) => Some(vote(sample, Some(draft), &draft.views, resources.segmentation)?),
        };
        let holds = winner.as_ref().is_some_and(|winner| winner.alone.is_some());
        let emission = Emission::new(sample, &[winner], Some(draft), &draft.wanted, &draft.views);
        emission.emit(sample, resources)?;
        if !holds || sample.is_finished() {
            break;
        }
        held += 1;
    }
    sample.lanes.iter_mut().for_each(Lane::forget_proposed);
    sample.ahead = if held == drafts.len() { (2 * held).min(MOST_DRAFTS) } else { held.max(1) };
    go_on(sample);
    Ok(())
}

/// What a sample emits under each of its branches, once everybody who is to be asked was; where that is not the same, it
/// forks, and the other part is given.
fn decide(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<Option<Sample>, Trouble> {
    let Some(draft) = sample.drafts.pop() else { return Ok(None) };
    let alone = Winner::from(&draft);
    let voted = match draft.asks() {
        true => Some(vote(sample, Some(&draft), &draft.views, resources.segmentation)?),
        false => None,
    };
    let winner = |wants: bool| if wants { voted.clone() } else { Some(alone.clone()) };
    let wanted = &draft.wanted;
    let divided = wanted.contains(&true) && wanted.contains(&false);
    if !divided || same(sample, &alone, voted.as_ref(), resources.segmentation)? {
        let winners: Vec<Option<Winner>> = wanted.iter().map(|&wants| winner(wants)).collect();
        Emission::new(sample, &winners, Some(&draft), wanted, &draft.views).emit(sample, resources)?;
        go_on(sample);
        return Ok(None);
    }
    let part = |wants: bool| {
        let branches = wanted.iter().filter(|&&wanted| wanted == wants).count();
        Emission::new(sample, &vec![winner(wants); branches], Some(&draft), &vec![wants; branches], &draft.views)
    };
    let (stays, leaves) = (part(false), part(true));
    let mut other = sample.split(wanted, resources.models)?;
    let emitted = stays.emit(sample, resources).and_then(|()| leaves.emit(&mut other, resources));
    if let Err(error) = emitted {
        other.close(resources.models);
        return Err(error.into());
    }
    go_on(sample);
    go_on(&mut other);
    Ok(Some(other))
}

/// Asks for the next token, unless the sample is done or a member that is to be asked has no room.
fn go_on(sample: &mut Sample) {
    if sample.is_finished() {
        return;
    }
    let members = sample.settings.ensemble().members();
    let full = |&member: &usize| sample.lanes[member].length() > members[member].limits.context;
    if sample.settings.leads().iter().any(full) {
        sample.phase = Phase::Finished(Finish::Context);
    } else {
        sample.lead();
    }
}

/// Whether some supporter has no room for what it would be asked about.
fn is_full(settings: &Settings, lanes: &[Lane]) -> bool {
    let members = settings.ensemble().members();
    settings.supporters().iter().any(|&member| lanes[member].length() > members[member].limits.context)
}

/// Whether two winners leave every member with the same tokens.
fn same(
    sample: &Sample,
    alone: &Winner,
    voted: Option<&Winner>,
    segmentation: &mut Segmentation,
) -> Result<bool, RequestError> {
    let Some(voted) = voted.filter(|voted| voted.token == alone.token) else { return Ok(false) };
    let ensemble = sample.settings.ensemble();
    match (alone.alone, voted.alone) {
        (Some((lead, id)), None) if ensemble.union().end() != Some(alone.token) => {
            Ok(ensemble.segment(segmentation, alone.token, lead.0)? == [id])
        }
        _ => Ok(true),
    }
}

/// All members' views, where everybody was asked.
fn all_views<'s>(sample: &'s Sample, views: &[Option<usize>]) -> Option<Vec<&'s Distribution>> {
    views.iter().enumerate().map(|(member, view)| sample.view(member, (*view)?)).collect()
}

fn votes<'v>(sample: &'v Sample, views: &'v [&'v Distribution]) -> Votes<'v> {
    Votes { union: sample.settings.ensemble().union(), weights: sample.weights(), members: views }
}

/// The winner of all members' votes, on a draft if there is one.
fn vote(
    sample: &Sample,
    draft: Option<&Draft>,
    views: &[Option<usize>],
    segmentation: &mut Segmentation,
) -> Result<Winner, RequestError> {
    let settings = &sample.settings;
    let all = all_views(sample, views).unwrap_or_default();
    let votes = votes(sample, &all);
    let verified = draft.filter(|_| matches!(settings.lead(), Lead::Drafter(_)));
    let combined = votes.combine(settings.method(), None, segmentation);
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
    let picked = match settings.decoding() {
        Decoding::Greedy => combined.winner(),
        Decoding::Sampled(sampling) => sampling.pick(combined.entries(), unit(sample.seed, sample.emitted)),
    };
    let sharpened = match (verified, settings.decoding(), picked) {
        (Some(_), Decoding::Greedy, Some((_, q))) if q <= MAJORITY => {
            votes.sharpen(segmentation).map(|token| (token, combined.prob(token)))
        }
        _ => None,
    };
    let (token, probability) = sharpened.or(picked).ok_or_else(|| no_probabilities(settings, &all))?;
    Ok(Winner { token, probability, beyond: combined.beyond(token), alone: None })
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

/// What a sample's branches, all leaving the same tokens, are about to emit; nothing where a context is full.
struct Emission {
    winner: Option<Winner>,
    /// By branch: whether its members voted, and what its trace tells.
    told: Vec<(bool, Option<Step>)>,
}

impl Emission {
    /// `winners`, and whether a vote was `wanted`, by branch; member m's view is `views[m]` of its lane.
    fn new(
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

    fn emit(self, sample: &mut Sample, resources: &mut Resources<'_>) -> Result<(), RequestError> {
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
        sample.emit(union.bytes(winner.token), end);
        let bytes = sample.stream();
        for (branch, (ensembled, step)) in sample.branches.iter_mut().zip(self.told) {
            let (request, rule) = (sample.request, branch.rule);
            resources.events.push(SchedulerEvent::Token { request, rule, bytes: bytes.clone(), step: step.clone() });
            branch.record(ensembled, step);
        }
        Ok(())
    }
}
