//! `geometric`: the weighted geometric mean.

use super::token_method::{MethodDescription, MethodError, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::member_view::own_prob;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::{MissingDetail, OwnedDetail};
use crate::vote::votes::Votes;

/// See [`Method::Geometric`](crate::Method::Geometric).
pub(crate) struct Geometric {
    pub(crate) floor: f64,
}

impl TokenMethod for Geometric {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription { name: "geometric", about: "Weighted geometric mean with a floor", settings: &["floor"] }
    }

    fn validate(&self) -> Result<(), MethodError> {
        let floor = self.floor;
        if floor > 0.0 && floor < 1.0 { Ok(()) } else { Err(MethodError::Floor { floor }) }
    }

    fn combine<'a>(&self, votes: Votes<'a>, _: Option<UnionId>, _: &mut Segmentation) -> Combined<'a> {
        // Logits that are not numbers leave nothing to choose from.
        if votes.members.iter().any(|distribution| distribution.top().1.is_nan()) {
            return Combined::Listed { entries: Vec::new(), others: 0.0 };
        }
        let floor = self.floor;
        let value = |token: UnionId| {
            let logs = votes.parts().map(|(m, weight, d)| weight * own_prob(votes.union, m, d, token).max(floor).ln());
            logs.sum::<f64>().exp()
        };
        let mut entries: Vec<(UnionId, f64)> =
            tokens_above(votes, floor).into_iter().map(|token| (token, value(token))).collect();
        let others = (votes.union.len() - entries.len()) as f64;
        let total = entries.iter().map(|(_, value)| value).sum::<f64>() + others * floor;
        for (_, value) in &mut entries {
            *value /= total;
        }
        Combined::Listed { entries, others: floor / total }
    }

    fn missing(&self, votes: Votes<'_>, _: Decoding, _: Option<UnionId>, _: &mut Segmentation) -> Vec<MissingDetail> {
        let short = votes.parts().filter_map(|(member, _, distribution)| {
            // A token all of whose ids are below this is at the floor.
            let cut = self.floor / votes.union.projection(member).most_ids().max(1) as f64;
            let down_to_it = distribution.is_complete() || distribution.ceiling() < 0.99 * cut;
            (!down_to_it).then(|| MissingDetail { member, detail: OwnedDetail::longer(distribution) })
        });
        let short: Vec<MissingDetail> = short.collect();
        if !short.is_empty() {
            return short;
        }
        votes.missing_tokens(&tokens_above(votes, self.floor))
    }
}

/// The tokens that some member may give more than `floor`, ascending.
fn tokens_above(votes: Votes<'_>, floor: f64) -> Vec<UnionId> {
    let mut tokens: Vec<UnionId> = Vec::new();
    for (member, _, distribution) in votes.parts() {
        let projection = votes.union.projection(member);
        // Where a token has several ids, each may be below the floor and their sum above it.
        let cut = floor / projection.most_ids().max(1) as f64;
        tokens.extend(distribution.at_least(0.999 * cut).filter_map(|id| projection.key(id)));
    }
    tokens.sort_unstable();
    tokens.dedup();
    tokens
}
