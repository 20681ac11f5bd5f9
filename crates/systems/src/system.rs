//! What is evaluated.

use std::ops::ControlFlow;

use gac_ensemble::{Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestError};
use serde::{Deserialize, Serialize};

/// What the response to a request, by its index, says; none where it says nothing.
pub type ReadAnswer<'r> = dyn Fn(usize, &Generation) -> Option<String> + 'r;

/// Gets an answer as it is known: the index of its request, and the system (by its place among those that were opened)
/// with what it answers. An error is the request's: no system answers it that has not yet. Breaking ends the call early.
pub type Finished<'f, T> = dyn FnMut(usize, Result<(usize, T), RequestError>) -> ControlFlow<()> + 'f;

/// A single model or an ensemble, with its decoding settings; or several that differ in their gate's threshold alone and
/// are decoded together. Who asks never has to know which.
pub trait System {
    /// Whether responses may begin with reasoning, which is not scored.
    fn thinks(&self) -> bool {
        false
    }

    /// Continues every request by each of the systems `asked`. Systems that choose between whole responses compare what
    /// `read` makes of them; the others have no use for it.
    ///
    /// # Errors
    /// When a member fails: nothing can go on. What was finished before stays finished.
    fn generate(
        &mut self,
        asked: &[usize],
        requests: &[GenerationRequest],
        read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError>;

    /// Scores every request by each of the systems `asked`.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn log_likelihood(
        &mut self,
        asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError>;

    /// What a step costs, timed on the first of `requests`; none where that is no matter of thresholds.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn step_costs(&mut self, _requests: &[GenerationRequest]) -> Result<Option<StepCosts>, SystemError> {
        Ok(None)
    }
}

/// What a step costs, one request at a time, prompts included.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct StepCosts {
    /// Milliseconds of a step that the gate decides alone.
    pub alone_ms: f64,
    /// Milliseconds of a step that the members vote on.
    pub vote_ms: f64,
}

/// A system could not go on.
#[derive(Debug, thiserror::Error)]
#[error("system `{system}` failed")]
pub struct SystemError {
    /// The system's name.
    pub system: String,
    /// Why.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}
