//! Verification (SAFE): a drafter proposes several tokens, and the others check them in one forward.

use std::sync::Arc;

use crate::decode::ballot::{Winner, vote};
use crate::decode::draft::Draft;
use crate::decode::emission::Emission;
use crate::decode::guess::go_on;
use crate::decode::propose::propose;
use crate::decode::sample::{Sample, supporters_are_full};
use crate::error::{RequestError, Trouble};
use crate::lanes::lane::Lane;
use crate::member::MemberId;
use crate::resources::Resources;
use crate::vocabulary::segmentation::Segmentation;

/// Most tokens that a drafter proposes before they are verified: each is a distribution to keep.
const MOST_DRAFTS: usize = 4;

/// Adds what the drafter proposes to its drafts, and lets it go on from there; whether it does.
pub(crate) fn draft_on(sample: &mut Sample, drafter: MemberId) -> Result<bool, RequestError> {
    let settings = Arc::clone(&sample.settings);
    let union = settings.ensemble().union();
    let text: Vec<u8> = sample.drafts.iter().flat_map(|draft| union.bytes(draft.token)).copied().collect();
    let index = sample.drafts.len();
    let draft = propose(sample, drafter, index, index, &text)?;
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
pub(crate) fn ask_to_verify(sample: &mut Sample, segmentation: &mut Segmentation) -> bool {
    let settings = Arc::clone(&sample.settings);
    let (ensemble, supporters) = (settings.ensemble(), settings.supporters());
    let mut marks: Vec<Vec<usize>> = vec![Vec::new(); sample.lanes.len()];
    let mut kept = 0;
    for draft in &mut sample.drafts {
        if draft.is_voted_on() {
            draft.full = supporters_are_full(&settings, &sample.lanes);
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
            sample.consult_at(member, marks);
        }
    }
    sample.drafts.iter().any(Draft::asks)
}

/// Emits the drafts as far as they hold; where one does not, what the members vote for in its place.
pub(crate) fn verify(sample: &mut Sample, resources: &mut Resources<'_>) -> Result<(), Trouble> {
    let drafts = std::mem::take(&mut sample.drafts);
    let mut held = 0;
    for draft in &drafts {
        if draft.asks() {
            sample.branches[0].consult(sample.settings.supporters().iter().copied());
        }
        let winner = match (draft.is_voted_on(), draft.full) {
            (false, _) => Some(Winner::from(draft)),
            (true, true) => None,
            (true, false) => Some(vote(sample, Some(draft), &draft.views, resources.segmentation)?),
        };
        let holds = winner.as_ref().is_some_and(|winner| winner.alone.is_some());
        let emission =
            Emission::new(sample, &[winner], Some(draft), &draft.wanted, &draft.views, resources.segmentation);
        emission.emit(sample, resources)?;
        if !holds || sample.is_finished() {
            break;
        }
        held += 1;
    }
    sample.lanes.iter_mut().for_each(Lane::forget_proposed);
    sample.ahead = if held == drafts.len() { (2 * held).min(MOST_DRAFTS) } else { held.max(1) };
    go_on(sample, resources);
    Ok(())
}
