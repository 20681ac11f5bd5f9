//! A single model or an ensemble as a [`System`].

use std::ops::ControlFlow;

use gac_ensemble::{
    BatchLimits, Ensemble, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest,
};

use crate::{System, SystemError};

/// An [`Ensemble`] (of one member: a single model) with its batch limits.
pub struct EnsembleSystem<'a> {
    name: String,
    ensemble: &'a mut Ensemble,
    limits: BatchLimits,
}

impl<'a> EnsembleSystem<'a> {
    /// Gives `ensemble` a name in results.
    pub fn new(name: String, ensemble: &'a mut Ensemble, limits: BatchLimits) -> Self {
        Self { name, ensemble, limits }
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
        self.ensemble.thinks()
    }

    fn generate(
        &mut self,
        requests: &[GenerationRequest],
        finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        self.ensemble.generate(requests, self.limits, finished).map_err(|error| Self::failed(&self.name, error))
    }

    fn log_likelihood(
        &mut self,
        requests: &[LogLikelihoodRequest],
        finished: &mut dyn FnMut(usize, LogLikelihood) -> ControlFlow<()>,
    ) -> Result<(), SystemError> {
        self.ensemble.log_likelihood(requests, self.limits, finished).map_err(|error| Self::failed(&self.name, error))
    }
}
