//! Log-likelihoods of continuations.

pub(crate) mod continuation;
pub(crate) mod group;
pub(crate) mod scored;
pub(crate) mod scoring;
pub(crate) mod tally;
pub(crate) mod windows;
