//! What is evaluated.

use std::ops::ControlFlow;

use gac_ensemble::{Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestError};

/// What the response to a request, by its index, says; none where it says nothing.
pub type ReadAnswer<'r> = dyn Fn(usize, &Generation) -> Option<String> + 'r;

/// A single model or an ensemble, with its decoding settings. Who asks never has to know which.
pub trait System {
    /// The name it has in results.
    fn name(&self) -> &str;

    /// Whether responses may begin with reasoning, which is not scored.
    fn thinks(&self) -> bool {
        false
    }

    /// Continues every request. `finished` gets each generation as it ends, or why there is none, with the index of its
    /// request; breaking ends the call early. Systems that choose between whole responses compare what `read` makes of
    /// them; the others have no use for it.
    ///
    /// # Errors
    /// When a member fails: nothing can go on. What was finished before stays finished.
    fn generate(
        &mut self,
        requests: &[GenerationRequest],
        read: &ReadAnswer<'_>,
        finished: &mut dyn FnMut(usize, Result<Generation, RequestError>) -> ControlFlow<()>,
    ) -> Result<(), SystemError>;

    /// Scores every request. `finished` gets each score as it is known, or why there is none, with the index of its
    /// request.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        finished: &mut dyn FnMut(usize, Result<LogLikelihood, RequestError>) -> ControlFlow<()>,
    ) -> Result<(), SystemError>;
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
