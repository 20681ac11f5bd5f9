//! `bytes-product`: a geometric mean over the next byte.
//!
//! What members say of bytes is made in `bytes`. Here it comes as distributions over their ids of single bytes; scores of choices
//! come as distributions over all ids.

use super::token_method::{MethodDescription, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::member_view::{log_sum_exp, own_log_prob};
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// The least log-probability that a member is taken to give to what another one gives any: what is no byte of a text
/// for one of them is not said.
const LEAST: f64 = -690.0;

/// See [`Method::BytesProduct`](crate::Method::BytesProduct).
pub(crate) struct BytesProduct;

impl TokenMethod for BytesProduct {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "bytes-product",
            about: "Weighted geometric mean of byte probabilities",
            settings: &[],
        }
    }

    fn combine<'a>(&self, votes: Votes<'a>, _: Option<UnionId>, _: &mut Segmentation) -> Combined<'a> {
        log_linear(votes, votes.weights.get())
    }

    fn missing(&self, votes: Votes<'_>, _: Decoding, _: Option<UnionId>, _: &mut Segmentation) -> Vec<MissingDetail> {
        votes.everything()
    }
}

/// `q(u)` in proportion to `exp(sum_m factors[m] log p_m(u))`, over what some member with a factor above 0 gives any
/// probability.
pub(super) fn log_linear<'a>(votes: Votes<'a>, factors: &[f64]) -> Combined<'a> {
    // Logits that are not numbers leave nothing to choose from.
    if votes.members.iter().any(|distribution| distribution.top().1.is_nan()) {
        return Combined::Listed { entries: Vec::new(), others: 0.0 };
    }
    let mut tokens: Vec<UnionId> = Vec::new();
    for ((member, _, distribution), _) in votes.parts().zip(factors).filter(|(_, factor)| **factor > 0.0) {
        let projection = votes.union.projection(member);
        tokens.extend(distribution.known().filter(|(_, p)| *p > 0.0).filter_map(|(id, _)| projection.key(id)));
    }
    tokens.sort_unstable();
    tokens.dedup();
    let log = |token: UnionId| {
        let of_member = |((member, _, distribution), factor): ((_, f64, _), &f64)| {
            factor * own_log_prob(votes.union, member, distribution, token).max(LEAST)
        };
        votes.parts().zip(factors).filter(|(_, factor)| **factor != 0.0).map(of_member).sum::<f64>()
    };
    let logs: Vec<(UnionId, f64)> = tokens.into_iter().map(|token| (token, log(token))).collect();
    let total = log_sum_exp(logs.iter().map(|(_, log)| *log));
    let entries = logs.into_iter().map(|(token, log)| (token, (log - total).exp())).collect();
    Combined::Listed { entries, others: 0.0 }
}
