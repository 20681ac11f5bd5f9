//! Questions about distributions that list only their most probable tokens.

use crate::id::{SequenceId, TokenId};

/// Tokens with their natural log-probabilities.
pub(crate) type LogProbs = Vec<(TokenId, f64)>;

/// More that is to be told about one distribution.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    /// The sequence.
    pub sequence: SequenceId,
    /// How many of its tokens the distribution follows, at least one.
    pub length: usize,
    /// What is to be told.
    pub detail: Detail<'a>,
}

/// What an [`Ask`] wants to know: some tokens with their log-probabilities.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail<'a> {
    /// Exactly these tokens, in this order.
    Tokens(&'a [TokenId]),
    /// At least so many of the most probable tokens, all where there are no more. A server that lists fewer is asked
    /// several times.
    Top(usize),
}
