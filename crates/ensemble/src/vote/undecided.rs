//! Votes on lists: whether what the members have told decides, and what is to be asked where it does not.
//!
//! A member that runs on a server lists its most probable tokens. Of an unlisted token it is known that it has no more
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
//! | a gate by entropy; `gac` with sampling | everything |
//! | verification (SAFE) | as `unite` over 10 tokens, beside its method, and the proposal's exact probability |

use gac_inference::{Detail, Distribution, TokenId};

use super::combine::largest;
use super::gating::Certainty;
use super::member_view::{most_probable, top};
use super::method::Method;
use super::sampling::Decoding;
use super::votes::{SHARPENED, Votes};
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// More than sums of a few probabilities can be off by, relatively.
const MARGIN: f64 = 1e-9;
/// Most tokens of one member that are asked for one by one; where more contend, its list is made longer.
const MOST_TOKENS: usize = 128;
/// A list is made longer by this factor.
const LONGER: usize = 4;
/// The shortest list that is asked for.
const SHORTEST: usize = 16;

/// More that has to be known of one member's distribution.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Missing {
    pub(crate) member: MemberId,
    pub(crate) need: Need,
}

/// What has to be known: [`Detail`], owned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Tokens(Vec<TokenId>),
    Top(usize),
}

impl Need {
    pub(crate) fn detail(&self) -> Detail<'_> {
        match self {
            Self::Tokens(ids) => Detail::Tokens(ids),
            Self::Top(count) => Detail::Top(*count),
        }
    }

    /// A longer list than that of `distribution`.
    fn longer(distribution: &Distribution) -> Self {
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
) -> Option<Need> {
    if distribution.is_complete() {
        return None;
    }
    match (certainty, decoding) {
        (Certainty::Entropy, _) | (_, Decoding::Sampled(_)) => Some(Need::everything(distribution)),
        (Certainty::TopProbability, _) => longer_for(union, member, distribution, 1),
        (Certainty::Margin, _) => longer_for(union, member, distribution, 2),
    }
}

/// A longer list where a member's `k` most probable tokens may not all be in the one that is there.
fn longer_for(union: &UnionVocabulary, member: MemberId, distribution: &Distribution, k: usize) -> Option<Need> {
    let known = most_probable(union, member, distribution, k);
    // An unlisted one as probable as the last would come before it where its id is lower.
    let holds = known.len() == k && known.last().is_none_or(|(_, p)| p.is_nan() || *p > distribution.ceiling());
    (!holds && !distribution.is_complete()).then(|| Need::longer(distribution))
}

