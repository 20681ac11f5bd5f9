//! What is asked of a server so that it tells more about a distribution.

use super::protocol::{Abilities, TokenQuery, WantedList};
use crate::ask::{Ask, Detail, LogProbs};
use crate::id::TokenId;

/// How long lists are in which tokens are looked for that cannot be named: a long one is seconds of JSON, and a token that a
/// vote hangs on is mostly among the first.
pub(super) const WIDTHS: [usize; 3] = [2_000, 20_000, usize::MAX];

/// A [`Detail`] for several asks.
pub(super) enum SharedDetail {
    /// All the tokens that they name.
    Tokens(Vec<TokenId>),
    /// The longest of their lists.
    Top(usize),
}

impl SharedDetail {
    pub(super) fn detail(&self) -> Detail<'_> {
        match self {
            Self::Tokens(ids) => Detail::Tokens(ids),
            Self::Top(count) => Detail::Top(*count),
        }
    }

    /// Takes in another one; false where that is of the other kind.
    fn join(&mut self, other: Detail<'_>) -> bool {
        match (self, other) {
            (Self::Tokens(named), Detail::Tokens(ids)) => {
                let new: Vec<TokenId> = ids.iter().copied().filter(|id| !named.contains(id)).collect();
                named.extend(new);
            }
            (Self::Top(most), Detail::Top(count)) => *most = count.max(*most),
            _ => return false,
        }
        true
    }
}

/// The asks of `wanted` places: those of one kind about one distribution together, each with its places.
pub(super) fn together(asks: &[Ask<'_>], wanted: &[usize]) -> Vec<(SharedDetail, Vec<usize>)> {
    let mut all: Vec<(SharedDetail, Vec<usize>)> = Vec::new();
    for &index in wanted {
        let ask = &asks[index];
        let is_about = |of: &[usize]| (asks[of[0]].sequence, asks[of[0]].length) == (ask.sequence, ask.length);
        let joined = all.iter_mut().filter(|(_, of)| is_about(of)).any(|(shared, of)| {
            let joins = shared.join(ask.detail);
            if joins {
                of.push(index);
            }
            joins
        });
        if !joined {
            let own = match ask.detail {
                Detail::Tokens(ids) => SharedDetail::Tokens(ids.to_vec()),
                Detail::Top(count) => SharedDetail::Top(count),
            };
            all.push((own, vec![index]));
        }
    }
    all
}

/// The queries that tell `detail` of the distribution after `tokens`; where tokens cannot be named, lists of `width` that
/// may have them. None where the server cannot tell.
pub(super) fn queries(
    abilities: &Abilities,
    tokens: &[TokenId],
    detail: Detail<'_>,
    width: usize,
) -> Option<Vec<TokenQuery>> {
    let query = |listing| TokenQuery { tokens: tokens.to_vec(), from: tokens.len(), ahead: 1, listing };
    let named = |ids: &[TokenId]| -> Vec<TokenQuery> {
        ids.chunks(abilities.most_ids.max(1)).map(|ids| query(WantedList::Ids(ids.to_vec()))).collect()
    };
    match detail {
        Detail::Tokens(ids) if abilities.most_ids > 0 => Some(named(ids)),
        Detail::Tokens(_) if abilities.longest_list >= abilities.rows => {
            Some(vec![query(WantedList::Top(width.min(abilities.rows)))])
        }
        Detail::Top(count) if count <= abilities.longest_list => Some(vec![query(WantedList::Top(count))]),
        // Longer than its lists: every token by name.
        Detail::Top(_) if abilities.most_ids > 0 => {
            Some(named(&(0..abilities.rows as u32).map(TokenId).collect::<Vec<_>>()))
        }
        Detail::Tokens(_) | Detail::Top(_) => None,
    }
}

/// Whether a token that was named is not among what was told.
pub(super) fn lacks(detail: Detail<'_>, told: &LogProbs) -> bool {
    match detail {
        Detail::Top(_) => false,
        Detail::Tokens(ids) => ids.iter().any(|id| told.iter().all(|(other, _)| other != id)),
    }
}

/// What was wanted of what was told.
pub(super) fn in_order(detail: Detail<'_>, mut told: LogProbs) -> LogProbs {
    match detail {
        Detail::Top(_) => told,
        Detail::Tokens(ids) => {
            told.sort_unstable_by_key(|(id, _)| *id);
            let of = |id: &TokenId| told.binary_search_by_key(id, |(id, _)| *id).ok().map(|at| told[at]);
            ids.iter().filter_map(of).collect()
        }
    }
}
