//! A single model or an ensemble as a [`System`].

use std::ops::ControlFlow;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestError,
    Scheduler, Settings, generate_each, log_likelihood_each,
};

use crate::system::{ReadAnswer, System, SystemError};

/// Loaded models, the settings by which some of them answer (one of them: a single model), and batch limits.
pub struct EnsembleSystem<'a> {
    name: String,
    scheduler: &'a mut Scheduler,
    settings: Arc<Settings>,
    limits: BatchLimits,
}

impl<'a> EnsembleSystem<'a> {
    /// Gives what answers by `settings` a name in results.
    pub fn new(name: String, scheduler: &'a mut Scheduler, settings: Arc<Settings>, limits: BatchLimits) -> Self {
        Self { name, scheduler, settings, limits }
    }

    fn failed(name: &str, error: EnsembleError) -> SystemError {
        SystemError { system: name.to_owned(), source: Box::new(error) }
    }
}

impl System for EnsembleSystem<'_> {
    fn name(&self) -> &str {
        &self.name
    }

    fn thinks(&self) -> bool {
        self.settings.thinks()
    }

    fn generate(
        &mut self,
        requests: &[GenerationRequest],
        _read: &ReadAnswer<'_>,
        finished: &mut dyn FnMut(usize, Result<Generation, RequestError>) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        let generated = generate_each(self.scheduler, &self.settings, requests, self.limits, finished);
        generated.map_err(|error| Self::failed(&self.name, error))
    }

    fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        finished: &mut dyn FnMut(usize, Result<LogLikelihood, RequestError>) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        let scored = log_likelihood_each(self.scheduler, &self.settings, requests, self.limits, finished);
        scored.map_err(|error| Self::failed(&self.name, error))
    }
}
