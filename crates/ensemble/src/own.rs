//! One member's own probabilities, by its ids and by union token.

use gac_inference::{Distribution, TokenId};

use crate::peaks::Peaks;
use crate::{MemberId, UnionId, UnionVocabulary};

/// `member`'s probability that no union token gets.
pub(crate) fn unmapped(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> f64 {
    let projection = union.projection(member);
    match distribution {
        Distribution::Dense(dense) => {
            let beyond = (projection.rows()..dense.logits().len()).map(|id| TokenId(id as u32));
            projection
                .unused()
                .iter()
                .copied()
                .chain(beyond)
                .map(|id| dense.log_prob(id).exp())
                .fold(0.0, |sum, p| sum + p)
        }
        Distribution::TopK(top) => {
            let unused = top.entries.iter().filter(|(id, _)| projection.key(*id).is_none());
            top.rest + unused.map(|(_, p)| p).sum::<f64>()
        }
    }
}

/// `member`'s own most probable id among those that have a union token (ties: the lowest id), and its probability, at
/// most 1.
///
/// Not a number when its logits are not.
pub fn top(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> (TokenId, f64) {
    top_of(union, member, distribution, peaks(distribution).as_ref())
}

pub(crate) fn top_of(
    union: &UnionVocabulary,
    member: MemberId,
    distribution: &Distribution,
    peaks: Option<&Peaks<'_>>,
) -> (TokenId, f64) {
    let projection = union.projection(member);
    let first = peaks.and_then(Peaks::first).map(|id| TokenId(id as u32)).filter(|&id| projection.key(id).is_some());
    let (id, p) = match first {
        Some(id) => (id, prob(distribution, id)),
        None => distribution.top_where(|id| projection.key(id).is_some()),
    };
    (id, if p > 1.0 { 1.0 } else { p })
}

pub(crate) fn peaks(distribution: &Distribution) -> Option<Peaks<'_>> {
    match distribution {
        Distribution::Dense(dense) => Some(Peaks::new(dense.logits())),
        Distribution::TopK(_) => None,
    }
}

/// The `k` most probable ids of `member` that have a union token, most probable first (ties: the lowest id), with
/// their probabilities.
pub(crate) fn most_probable(
    union: &UnionVocabulary,
    member: MemberId,
    distribution: &Distribution,
    k: usize,
) -> Vec<(TokenId, f64)> {
    let projection = union.projection(member);
    let mut ids: Vec<(TokenId, f64)> = match distribution {
        Distribution::Dense(dense) => {
            let keyed = |ids: &mut dyn Iterator<Item = usize>| -> Vec<(TokenId, f64)> {
                ids.map(|id| TokenId(id as u32))
                    .filter(|&id| projection.key(id).is_some())
                    .map(|id| (id, f64::from(dense.logits()[id.index()])))
                    .collect()
            };
            let large = Peaks::new(dense.logits()).largest_at_least(k).map(|mut ids| keyed(&mut ids));
            let mut ids = match large {
                Some(ids) if ids.len() >= k => ids,
                _ => keyed(&mut (0..dense.logits().len())),
            };
            sort(&mut ids, k);
            ids.into_iter().map(|(id, _)| (id, dense.log_prob(id).exp())).collect()
        }
        Distribution::TopK(top) => {
            top.entries.iter().copied().filter(|(id, _)| projection.key(*id).is_some()).collect()
        }
    };
    sort(&mut ids, k);
    ids
}

/// The `k` largest, in order.
fn sort(ids: &mut Vec<(TokenId, f64)>, k: usize) {
    let order = |a: &(TokenId, f64), b: &(TokenId, f64)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    if k < ids.len() && k > 0 {
        ids.select_nth_unstable_by(k - 1, order);
    }
    ids.truncate(k);
    ids.sort_unstable_by(order);
}

/// `member`'s own probability of a union token: the sum over its ids for it.
pub(crate) fn own_prob(union: &UnionVocabulary, member: MemberId, distribution: &Distribution, token: UnionId) -> f64 {
    union.projection(member).ids(token).iter().map(|&id| prob(distribution, id)).sum()
}

/// p(id), the same to the last bit wherever it is added up.
pub(crate) fn prob(distribution: &Distribution, id: TokenId) -> f64 {
    match distribution {
        Distribution::Dense(dense) => dense.log_prob(id).exp(),
        Distribution::TopK(top) => top.entries.iter().find(|(known, _)| *known == id).map_or(0.0, |(_, p)| *p),
    }
}

/// `member`'s own log-probability of a union token: the sum over its ids for it.
pub fn own_log_prob(union: &UnionVocabulary, member: MemberId, distribution: &Distribution, token: UnionId) -> f64 {
    log_sum_exp(union.projection(member).ids(token).iter().map(|&id| distribution.log_prob(id)))
}

/// `log(sum(exp(terms)))` without underflow; negative infinity for no terms.
pub(crate) fn log_sum_exp(terms: impl Iterator<Item = f64>) -> f64 {
    let terms: Vec<f64> = terms.collect();
    match terms[..] {
        [] => f64::NEG_INFINITY,
        // Nothing to add up: exactly the term.
        [term] => term,
        _ => {
            let max = terms.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            if max == f64::NEG_INFINITY {
                max
            } else {
                max + terms.iter().map(|term| (term - max).exp()).sum::<f64>().ln()
            }
        }
    }
}
