//! Votes on lists: whether what the members have told decides, and what is to be asked where it does not.
//!
//! A member that runs on a GPU or on a server lists its most probable tokens. Of an unlisted token it is known that it has no more
//! than the last of the list, and that all of them together have no more than the rest. So every union token has a least
//! and a most that it can come to; the winner is *decided* when its least is above every other's most. Otherwise the
//! members are asked for the exact probabilities of those that still contend, or for longer lists, and so on. What comes
//! out is what full distributions give, to the last bit.
//!
//! | what | what is asked for |
//! |---|---|
//! | `gac`, most probable token | contenders, until bounds decide |
//! | `unite` | the candidates' exact probabilities, once every list holds its `top_k` |
//! | `geometric` | lists down to the floor, then the candidates' exact probabilities |
//! | a gate by top probability or margin | a list whose first (two) are above all unlisted ones |
//! | a gate by entropy; `gac` with sampling; `core` | everything |
//! | verification (SAFE) | as `unite` over 10 tokens, beside its method, and the proposal's exact probability |

use gac_inference::{Detail, Distribution, TokenId};

use super::gating::Certainty;
use super::member_view::most_probable;
use super::sampling::Decoding;
use super::votes::Votes;
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// Most tokens of one member that are asked for one by one; where more contend, its list is made longer.
const MOST_TOKENS: usize = 128;
/// A list is made longer by this factor.
const LONGER: usize = 4;
/// The shortest list that is asked for.
const SHORTEST: usize = 16;

/// More that has to be known of one member's distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MissingDetail {
    pub(crate) member: MemberId,
    pub(crate) detail: OwnedDetail,
}

/// A [`Detail`] that is owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum OwnedDetail {
    Tokens(Vec<TokenId>),
    Top(usize),
}

impl OwnedDetail {
    pub(crate) fn detail(&self) -> Detail<'_> {
        match self {
            Self::Tokens(ids) => Detail::Tokens(ids),
            Self::Top(count) => Detail::Top(*count),
        }
    }

    /// A longer list than that of `distribution`.
    pub(crate) fn longer(distribution: &Distribution) -> Self {
        Self::Top((LONGER * distribution.known_count()).max(SHORTEST).min(distribution.rows()))
    }

    fn everything(distribution: &Distribution) -> Self {
        Self::Top(distribution.rows())
    }
}

/// What is missing to tell a lead's own next token, and its certainty.
pub(crate) fn missing_of_lead(
    union: &UnionVocabulary,
    member: MemberId,
    distribution: &Distribution,
    certainty: Certainty,
    decoding: Decoding,
) -> Option<OwnedDetail> {
    if distribution.is_complete() {
        return None;
    }
    match (certainty, decoding) {
        (Certainty::Entropy, _) | (_, Decoding::Sampled(_)) => Some(OwnedDetail::everything(distribution)),
        (Certainty::TopProbability, _) => longer_for(union, member, distribution, 1),
        (Certainty::Margin, _) => longer_for(union, member, distribution, 2),
    }
}

/// A longer list where a member's `k` most probable tokens may not all be in the one that is there.
fn longer_for(union: &UnionVocabulary, member: MemberId, distribution: &Distribution, k: usize) -> Option<OwnedDetail> {
    let known = most_probable(union, member, distribution, k);
    // An unlisted one as probable as the last would come before it where its id is lower.
    let holds = known.len() == k && known.last().is_none_or(|(_, p)| p.is_nan() || *p > distribution.ceiling());
    (!holds && !distribution.is_complete()).then(|| OwnedDetail::longer(distribution))
}

impl Votes<'_> {
    /// The members with a vote of which not everything is known: `(member, weight, distribution)`.
    pub(crate) fn open(&self) -> impl Iterator<Item = (MemberId, f64, &Distribution)> {
        self.parts().filter(|(_, weight, distribution)| *weight > 0.0 && !distribution.is_complete())
    }

    pub(crate) fn everything(&self) -> Vec<MissingDetail> {
        self.open().map(|(member, _, d)| MissingDetail { member, detail: OwnedDetail::everything(d) }).collect()
    }

    /// All of every member's distribution, with or without a vote.
    pub(crate) fn everything_of_all(&self) -> Vec<MissingDetail> {
        let short = self.parts().filter(|(_, _, distribution)| !distribution.is_complete());
        short.map(|(member, _, d)| MissingDetail { member, detail: OwnedDetail::everything(d) }).collect()
    }

    /// The ids of `tokens` whose probabilities are not known.
    pub(crate) fn missing_tokens(&self, tokens: &[UnionId]) -> Vec<MissingDetail> {
        self.missing_ids(|member, distribution| {
            let ids = tokens.iter().flat_map(|&token| self.union.projection(member).ids(token));
            ids.copied().filter(|&id| !distribution.knows(id)).collect()
        })
    }

    pub(crate) fn missing_ids(
        &self,
        mut ids: impl FnMut(MemberId, &Distribution) -> Vec<TokenId>,
    ) -> Vec<MissingDetail> {
        let mut missing = Vec::new();
        for (member, _, distribution) in self.open() {
            let mut ids = ids(member, distribution);
            ids.sort_unstable();
            ids.dedup();
            let detail = match ids.len() {
                0 => continue,
                1..=MOST_TOKENS => OwnedDetail::Tokens(ids),
                _ => OwnedDetail::longer(distribution),
            };
            missing.push(MissingDetail { member, detail });
        }
        missing
    }

    /// What `UniTE` needs, and SAFE's sharpening: every member's `top_k`, and what each gives to all candidates.
    pub(crate) fn missing_of_candidates(
        &self,
        top_k: usize,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        let short = self.parts().filter_map(|(member, _, distribution)| {
            let detail = longer_for(self.union, member, distribution, top_k)?;
            Some(MissingDetail { member, detail })
        });
        let short: Vec<MissingDetail> = short.collect();
        if !short.is_empty() {
            return short;
        }
        let candidates = self.candidates(top_k, also);
        self.missing_ids(|member, distribution| {
            let mut missing = Vec::new();
            for &token in &candidates {
                let ids = self.union.projection(member).ids(token);
                let first = if ids.is_empty() { segmentation.segment(token, member).ok() } else { None };
                let first = first.and_then(|ids| ids.first());
                missing.extend(ids.iter().chain(first).copied().filter(|&id| !distribution.knows(id)));
            }
            missing
        })
    }
}

#[cfg(test)]
mod tests;
