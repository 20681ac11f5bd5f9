//! `abe`: members agree on a text in their own tokens.

use super::gac::Gac;
use super::token_method::{MethodDescription, MethodError, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// See [`Method::Abe`](crate::Method::Abe). The search is in `agree`; here choices are scored.
pub(crate) struct Abe {
    pub(crate) beam: usize,
}

impl TokenMethod for Abe {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "abe",
            about: "Agreement-based ensembling: each model writes the text in its own tokens",
            settings: &["beam"],
        }
    }

    fn validate(&self) -> Result<(), MethodError> {
        if self.beam == 0 { Err(MethodError::Beam) } else { Ok(()) }
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
