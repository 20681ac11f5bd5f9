//! Methods whose steps are decided elsewhere, or on bytes: what members together say is their weighted average.

use super::gac::Gac;
use super::token_method::{MethodDescription, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// The average of what members say, of bytes or of tokens; choices are scored by it.
pub(crate) struct OnAverage(pub(crate) &'static MethodDescription);

/// See [`Method::SampleAMember`](crate::Method::SampleAMember), whose steps are drawn in `decode`.
pub(crate) const SAMPLE_A_MEMBER: OnAverage = OnAverage(&MethodDescription {
    name: "sample-a-member",
    about: "A model is drawn by its weight, whose own token is taken",
    settings: &[],
});
/// See [`Method::Bytes`](crate::Method::Bytes). What members say of bytes is made in `bytes`.
pub(crate) const BYTES: OnAverage =
    OnAverage(&MethodDescription { name: "bytes", about: "Weighted average of byte probabilities", settings: &[] });
/// See [`Method::Chared`](crate::Method::Chared).
pub(crate) const CHARED: OnAverage =
    OnAverage(&MethodDescription { name: "chared", about: "`bytes` approximately, for any tokenizer", settings: &[] });
/// See [`Method::Abe`](crate::Method::Abe). The search is in `agree`.
pub(crate) const ABE: OnAverage = OnAverage(&MethodDescription {
    name: "abe",
    about: "Agreement-based ensembling: each model writes the text in its own tokens",
    settings: &["beam"],
});

impl TokenMethod for OnAverage {
    fn description(&self) -> &'static MethodDescription {
        self.0
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
