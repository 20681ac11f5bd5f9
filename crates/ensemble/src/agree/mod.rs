//! Members agree on a text without agreeing on tokens (Agreement-Based Ensembling, Wicks et al., arXiv 2502.21265).
//!
//! Each member of a hypothesis has a string of its own, in its own tokens. All strings are prefixes of the longest: who lags
//! behind may only take tokens that lead along it or beyond it, and who leads waits. What all members take in a step is one
//! tuple; of those that keep the strings prefixes of each other, the best by the weighted sum of the members' mean log-probabilities
//! goes on, or the best few (a beam).

pub(crate) mod hypothesis;
pub(crate) mod search;
mod tuples;
