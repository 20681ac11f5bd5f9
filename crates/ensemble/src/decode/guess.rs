//! Tokens that are guessed ahead and read with the last one: where they come true, what follows them is known already.
//!
//! Guesses stand in the lanes of the members that are asked, as proposed tokens, with a distribution wanted after each.
//! A sample then goes on token by token as it does without them. Where a lane has a distribution after exactly what was
//! emitted, nothing is read; where it has not, what was guessed is forgotten. So no guess can change what is emitted.

use gac_inference::TokenId;

use crate::decode::draft::Draft;
use crate::decode::draft_lane::DraftLane;
use crate::decode::guesses::Guesses;
use crate::decode::propose::propose;
use crate::decode::sample::{Sample, SamplePhase};
use crate::drafting::Proposer;
use crate::lanes::lane::Lane;
use crate::member::MemberId;
use crate::resources::Resources;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionToken};
use crate::vote::sampling::unit;

/// Goes on behind a token, and reads ahead where the leads have to read at all.
pub(crate) fn go_on(sample: &mut Sample, resources: &mut Resources<'_>) {
    if !sample.go_on() {
        return;
    }
    match sample.guesses.as_ref().map(Guesses::proposer) {
        Some(Proposer::Member(member)) => begin_alone(sample, member.0, resources),
        Some(Proposer::Drafter) if sample.drafter.as_ref().is_some_and(DraftLane::can_go_on) => {
            begin_alone(sample, sample.lanes.len(), resources);
        }
        Some(Proposer::Prompt) => read_ahead(sample, resources),
        Some(Proposer::Drafter) | None => {}
    }
}

/// Lets the one at `place` go on alone before the other leads read, where that is worth it.
fn begin_alone(sample: &mut Sample, place: usize, resources: &mut Resources<'_>) {
    let settings = sample.settings.clone();
    let seconds = |place: usize| resources.paces[settings.seat(place).model.0].seconds();
    let step: Option<f64> = settings.readers().map(seconds).sum();
    let alone = seconds(place).zip(step).map(|(alone, step)| alone / step);
    let Some(guesses) = &mut sample.guesses else { return };
    let wanted = guesses.begin_alone(resources.acceptance, alone, resources.in_flight);
    // What follows the last token that it may emit is of no use.
    guesses.wanted = wanted.min(sample.max_new_tokens.saturating_sub(sample.emitted + 1));
    if guesses.wanted == 0 {
        return;
    }
    for &lead in settings.leads().iter().filter(|&&lead| lead != place) {
        sample.lanes[lead].want(Vec::new());
    }
    if place == sample.lanes.len() {
        sample.lane_mut(place).want_last();
    }
    sample.phase = SamplePhase::Drafting(place);
}

/// Takes what the one at `place`, which goes on alone, says next as a guess. Where it has guessed enough, the other leads
/// are asked about all of that.
pub(crate) fn go_on_alone(sample: &mut Sample, place: usize, resources: &mut Resources<'_>) {
    let Some(guesses) = &sample.guesses else { return };
    let (ahead, wanted) = (guesses.next.len(), if guesses.has_room { guesses.wanted } else { 0 });
    if let Some(token) = next_alone(sample, place, ahead) {
        if let Some(guesses) = &mut sample.guesses {
            guesses.next.push_back(token);
        }
        let goes_on = match &mut sample.drafter {
            _ if ahead + 1 >= wanted => false,
            Some(drafting) => drafting.propose(token),
            None => propose_to(sample, &[place], token, resources.segmentation),
        };
        if goes_on {
            sample.lane_mut(place).want_next();
            return;
        }
    }
    ask_about_guesses(sample, place, resources.segmentation);
}

/// What the one at `place` says behind `ahead` guesses; none where the text would end, or it says nothing that can be
/// used.
fn next_alone(sample: &Sample, place: usize, ahead: usize) -> Option<UnionId> {
    let union = sample.settings.ensemble().union();
    let guesses = sample.guesses.as_ref()?;
    let text: Vec<u8> = guesses.next.iter().flat_map(|&token| union.bytes(token)).copied().collect();
    let newest = sample.lane(place).given().len().checked_sub(1)?;
    let token = match &sample.drafter {
        Some(DraftLane { drafter, lane, .. }) => {
            let draw = unit(sample.seed, sample.emitted + ahead);
            drafter.proposes(&lane.given()[newest], sample.decoding, draw)?
        }
        None => propose(sample, MemberId(place), newest, ahead, &text).ok()?.token,
    };
    let UnionToken::Text(bytes) = union.token(token) else { return None };
    (!sample.text.stops_with(&[&text[..], bytes].concat())).then_some(token)
}

/// Asks all leads that read drafts about what the one at `place` has guessed, in one forward each, and the others about the
/// first of it.
fn ask_about_guesses(sample: &mut Sample, place: usize, segmentation: &mut Segmentation) {
    let settings = sample.settings.clone();
    sample.phase = SamplePhase::Leading;
    for &lead in settings.leads().iter().filter(|&&lead| lead != place) {
        sample.lanes[lead].want_last();
    }
    let others: Vec<usize> = settings.readers().filter(|&lead| lead != place).collect();
    let everybody: Vec<usize> =
        settings.leads().iter().copied().filter(|&lead| lead == place || others.contains(&lead)).collect();
    let Some(guesses) = &sample.guesses else { return };
    let most = if guesses.has_room { guesses.next.len() } else { 0 };
    let tokens: Vec<UnionId> = guesses.next.iter().copied().take(most).collect();
    // A member itself has not read its last guess, unless it could not be spelled to it.
    let read_by_itself = sample.lane(place).given().len().saturating_sub(1);
    let mut read = 0;
    for (at, &token) in tokens.iter().enumerate() {
        let asked = if at < read_by_itself || others.is_empty() { &others } else { &everybody };
        if !propose_to(sample, asked, token, segmentation) {
            break;
        }
        for &lead in asked {
            sample.lanes[lead].want_next();
        }
        read += 1;
    }
    if let Some(guesses) = &mut sample.guesses {
        guesses.next.truncate(read.max(1));
        guesses.read = read;
        guesses.counts.drafted += read;
    }
}