impl Votes<'_> {
    /// What is to be asked before [`combine`](Votes::combine) gives what full distributions would: the winner, or with
    /// sampling, what is drawn from. Nothing where that is decided. `also` is a token whose own probability is wanted.
    ///
    /// To be called again when that was answered, until nothing is missing.
    pub(crate) fn missing(
        &self,
        method: Method,
        decoding: Decoding,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<Missing> {
        if self.members.iter().all(|distribution| distribution.is_complete()) {
            return Vec::new();
        }
        match (method, decoding) {
            (Method::Gac, Decoding::Greedy) => {
                let mut missing = self.missing_of_average();
                if missing.is_empty()
                    && let Some(also) = also
                {
                    missing = self.missing_tokens(&[also]);
                }
                missing
            }
            (Method::Gac, Decoding::Sampled(_)) => self.everything(),
            (Method::Unite { top_k }, _) => self.missing_of_candidates(top_k, also, segmentation),
            (Method::Geometric { floor }, _) => self.missing_of_geometric(floor),
        }
    }

    /// What is to be asked before `draft` can be verified, and voted on where it is refused.
    pub(crate) fn missing_to_verify(
        &self,
        method: Method,
        decoding: Decoding,
        draft: UnionId,
        segmentation: &mut Segmentation,
    ) -> Vec<Missing> {
        if self.members.iter().all(|distribution| distribution.is_complete()) {
            return Vec::new();
        }
        let mut missing = self.missing(method, decoding, Some(draft), segmentation);
        if missing.is_empty() {
            missing = self.missing_of_candidates(SHARPENED, None, segmentation);
        }
        missing
    }

    /// The members with a vote of which not everything is known: `(member, weight, distribution)`.
    fn open(&self) -> impl Iterator<Item = (MemberId, f64, &Distribution)> {
        self.parts().filter(|(_, weight, distribution)| *weight > 0.0 && !distribution.is_complete())
    }

    fn everything(&self) -> Vec<Missing> {
        self.open().map(|(member, _, d)| Missing { member, need: Need::everything(d) }).collect()
    }

    /// The ids of `tokens` whose probabilities are not known.
    fn missing_tokens(&self, tokens: &[UnionId]) -> Vec<Missing> {
        self.missing_ids(|member, distribution| {
            let ids = tokens.iter().flat_map(|&token| self.union.projection(member).ids(token));
            ids.copied().filter(|&id| !distribution.knows(id)).collect()
        })
    }

    fn missing_ids(&self, mut ids: impl FnMut(MemberId, &Distribution) -> Vec<TokenId>) -> Vec<Missing> {
        let mut missing = Vec::new();
        for (member, _, distribution) in self.open() {
            let mut ids = ids(member, distribution);
            ids.sort_unstable();
            ids.dedup();
            let need = match ids.len() {
                0 => continue,
                1..=MOST_TOKENS => Need::Tokens(ids),
                _ => Need::longer(distribution),
            };
            missing.push(Missing { member, need });
        }
        missing
    }

    /// What a token can have beyond what is known of it, of one member.
    fn beyond(&self, member: MemberId, distribution: &Distribution, token: UnionId) -> f64 {
        let ids = self.union.projection(member).ids(token);
        distribution.at_most(ids.iter().filter(|id| !distribution.knows(**id)).count())
    }

    /// See the module: a token's least is the known part of its q, its most is that and what is beyond.
    ///
    /// Only tokens whose least is not below the best one's by more than a token that nobody lists can have are looked at,
    /// and such a token has an id with at least its share of that.
    fn missing_of_average(&self) -> Vec<Missing> {
        // Of members without a vote, nothing matters.
        let shares: Vec<(MemberId, f64, &Distribution)> = self
            .open()
            .map(|(member, weight, d)| (member, weight * d.at_most(self.union.projection(member).most_ids()), d))
            .collect();
        let unlisted = shares.iter().map(|(_, share, _)| share).sum::<f64>() * (1.0 + MARGIN);
        let mut best = 0.0_f64;
        for (member, _, distribution) in self.parts() {
            let (id, p) = top(self.union, member, distribution);
            if p.is_nan() {
                return Vec::new();
            }
            let token = self.union.projection(member).key(id);
            best = best.max(token.map_or(0.0, |token| self.known_part(token)));
        }
        if best <= unlisted {
            let most = shares.iter().map(|(_, share, _)| *share).fold(0.0, f64::max);
            let wide = shares.into_iter().filter(|(_, share, _)| 2.0 * share >= most);
            return wide.map(|(member, _, d)| Missing { member, need: Need::longer(d) }).collect();
        }
        let ids: usize = self.parts().map(|(member, _, _)| self.union.projection(member).most_ids()).sum();
        let floor = (1.0 - MARGIN) * (best - unlisted) / ids as f64;
        let mut listed: Vec<UnionId> = Vec::new();
        for (member, weight, distribution) in self.parts().filter(|(_, weight, _)| *weight > 0.0) {
            let projection = self.union.projection(member);
            listed.extend(distribution.at_least(floor / weight).filter_map(|id| projection.key(id)));
        }
        listed.sort_unstable();
        listed.dedup();
        let Some((winner, least)) = largest(listed.iter().map(|&token| (token, self.known_part(token)))) else {
            return Vec::new();
        };
        let contends = |token: &UnionId| {
            let beyond: f64 = self.open().map(|(member, weight, d)| weight * self.beyond(member, d, *token)).sum();
            beyond > 0.0 && (self.known_part(*token) + beyond) * (1.0 + MARGIN) >= least
        };
        let mut contenders: Vec<UnionId> =
            listed.into_iter().filter(|token| *token != winner && contends(token)).collect();
        if contenders.is_empty() {
            return Vec::new();
        }
        contenders.push(winner);
        self.missing_tokens(&contenders)
    }

    /// The known part of q(u), added up as q(u) is.
    fn known_part(&self, token: UnionId) -> f64 {
        let mut q = 0.0;
        for (member, weight, distribution) in self.parts() {
            for &id in self.union.projection(member).ids(token) {
                q += weight * distribution.prob(id);
            }
        }
        q
    }

    /// What `UniTE` needs, and SAFE's sharpening: every member's `top_k`, and what each gives to all candidates.
    fn missing_of_candidates(
        &self,
        top_k: usize,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<Missing> {
        let short = self.parts().filter_map(|(member, _, distribution)| {
            let need = longer_for(self.union, member, distribution, top_k)?;
            Some(Missing { member, need })
        });
        let short: Vec<Missing> = short.collect();
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

    fn missing_of_geometric(&self, floor: f64) -> Vec<Missing> {
        let above = self.parts().filter_map(|(member, _, distribution)| {
            // A token all of whose ids are below this is at the floor.
            let cut = floor / self.union.projection(member).most_ids().max(1) as f64;
            let down_to_it = distribution.is_complete() || distribution.ceiling() < 0.99 * cut;
            (!down_to_it).then(|| Missing { member, need: Need::longer(distribution) })
        });
        let above: Vec<Missing> = above.collect();
        if !above.is_empty() {
            return above;
        }
        self.missing_tokens(&self.above(floor))
    }
}

#[cfg(test)]
mod tests;
