//! Log-likelihoods of continuations.

pub(crate) mod choice;
pub(crate) mod perplexity;
pub(crate) mod reading;
pub(crate) mod scorer;
