//! `gac`: the weighted average.

use gac_inference::Distribution;

use super::token_method::{MethodDescription, TokenMethod};
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combine::{Fused, largest};
use crate::vote::combined::Combined;
use crate::vote::member_view::top;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::{MissingDetail, OwnedDetail};
use crate::vote::votes::Votes;

/// More than sums of a few probabilities can be off by, relatively.
const MARGIN: f64 = 1e-9;

/// See [`Method::Gac`](crate::Method::Gac).
pub(crate) struct Gac;

impl TokenMethod for Gac {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription { name: "gac", about: "Weighted average of token probabilities", settings: &[] }
    }

    fn combine<'a>(&self, votes: Votes<'a>, _: Option<UnionId>, _: &mut Segmentation) -> Combined<'a> {
        Combined::Average(average(votes))
    }

    fn missing(
        &self,
        votes: Votes<'_>,
        decoding: Decoding,
        also: Option<UnionId>,
        _: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        match decoding {
            Decoding::Sampled(_) => votes.everything(),
            Decoding::Greedy => {
                let missing = missing_of_winner(votes);
                match also {
                    Some(also) if missing.is_empty() => votes.missing_tokens(&[also]),
                    _ => missing,
                }
            }
        }
    }
}

fn average(votes: Votes<'_>) -> Fused<'_> {
    Fused::new(votes.union, votes.weights, votes.members)
}

/// What is to be asked before bounds decide: a token's least is the known part of its q, its most is that and what is
/// beyond.
///
/// Only tokens whose least is not below the best one's by more than a token that nobody lists can have are looked at,
/// and such a token has an id with at least its share of that.
fn missing_of_winner(votes: Votes<'_>) -> Vec<MissingDetail> {
    let average = average(votes);
    // Of members without a vote, nothing matters.
    let shares: Vec<(MemberId, f64, &Distribution)> = votes
        .open()
        .map(|(member, weight, d)| (member, weight * d.at_most(votes.union.projection(member).most_ids()), d))
        .collect();
    let unlisted = shares.iter().map(|(_, share, _)| share).sum::<f64>() * (1.0 + MARGIN);
    let mut best = 0.0_f64;
    for (member, _, distribution) in votes.parts() {
        let (id, p) = top(votes.union, member, distribution);
        if p.is_nan() {
            return Vec::new();
        }
        let token = votes.union.projection(member).key(id);
        best = best.max(token.map_or(0.0, |token| average.prob(token)));
    }
    if best <= unlisted {
        let most = shares.iter().map(|(_, share, _)| *share).fold(0.0, f64::max);
        let wide = shares.into_iter().filter(|(_, share, _)| 2.0 * share >= most);
        return wide.map(|(member, _, d)| MissingDetail { member, detail: OwnedDetail::longer(d) }).collect();
    }
    let ids: usize = votes.parts().map(|(member, _, _)| votes.union.projection(member).most_ids()).sum();
    let floor = (1.0 - MARGIN) * (best - unlisted) / ids as f64;
    let mut listed: Vec<UnionId> = Vec::new();
    for (member, weight, distribution) in votes.parts().filter(|(_, weight, _)| *weight > 0.0) {
        let projection = votes.union.projection(member);
        listed.extend(distribution.at_least(floor / weight).filter_map(|id| projection.key(id)));
    }
    listed.sort_unstable();
    listed.dedup();
    let Some((winner, least)) = largest(listed.iter().map(|&token| (token, average.prob(token)))) else {
        return Vec::new();
    };
    let contends = |token: &UnionId| {
        let beyond = average.beyond(*token);
        beyond > 0.0 && (average.prob(*token) + beyond) * (1.0 + MARGIN) >= least
    };
    let mut contenders: Vec<UnionId> = listed.into_iter().filter(|token| *token != winner && contends(token)).collect();
    if contenders.is_empty() {
        return Vec::new();
    }
    contenders.push(winner);
    votes.missing_tokens(&contenders)
}
