//! What a lead would emit.

use gac_inference::TokenId;

use crate::member::MemberId;
use crate::vocabulary::union::UnionId;

/// A token that the member which may decide alone proposes.
#[derive(Debug)]
pub(crate) struct Draft {
    pub(crate) member: MemberId,
    pub(crate) id: TokenId,
    pub(crate) token: UnionId,
    pub(crate) probability: f64,
    pub(crate) certainty: f64,
    /// By branch: whether a vote is wanted on it.
    pub(crate) wanted: Vec<bool>,
    /// Whether the context of a member that would have to be asked is full.
    pub(crate) full: bool,
    /// By member: which of its views stands before this token; none for who is not asked.
    pub(crate) views: Vec<Option<usize>>,
}

impl Draft {
    /// Whether some branch wants a vote.
    pub(crate) fn is_voted_on(&self) -> bool {
        self.wanted.iter().any(|wanted| *wanted)
    }

    /// Whether the other members are to be asked.
    pub(crate) fn asks(&self) -> bool {
        !self.full && self.is_voted_on()
    }
}
