//! How much is done at once.

/// How much a scheduler does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most samples in flight together; 0 counts as 1. Fewer are taken where a member's cache holds fewer.
    pub max_samples: usize,
    /// Most tokens of long prompts that a member reads in one step while others wait for their next token. Prompts of at
    /// most 16 tokens have as much room again, and 16 at least, for which long ones give up to half of theirs. 0: none in
    /// this step; calls that step to the end of something read one. `usize::MAX` for when nobody waits for single tokens.
    pub chunk: usize,
}

impl BatchLimits {
    /// For work of which only the end matters: prompts are read whole, as they come.
    pub fn batch(max_samples: usize) -> Self {
        Self { max_samples, chunk: usize::MAX }
    }

    /// For answers that are read as they come: a long prompt holds nobody up for longer than 512 tokens take.
    pub fn streams(max_samples: usize) -> Self {
        Self { max_samples, chunk: 512 }
    }
}
