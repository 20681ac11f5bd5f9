//! A single model or an ensemble as a [`System`].

use std::ops::ControlFlow;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Scheduler,
    Settings, generate, log_likelihood,
};

use crate::{System, SystemError};

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
        finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        let generated = generate(self.scheduler, &self.settings, requests, self.limits, finished);
        generated.map_err(|error| Self::failed(&self.name, error))
    }

    fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        finished: &mut dyn FnMut(usize, LogLikelihood) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        let scored = log_likelihood(self.scheduler, &self.settings, requests, self.limits, finished);
        scored.map_err(|error| Self::failed(&self.name, error))
    }
}
