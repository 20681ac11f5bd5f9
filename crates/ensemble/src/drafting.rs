//! Who proposes what comes next, and how much of it at once.

use crate::member::MemberId;

/// Tokens that are proposed ahead and then verified, so that a forward gives several. What comes out is what comes out
/// without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Drafting {
    /// Who proposes.
    pub by: Proposer,
    /// How much.
    pub length: DraftLength,
}

/// Who proposes tokens that others verify.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proposer {
    /// Nobody: the prompt and the response are thought to repeat themselves (prompt lookup).
    Prompt,
    /// A member that is asked at every step: it goes on alone for some tokens, which all others then read at once.
    Member(MemberId),
    /// A model without a vote ([`Settings::with_drafter`](crate::Settings::with_drafter)) goes on alone for some tokens, which
    /// all members that are asked at every step then read at once.
    Drafter,
}

/// How many tokens are proposed at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum DraftLength {
    /// As many as are worth it by how many came true so far and by how many samples share a forward; none where that is
    /// none.
    #[default]
    Auto,
    /// So many, wherever there is something to propose.
    Tokens(usize),
}
