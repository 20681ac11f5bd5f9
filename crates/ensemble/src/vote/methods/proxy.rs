//! `proxy`: proxy tuning on bytes.

use super::bytes_product::log_linear;
use super::token_method::{MethodDescription, MethodError, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// See [`Method::Proxy`](crate::Method::Proxy).
pub(crate) struct Proxy {
    pub(crate) alpha: f64,
}

impl TokenMethod for Proxy {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "proxy",
            about: "The first model, moved by what the second has over the third, on bytes",
            settings: &["alpha"],
        }
    }

    fn validate(&self) -> Result<(), MethodError> {
        let alpha = self.alpha;
        if alpha.is_finite() { Ok(()) } else { Err(MethodError::Alpha { alpha }) }
    }

    fn combine<'a>(&self, votes: Votes<'a>, _: Option<UnionId>, _: &mut Segmentation) -> Combined<'a> {
        log_linear(votes, &[1.0, self.alpha, -self.alpha])
    }

    fn missing(&self, votes: Votes<'_>, _: Decoding, _: Option<UnionId>, _: &mut Segmentation) -> Vec<MissingDetail> {
        votes.everything()
    }
}
