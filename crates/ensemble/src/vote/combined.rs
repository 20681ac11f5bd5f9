//! One distribution over the union vocabulary, made of all members' by some method.

use super::combine::{Fused, largest};
use crate::vocabulary::union::UnionId;

/// One distribution made of all members'.
#[derive(Debug)]
pub(crate) enum Combined<'a> {
    /// Never written down: looked up in the members' distributions.
    Average(Fused<'a>),
    /// The tokens that may win, ascending, each with its q; every other token has `others`.
    Listed { entries: Vec<(UnionId, f64)>, others: f64 },
}

impl Combined<'_> {
    /// The most probable token (ties: the lowest union id); none when no token has any probability.
    pub(crate) fn winner(&self) -> Option<(UnionId, f64)> {
        match self {
            Self::Average(fused) => fused.winner(),
            Self::Listed { entries, others } => {
                let listed = largest(entries.iter().copied()).filter(|(_, q)| *q > 0.0);
                listed.or((*others > 0.0).then_some((UnionId(0), *others)))
            }
        }
    }

    /// q(u).
    pub(crate) fn prob(&self, token: UnionId) -> f64 {
        match self {
            Self::Average(fused) => fused.prob(token),
            Self::Listed { entries, others } => {
                entries.binary_search_by_key(&token, |(id, _)| *id).map_or(*others, |at| entries[at].1)
            }
        }
    }

    /// What `token` may have beyond [`prob`](Self::prob): lists do not tell everything.
    pub(crate) fn beyond(&self, token: UnionId) -> f64 {
        match self {
            Self::Average(fused) => fused.beyond(token),
            Self::Listed { .. } => 0.0,
        }
    }

    /// All tokens that may be drawn, with their q. Those of which nothing is known but the floor never are.
    pub(crate) fn entries(&self) -> Vec<(UnionId, f64)> {
        match self {
            Self::Average(fused) => {
                let mut q = Vec::new();
                fused.fill(&mut q);
                (0..).map(UnionId).zip(q).filter(|(_, q)| *q > 0.0).collect()
            }
            Self::Listed { entries, .. } => entries.clone(),
        }
    }
}
