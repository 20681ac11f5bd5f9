//! What a trace tells of a step.

use gac_inference::Distribution;

use crate::member::MemberId;
use crate::request::MemberView;
use crate::vocabulary::union::{UnionId, UnionToken, UnionVocabulary};
use crate::vote::member_view::{most_probable, own_prob, unmapped};
use crate::vote::weights::Weights;

/// Most probable tokens per member in a trace.
const TOP: usize = 5;

/// Everybody's view of `token`: `views[m]` is there for each member that was consulted. `alone` is the member that
/// decided, where the members did not vote.
pub(crate) fn views(
    union: &UnionVocabulary,
    weights: &Weights,
    views: &[Option<&Distribution>],
    token: UnionId,
    alone: Option<MemberId>,
) -> Vec<Option<MemberView>> {
    let part = |member: usize, distribution: &Distribution| {
        weights.get()[member] * own_prob(union, MemberId(member), distribution, token)
    };
    let parts: f64 = views.iter().enumerate().filter_map(|(m, view)| view.map(|view| part(m, view))).sum();
    views
        .iter()
        .enumerate()
        .map(|(member, view)| {
            let distribution = (*view)?;
            let id = MemberId(member);
            let share = match alone {
                Some(alone) => f64::from(u8::from(alone == id)),
                None if parts > 0.0 => part(member, distribution) / parts,
                None => 0.0,
            };
            Some(MemberView { top: top(union, id, distribution), share, unmapped: unmapped(union, id, distribution) })
        })
        .collect()
}

/// The most that the weighted average of who decided gives to another token than `token`, among the most probable ones
/// of each.
pub(crate) fn runner_up(
    union: &UnionVocabulary,
    weights: &Weights,
    views: &[Option<&Distribution>],
    token: UnionId,
    alone: Option<MemberId>,
) -> f64 {
    let decided = |&(member, _): &(usize, &Distribution)| alone.is_none_or(|alone| alone.0 == member);
    let deciding: Vec<(usize, &Distribution)> =
        views.iter().enumerate().filter_map(|(member, view)| Some((member, (*view)?))).filter(decided).collect();
    let weight = |member: usize| if alone.is_some() { 1.0 } else { weights.get()[member] };
    let mut others: Vec<UnionId> = Vec::new();
    for &(member, distribution) in &deciding {
        let ids = most_probable(union, MemberId(member), distribution, TOP).into_iter();
        others.extend(ids.filter_map(|(id, _)| union.projection(MemberId(member)).key(id)).filter(|key| *key != token));
    }
    let average = |key: UnionId| {
        let part = |&(member, distribution): &(usize, &Distribution)| {
            weight(member) * own_prob(union, MemberId(member), distribution, key)
        };
        deciding.iter().map(part).sum::<f64>()
    };
    others.into_iter().map(average).fold(0.0, f64::max)
}

/// A member's most probable union tokens. Several ids of one token are one entry.
pub(crate) fn top(union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> Vec<(UnionToken, f64)> {
    let mut keys: Vec<UnionId> = Vec::new();
    for (id, _) in most_probable(union, member, distribution, TOP) {
        keys.extend(union.projection(member).key(id).filter(|key| !keys.contains(key)));
    }
    let mut top: Vec<(UnionToken, f64)> =
        keys.into_iter().map(|key| (union.token(key).clone(), own_prob(union, member, distribution, key))).collect();
    top.sort_by(|a, b| b.1.total_cmp(&a.1));
    top
}