/// Lets the leads of `sample` that read drafts, which are asked for its next token, read on with what may come next.
fn read_ahead(sample: &mut Sample, resources: &mut Resources<'_>) {
    let Some(guesses) = &mut sample.guesses else { return };
    let mut most = guesses.look(resources.acceptance, resources.in_flight);
    // What follows the last token that it may emit is of no use.
    most = most.min(sample.max_new_tokens.saturating_sub(sample.emitted + 1));
    let tokens: Vec<UnionId> = guesses.next.iter().copied().take(most).collect();
    let settings = sample.settings.clone();
    let readers: Vec<usize> = settings.readers().collect();
    let union = settings.ensemble().union();
    let mut text = Vec::new();
    let mut read = 0;
    for token in tokens {
        let UnionToken::Text(bytes) = union.token(token) else { break };
        text.extend_from_slice(bytes);
        if sample.text.stops_with(&text) || !propose_to(sample, &readers, token, resources.segmentation) {
            break;
        }
        for &lead in &readers {
            sample.lanes[lead].want_next();
        }
        read += 1;
    }
    if let Some(guesses) = &mut sample.guesses {
        guesses.read = read;
        guesses.counts.drafted += read;
    }
}

/// Proposes a token to some members; to none where one of them cannot spell it, or has no room for it.
fn propose_to(sample: &mut Sample, members: &[usize], token: UnionId, segmentation: &mut Segmentation) -> bool {
    let settings = sample.settings.clone();
    let ensemble = settings.ensemble();
    let mut spelled: Vec<Vec<TokenId>> = Vec::with_capacity(members.len());
    for &member in members {
        match ensemble.segment(segmentation, token, member) {
            Ok(ids) if sample.lanes[member].length() + ids.len() <= ensemble.members()[member].limits.context => {
                spelled.push(ids.to_vec());
            }
            _ => return false,
        }
    }
    members.iter().zip(spelled).for_each(|(&member, ids)| sample.lanes[member].propose(&ids));
    true
}

/// Asks the supporters about `draft`, on which a vote is wanted, and those that read drafts in the same chunk about what the
/// leads have read ahead that will want one if the guesses come true.
pub(crate) fn consult(sample: &mut Sample, draft: &mut Draft, segmentation: &mut Segmentation) {
    let mut asked = Vec::new();
    for supporter in sample.voters().collect::<Vec<_>>() {
        draft.views[supporter] = sample.lanes[supporter].current();
        if draft.views[supporter].is_none() {
            draft.views[supporter] = Some(0);
            sample.lanes[supporter].forget_proposed();
            sample.consult(supporter);
            if !sample.settings.seat(supporter).remote {
                asked.push(supporter);
            }
        }
    }
    let (Some(guesses), Some(first)) = (&sample.guesses, draft.views[draft.member.0]) else { return };
    if asked.is_empty() {
        return;
    }
    let tokens: Vec<UnionId> = guesses.next.iter().copied().take(guesses.read).collect();
    // Where the vote is sure not to be the guess, nothing behind it is looked at: nobody knows before the vote.
    for (ahead, token) in (1..).zip(tokens) {
        let Some(later) = of_lead(sample, draft.member, first + ahead, ahead) else { return };
        if !propose_to(sample, &asked, token, segmentation) {
            return;
        }
        if later.is_voted_on() {
            for &supporter in &asked {
                sample.lanes[supporter].want_next();
            }
        } else if guessed_at(sample, ahead) != Some(later.token) {
            return;
        }
    }
}

/// What the lead would emit after `ahead` guesses, where it has told all of that.
fn of_lead(sample: &Sample, lead: MemberId, index: usize, ahead: usize) -> Option<Draft> {
    sample.view(lead.0, index).filter(|view| view.is_complete())?;
    propose(sample, lead, index, ahead, &[]).ok()
}

fn guessed_at(sample: &Sample, ahead: usize) -> Option<UnionId> {
    sample.guesses.as_ref()?.next.get(ahead).copied()
}

/// Makes room: what was read ahead is forgotten, and nothing is read ahead any more; whether there was anything.
pub(crate) fn forget(sample: &mut Sample) -> bool {
    let Some(guesses) = sample.guesses.as_mut().filter(|guesses| guesses.has_room) else { return false };
    guesses.has_room = false;
    guesses.next.clear();
    let ahead = |lane: &Lane| lane.length() > lane.tokens().len();
    let drafter_reads =
        sample.drafter.as_ref().is_some_and(|drafting| drafting.lane.is_reading() || ahead(&drafting.lane));
    if guesses.read == 0 && !drafter_reads && !sample.lanes.iter().any(ahead) {
        return false;
    }
    guesses.read = 0;
    sample.drafts.clear();
    if let Some(drafting) = &mut sample.drafter {
        drafting.forget();
    }
    for lane in &mut sample.lanes {
        lane.forget_proposed();
        lane.want(Vec::new());
    }
    sample.lead();
    true
}
