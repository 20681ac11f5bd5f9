//! `sample-a-member`: a member is drawn by its weight, and a token of its own.

use super::gac::Gac;
use super::token_method::{MethodDescription, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// See [`Method::SampleAMember`](crate::Method::SampleAMember). A sample's steps are drawn in `decode`; what all members
/// together say of a token is what draws come to on average.
pub(crate) struct SampleAMember;

impl TokenMethod for SampleAMember {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "sample-a-member",
            about: "A model is drawn by its weight, whose own token is taken",
            settings: &[],
        }
    }

    fn combine<'a>(&self, votes: Votes<'a>, also: Option<UnionId>, segmentation: &mut Segmentation) -> Combined<'a> {
        Gac.combine(votes, also, segmentation)
    }

    fn missing(
        &self,
        votes: Votes<'_>,
        decoding: Decoding,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        Gac.missing(votes, decoding, also, segmentation)
    }
}
