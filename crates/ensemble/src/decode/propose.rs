//! What the lead of a sample proposes, and who wants a vote on it.

use gac_inference::{Distribution, TokenId};

use crate::decode::draft::Draft;
use crate::decode::sample::Sample;
use crate::error::RequestError;
use crate::member::MemberId;
use crate::settings::Lead;
use crate::vocabulary::union::UnionVocabulary;
use crate::vote::gating::Certainty;
use crate::vote::member_view::top;
use crate::vote::sampling::{Decoding, unit};
use crate::vote::token_boundary::splits_between;

/// What the lead of `sample` would emit by its view `index`, as the token that comes after `before` further ones
/// with the text `text`.
///
/// # Errors
/// When its probabilities are unusable.
pub(crate) fn propose(
    sample: &Sample,
    lead: MemberId,
    index: usize,
    before: usize,
    text: &[u8],
) -> Result<Draft, RequestError> {
    let settings = &sample.settings;
    let members = settings.ensemble().members();
    let union = settings.ensemble().union();
    let unusable = || RequestError::NoProbabilities { member: members[lead.0].name.clone() };
    let view = sample.view(lead.0, index).ok_or_else(unusable)?;
    let (first, most) = top(union, lead, view);
    let certainty = match settings.lead().certainty() {
        Certainty::TopProbability => most,
        other => other.of(union, lead, view),
    };
    let (id, probability) = match sample.decoding {
        Decoding::Greedy => (first, most),
        Decoding::Sampled(sampling) => {
            let draw = unit(sample.seed, sample.emitted + before);
            sampling.pick(all_ids(union, lead, view), draw).unwrap_or((first, most))
        }
    };
    let token = union.projection(lead).key(id).filter(|_| probability > 0.0).ok_or_else(unusable)?;
    let next = union.bytes(token);
    let verifiable = || {
        let supporters = settings.supporters().iter();
        let said = [sample.text.bytes(), text].concat();
        supporters.map(|&member| &members[member].tokenizer).all(|tokenizer| splits_between(tokenizer, &said, next))
    };
    let wanted = match settings.lead() {
        Lead::Drafter(_) => vec![verifiable()],
        Lead::Everybody if settings.draws() => vec![false; sample.branches.len()],
        lead => sample.branches.iter().map(|branch| lead.votes(branch.rule, certainty)).collect(),
    };
    let mut views = vec![None; members.len()];
    views[lead.0] = Some(index);
    Ok(Draft { member: lead, id, token, probability, certainty, wanted, full: false, views })
}

/// All of `member`'s ids that have a union token, with their probabilities.
fn all_ids(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> Vec<(TokenId, f64)> {
    let projection = union.projection(member);
    distribution.known().filter(|(id, _)| projection.key(*id).is_some()).collect()
}
