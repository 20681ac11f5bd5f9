//! The id spaces of this crate. Mixing them does not compile.

use serde::{Deserialize, Serialize};

/// A row of one model's vocabulary. Token ids of different models have nothing to do with each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TokenId(pub u32);

impl TokenId {
    /// The id as an index into tables with one row per token.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A handle on one sequence held by one [`LanguageModel`](crate::LanguageModel). Never reused by that model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SequenceId(pub u64);
