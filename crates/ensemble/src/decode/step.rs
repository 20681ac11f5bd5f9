//! A sample's next token: who is asked, what is emitted, where it forks.

use gac_inference::Distribution;

use crate::decode::ballot::{Winner, all_views, vote, votes};
use crate::decode::draft::Draft;
use crate::decode::emission::Emission;
use crate::decode::guess::{consult, go_on, go_on_alone};
use crate::decode::propose::propose;
use crate::decode::sample::{Sample, SamplePhase};
use crate::decode::verify::{ask_to_verify, draft_on, verify};
use crate::error::{RequestError, Trouble};
use crate::lanes::lane::Lane;
use crate::lanes::question::Question;
use crate::member::MemberId;
use crate::resources::Resources;
use crate::settings::Lead;
use crate::vocabulary::segmentation::Segmentation;
use crate::vote::gating::Certainty;
use crate::vote::undecided::{OwnedDetail, missing_of_lead};

/// What has to be asked before a sample that is ready can go on: nothing where members give full distributions.
pub(crate) fn missing(sample: &Sample, segmentation: &mut Segmentation) -> Vec<Question> {
    if sample.lanes.iter().all(|lane| lane.given().iter().all(Distribution::is_complete)) {
        return Vec::new();
    }
    let settings = &*sample.settings;
    if sample.lanes.iter().any(Lane::is_asked_for_bytes) {
        return everything(sample);
    }
    if sample.log_probs.is_some() && matches!(sample.phase, SamplePhase::Leading | SamplePhase::Supporting) {
        // They are told of whole distributions.
        return everything(sample);
    }
    match (&sample.phase, settings.lead()) {
        (SamplePhase::Weighing(weighing), _) => weighing.questions(&sample.lanes),
        (SamplePhase::Leading, Lead::Everybody) if !settings.draws() => {
            let views = said(sample);
            let Some(all) = all_views(sample, &views) else { return Vec::new() };
            let votes = votes(sample, &all);
            let missing = settings.method().missing(votes, sample.decoding, None, segmentation);
            Question::of(missing, 0, &views)
        }
        (SamplePhase::Leading, lead) => {
            let Some(member) = sample.leader() else { return Vec::new() };
            let index = match lead {
                Lead::Drafter(_) => Some(sample.drafts.len()),
                _ => sample.lanes[member.0].current(),
            };
            let Some(index) = index else { return Vec::new() };
            let Some(view) = sample.view(member.0, index) else { return Vec::new() };
            let union = settings.ensemble().union();
            let detail = match lead {
                // It is weighed in votes that are only taken when its sequence has gone on.
                Lead::Drafter(_) => (!view.is_complete()).then(|| OwnedDetail::Top(view.rows())),
                _ => missing_of_lead(union, member, view, lead.certainty(), sample.decoding),
            };
            detail.map(|detail| Question { slot: 0, member: member.0, index, detail }).into_iter().collect()
        }
        (SamplePhase::Supporting, lead) => {
            let asked = sample.drafts.iter().filter(|draft| draft.asks());
            let of_draft = |draft: &Draft| {
                if settings.draws() {
                    return missing_of_drawn(sample, draft).into_iter().collect();
                }
                let Some(all) = all_views(sample, &draft.views) else { return Vec::new() };
                let votes = votes(sample, &all);
                let (method, decoding) = (settings.method(), sample.decoding);
                let missing = match lead {
                    Lead::Drafter(_) => method.missing_to_verify(votes, decoding, draft.token, segmentation),
                    _ => method.missing(votes, decoding, None, segmentation),
                };
                Question::of(missing, 0, &draft.views)
            };
            asked.flat_map(of_draft).collect()
        }
        // A guess by what is known will do.
        (SamplePhase::Drafting(_) | SamplePhase::Finished(_), _) => Vec::new(),
    }
}

/// What has to be asked of the member that is drawn.
fn missing_of_drawn(sample: &Sample, draft: &Draft) -> Option<Question> {
    let MemberId(member) = sample.drawn()?;
    let index = draft.views[member]?;
    let union = sample.settings.ensemble().union();
    let (view, certainty) = (sample.view(member, index)?, Certainty::TopProbability);
    let detail = missing_of_lead(union, MemberId(member), view, certainty, sample.decoding)?;
    Some(Question { slot: 0, member, index, detail })
}

/// Which of its views each member has of what comes next.
fn said(sample: &Sample) -> Vec<Option<usize>> {
    sample.lanes.iter().map(Lane::current).collect()
}

/// All that is not known of what members said.
fn everything(sample: &Sample) -> Vec<Question> {
    let of_lane = |(member, lane): (usize, &Lane)| {
        let unknown = |(index, view): (usize, &Distribution)| {
            let detail = OwnedDetail::Top(view.rows());
            (!view.is_complete()).then_some(Question { slot: 0, member, index, detail })
        };
        lane.given().iter().enumerate().filter_map(unknown).collect::<Vec<_>>()
    };
    sample.lanes.iter().enumerate().flat_map(of_lane).collect()
}

