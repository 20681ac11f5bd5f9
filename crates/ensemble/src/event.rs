//! What a scheduler tells.

use crate::error::RequestError;
use crate::request::{Generation, LogLikelihood, RequestId, Step};
use crate::thinking::Thinking;
use crate::vote::log_probs::TokenLogProbs;

/// What has become of a request.
#[derive(Debug)]
pub enum SchedulerEvent {
    /// A token was emitted.
    Token {
        /// The request.
        request: RequestId,
        /// Which of the settings' thresholds; 0 where there is one.
        rule: usize,
        /// What is now sure to be part of the response: the bytes of all of a request's tokens are its response. What may
        /// be the beginning of a stop string is told later, with another token.
        bytes: Vec<u8>,
        /// What of all that was told so far is reasoning.
        thinking: Option<Thinking>,
        /// The step, where a trace or log-probabilities were asked for.
        step: Option<Step>,
    },
    /// A text was continued.
    Generated {
        /// The request.
        request: RequestId,
        /// Which of the settings' thresholds; 0 where there is one.
        rule: usize,
        /// Its continuation.
        generation: Generation,
    },
    /// A continuation was scored.
    Scored {
        /// The request.
        request: RequestId,
        /// Which of the settings' thresholds; 0 where there is one.
        rule: usize,
        /// Its score.
        score: LogLikelihood,
        /// What was asked of the distributions that its tokens were scored by, one per token; else empty.
        log_probs: Vec<TokenLogProbs>,
    },
    /// The request cannot be served, or not to its end. Others go on.
    Failed {
        /// The request.
        request: RequestId,
        /// Why.
        error: RequestError,
    },
}

impl SchedulerEvent {
    /// The request that it tells of.
    pub fn request(&self) -> RequestId {
        match self {
            Self::Token { request, .. }
            | Self::Generated { request, .. }
            | Self::Scored { request, .. }
            | Self::Failed { request, .. } => *request,
        }
    }
}
