//! What is evaluated.

use std::ops::ControlFlow;

use gac_ensemble::{Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest};

use crate::LoadedTask;

/// A single model or an ensemble, with its decoding settings. Runner, tasks and reports never ask which.
pub trait System {
    /// The name it has in results.
    fn name(&self) -> &str;

    /// Whether responses may begin with reasoning, which is not scored.
    fn thinks(&self) -> bool {
        false
    }

    /// Continues every request. `finished` gets each generation as it ends, with the index of its request; breaking
    /// ends the call early.
    ///
    /// # Errors
    /// When a member fails or a request cannot be served. What was finished before stays finished.
    fn generate(
        &mut self,
        requests: &[GenerationRequest],
        finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), SystemError>;

    /// [`generate`](Self::generate) for documents of `task`: `documents[request]` is the document's place in it. Systems
    /// that choose between whole answers read them by the task's rules; the others have no use for it.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn generate_for(
        &mut self,
        _task: &LoadedTask,
        _documents: &[usize],
        requests: &[GenerationRequest],
        finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        self.generate(requests, finished)
    }

    /// Scores every request. `finished` gets each score as it is known, with the index of its request.
    ///
    /// # Errors
    /// As [`generate`](Self::generate).
    fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        finished: &mut dyn FnMut(usize, LogLikelihood) -> ControlFlow<()>,
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