/// Goes on with a sample that is ready: asks others, or emits a token (or several that were drafted). Where its branches
/// part, the other part is given.
pub(crate) fn advance(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<Option<Sample>, Trouble> {
    if sample.look() {
        return Ok(None);
    }
    match &mut sample.phase {
        SamplePhase::Finished(_) => Ok(None),
        SamplePhase::Weighing(weighing) => {
            if let Some(weights) = weighing.add(&mut sample.lanes) {
                sample.weighed(weights);
            }
            Ok(None)
        }
        SamplePhase::Drafting(place) => {
            let place = *place;
            go_on_alone(sample, place, resources);
            Ok(None)
        }
        SamplePhase::Supporting => match sample.settings.lead() {
            Lead::Drafter(_) => verify(sample, resources).map(|()| None),
            _ => decide(sample, resources),
        },
        SamplePhase::Leading => match *sample.settings.lead() {
            Lead::Everybody if !sample.settings.draws() => {
                let views = said(sample);
                watch(sample, &views);
                let winner = vote(sample, None, &views, resources.segmentation)?;
                let emission = Emission::new(sample, &[Some(winner)], None, &[true], &views, resources.segmentation);
                emission.emit(sample, resources)?;
                go_on(sample, resources);
                Ok(None)
            }
            Lead::Everybody | Lead::Only | Lead::Gate { .. } => {
                let lead = sample.leader().unwrap_or(MemberId(0));
                let index = sample.lanes[lead.0].current().unwrap_or(0);
                let mut draft = propose(sample, lead, index, 0, &[])?;
                if let Some(guesses) = sample.guesses.as_mut().filter(|guesses| guesses.member() == Some(lead)) {
                    guesses.watch(draft.token);
                }
                if draft.is_voted_on() {
                    draft.full = sample.supporters_are_full();
                }
                let asked: Vec<usize> = if draft.full { Vec::new() } else { sample.voters().collect() };
                for (branch, wanted) in sample.branches.iter_mut().zip(&draft.wanted) {
                    branch.consult(asked.iter().copied().filter(|_| *wanted));
                }
                let asks = draft.asks();
                if asks {
                    consult(sample, &mut draft, resources.segmentation);
                    sample.phase = SamplePhase::Supporting;
                }
                sample.drafts = vec![draft];
                if asks { Ok(None) } else { decide(sample, resources) }
            }
            Lead::Drafter(drafter) => {
                if draft_on(sample, drafter)? {
                    return Ok(None);
                }
                if ask_to_verify(sample, resources.segmentation) {
                    sample.phase = SamplePhase::Supporting;
                    return Ok(None);
                }
                verify(sample, resources).map(|()| None)
            }
        },
    }
}

/// Takes what a member that drafts says as a guess, where nothing is guessed.
fn watch(sample: &mut Sample, views: &[Option<usize>]) {
    let Some(guesses) = sample.guesses.as_ref().filter(|guesses| guesses.next.is_empty()) else { return };
    let Some((member, index)) = guesses.member().and_then(|member| Some((member, views[member.0]?))) else { return };
    let guess = propose(sample, member, index, 0, &[]);
    if let (Ok(draft), Some(guesses)) = (guess, &mut sample.guesses) {
        guesses.watch(draft.token);
    }
}

/// What a sample emits under each of its branches, once everybody who is to be asked was; where that is not the same, it
/// forks, and the other part is given.
fn decide(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<Option<Sample>, Trouble> {
    let Some(draft) = sample.drafts.pop() else { return Ok(None) };
    let drawn = sample.drawn();
    let alone = Winner { drawn: *sample.settings.lead() == Lead::Everybody, ..Winner::from(&draft) };
    let mut voted = None;
    if draft.asks() {
        voted = Some(match drawn.zip(drawn.and_then(|member| draft.views[member.0])) {
            Some((member, index)) => Winner { drawn: true, ..(&propose(sample, member, index, 0, &[])?).into() },
            None => vote(sample, Some(&draft), &draft.views, resources.segmentation)?,
        });
    }
    let winner = |wants: bool| if wants { voted.clone() } else { Some(alone.clone()) };
    let wanted = &draft.wanted;
    let divided = wanted.contains(&true) && wanted.contains(&false);
    if !divided || same(sample, &alone, voted.as_ref(), resources.segmentation)? {
        let winners: Vec<Option<Winner>> = wanted.iter().map(|&wants| winner(wants)).collect();
        let emission = Emission::new(sample, &winners, Some(&draft), wanted, &draft.views, resources.segmentation);
        emission.emit(sample, resources)?;
        go_on(sample, resources);
        return Ok(None);
    }
    let mut part = |wants: bool| {
        let branches = wanted.iter().filter(|&&wanted| wanted == wants).count();
        let (winners, wanted) = (vec![winner(wants); branches], vec![wants; branches]);
        Emission::new(sample, &winners, Some(&draft), &wanted, &draft.views, resources.segmentation)
    };
    let (stays, leaves) = (part(false), part(true));
    let mut other = sample.split(wanted, resources.models)?;
    let emitted = stays.emit(sample, resources).and_then(|()| leaves.emit(&mut other, resources));
    if let Err(error) = emitted {
        other.close(resources.models);
        return Err(error.into());
    }
    go_on(sample, resources);
    go_on(&mut other, resources);
    Ok(Some(other))
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
    if alone.alone == voted.alone || ensemble.union().end() == Some(alone.token) {
        return Ok(true);
    }
    for (member, id) in [alone.alone, voted.alone].into_iter().flatten() {
        if ensemble.segment(segmentation, alone.token, member.0)? != [id] {
            return Ok(false);
        }
    }
    Ok(true)
}
