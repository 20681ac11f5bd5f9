//! One member's own probabilities, by its ids and by union token.

use gac_inference::{Distribution, TokenId};

use crate::member::MemberId;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// `member`'s probability that no union token gets.
pub(crate) fn unmapped(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> f64 {
    let projection = union.projection(member);
    let beyond = (projection.rows()..distribution.rows()).map(|id| TokenId(id as u32));
    let ids = projection.unused().iter().copied().chain(beyond);
    ids.map(|id| distribution.prob(id)).fold(distribution.rest(), |sum, p| sum + p)
}

/// `member`'s own most probable id among those that have a union token (ties: the lowest id), and its probability, at
/// most 1.
///
/// Not a number when its logits are not.
pub fn top(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> (TokenId, f64) {
    let projection = union.projection(member);
    let (id, p) = distribution.top_where(|id| projection.key(id).is_some());
    (id, if p > 1.0 { 1.0 } else { p })
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
    distribution.most_probable(k, |id| projection.key(id).is_some())
}

/// `member`'s own probability of a union token: the sum over its ids for it.
pub(crate) fn own_prob(union: &UnionVocabulary, member: MemberId, distribution: &Distribution, token: UnionId) -> f64 {
    union.projection(member).ids(token).iter().map(|&id| distribution.prob(id)).sum()
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
