//! What a lead would emit, and who is to be asked about it.

use gac_inference::{Distribution, TokenId};

use crate::decode::sample::Sample;
use crate::error::RequestError;
use crate::member::MemberId;
use crate::settings::Lead;
use crate::vocabulary::union::{UnionId, UnionVocabulary};
use crate::vote::gating::Certainty;
use crate::vote::member_view::top;
use crate::vote::sampling::{Decoding, unit};
use crate::vote::token_boundary::splits_between;

/// A token that the member which may decide alone proposes.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) member: MemberId,
    pub(crate) id: TokenId,
    pub(crate) token: UnionId,
    pub(crate) probability: f64,
    pub(crate) certainty: f64,
    /// By branch: whether a vote is wanted on it.
    pub(crate) wanted: Vec<bool>,
    /// Whether the context of a member that would have to be asked is full.
    pub(crate) full: bool,
    /// By member: which of its views stands before this token; none for who is not asked.
    pub(crate) views: Vec<Option<usize>>,
}

impl Draft {
    /// What the lead of `sample` would emit by its view `index`, as the token that comes after `before` further ones
    /// with the text `text`.
    ///
    /// # Errors
    /// When its probabilities are unusable.
    pub(crate) fn new(
        sample: &Sample,
        lead: MemberId,
        index: usize,
        before: usize,
        text: &[u8],
    ) -> Result<Self, RequestError> {
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
        let (id, probability) = match settings.decoding() {
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
            let said = [&sample.bytes[..], text].concat();
            supporters.map(|&member| &members[member].tokenizer).all(|tokenizer| splits_between(tokenizer, &said, next))
        };
        let wanted = match settings.lead() {
            Lead::Drafter(_) => vec![verifiable()],
            lead => sample.branches.iter().map(|branch| lead.votes(branch.rule, certainty)).collect(),
        };
        let mut views = vec![None; members.len()];
        views[lead.0] = Some(index);
        Ok(Self { member: lead, id, token, probability, certainty, wanted, full: false, views })
    }

    /// Whether some branch wants a vote.
    pub(crate) fn is_voted_on(&self) -> bool {
        self.wanted.iter().any(|wanted| *wanted)
    }

    /// Whether the other members are to be asked.
    pub(crate) fn asks(&self) -> bool {
        !self.full && self.is_voted_on()
    }
}

/// All of `member`'s ids that have a union token, with their probabilities.
fn all_ids(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> Vec<(TokenId, f64)> {
    let projection = union.projection(member);
    distribution.known().filter(|(id, _)| projection.key(*id).is_some()).collect()
}
