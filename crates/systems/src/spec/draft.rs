//! What is drafted, as a recipe states it.

use serde::Deserialize;

/// Most tokens that may be proposed at once: each is a distribution of every member to keep.
pub(crate) const MOST_TOKENS: usize = 64;

/// How many tokens are proposed at once, as a recipe says it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, expecting = "a number of tokens, or \"auto\"")]
pub enum DraftTokens {
    /// So many.
    Count(usize),
    /// `auto`: as many as are worth it.
    Word(String),
}

impl From<&str> for DraftTokens {
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Word(text.to_owned()), Self::Count)
    }
}
