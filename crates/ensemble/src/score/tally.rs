//! What a continuation has come to, and what it is scored by.

use gac_inference::Distribution;

use crate::request::LogLikelihood;
use crate::vote::log_probs::{AskedLogProbs, TokenLogProbs};

/// Members' views before a token, by place; none of those that were not asked.
pub(crate) type Views<'v> = Vec<Option<&'v Distribution>>;

/// What a continuation has come to.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By rule.
    pub(crate) scores: Vec<LogLikelihood>,
    /// What is to be told of each token beside its score.
    pub(crate) asked: Option<AskedLogProbs>,
    /// What was told, by rule.
    pub(crate) log_probs: Vec<Vec<TokenLogProbs>>,
}
