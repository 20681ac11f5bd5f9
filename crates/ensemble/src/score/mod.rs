//! Log-likelihoods of continuations.

pub(crate) mod choice;
pub(crate) mod group;
pub(crate) mod scored;
pub(crate) mod scoring;
