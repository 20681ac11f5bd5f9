//! The members' distributions of one step.

use gac_inference::Distribution;

use super::combine::largest;
use super::member_view::{most_probable, own_prob};
use super::weights::Weights;
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// Candidates per member for the sharpening of a vote without a majority.
pub(crate) const SHARPENED: usize = 10;

/// The members' distributions for one step, with the vocabulary that joins them.
#[derive(Clone, Copy)]
pub(crate) struct Votes<'a> {
    pub(crate) union: &'a UnionVocabulary,
    pub(crate) weights: &'a Weights,
    /// One per member.
    pub(crate) members: &'a [&'a Distribution],
}

impl<'a> Votes<'a> {
    /// `(member, weight, distribution)` of all members.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (MemberId, f64, &'a Distribution)> + use<'a> {
        let members: &'a [&'a Distribution] = self.members;
        members.iter().zip(self.weights.get()).enumerate().map(|(m, (&d, &weight))| (MemberId(m), weight, d))
    }

    /// The winner of a vote without a majority, by what each candidate gets when members who lack it give it the
    /// probability of its first piece (SAFE, "probability sharpening"). Over `UniTE`, which counts so anyway, nothing
    /// changes.
    pub(crate) fn sharpen(&self, segmentation: &mut Segmentation) -> Option<UnionId> {
        let candidates = self.candidates(SHARPENED, None);
        let sharpened = candidates.into_iter().map(|token| {
            let parts = self.parts().map(|(m, weight, d)| weight * self.or_first_piece(m, d, token, segmentation));
            (token, parts.sum::<f64>())
        });
        largest(sharpened).map(|(token, _)| token)
    }

    /// The union of each member's `k` most probable tokens, ascending.
    pub(crate) fn candidates(&self, k: usize, also: Option<UnionId>) -> Vec<UnionId> {
        let mut tokens: Vec<UnionId> = also.into_iter().collect();
        for (member, _, distribution) in self.parts() {
            let projection = self.union.projection(member);
            let ids = most_probable(self.union, member, distribution, k);
            tokens.extend(ids.into_iter().filter_map(|(id, _)| projection.key(id)));
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// A member's probability of `token`, or of the first piece it would spell it with; 0 where it cannot.
    pub(crate) fn or_first_piece(
        &self,
        member: MemberId,
        distribution: &Distribution,
        token: UnionId,
        segmentation: &mut Segmentation,
    ) -> f64 {
        if !self.union.projection(member).ids(token).is_empty() {
            return own_prob(self.union, member, distribution, token);
        }
        let first = segmentation.segment(token, member).ok().and_then(|ids| ids.first().copied());
        first.map_or(0.0, |id| distribution.prob(id))
    }
}
