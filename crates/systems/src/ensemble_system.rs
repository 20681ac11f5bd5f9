//! Single models and ensembles as a [`System`].

use std::ops::ControlFlow;
use std::sync::Arc;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Scheduler,
    Settings, Threshold, generate_each, log_likelihood_each,
};

use crate::system::{Finished, ReadAnswer, StepCosts, System, SystemError};

/// Requests on which the cost of a step is timed.
const CALIBRATION: usize = 4;

/// Loaded models, the settings by which some of them answer (one of them: a single model), and batch limits.
///
/// Several thresholds of the settings' gate are as many systems: all are decoded together, as a tree
/// ([`Settings::with_thresholds`]), and each answers what it would alone.
pub struct EnsembleSystem<'a> {
    name: String,
    scheduler: &'a mut Scheduler,
    settings: Arc<Settings>,
    /// One per system, where there are several; otherwise the settings say.
    thresholds: Vec<Threshold>,
    limits: BatchLimits,
}

impl<'a> EnsembleSystem<'a> {
    /// Gives what answers by `settings` a name for errors.
    pub fn new(name: String, scheduler: &'a mut Scheduler, settings: Arc<Settings>, limits: BatchLimits) -> Self {
        Self { name, scheduler, settings, thresholds: Vec::new(), limits }
    }

    /// The same under each of `thresholds`: one system per threshold.
    #[must_use]
    pub fn with_thresholds(self, thresholds: Vec<Threshold>) -> Self {
        Self { thresholds, ..self }
    }

    /// The settings of the systems `asked`, together.
    fn settings(&self, asked: &[usize]) -> Result<Arc<Settings>, EnsembleError> {
        if self.thresholds.is_empty() {
            return Ok(Arc::clone(&self.settings));
        }
        let thresholds: Vec<Threshold> = asked.iter().map(|&system| self.thresholds[system]).collect();
        self.under(&thresholds)
    }

    fn under(&self, thresholds: &[Threshold]) -> Result<Arc<Settings>, EnsembleError> {
        Ok(Arc::new((*self.settings).clone().with_thresholds(thresholds)?))
    }

    /// Milliseconds per step of `requests`, one at a time, at `threshold`; none where nothing can be generated.
    fn milliseconds(
        &mut self,
        requests: &[GenerationRequest],
        threshold: Threshold,
    ) -> Result<Option<f64>, EnsembleError> {
        let settings = self.under(&[threshold])?;
        // Otherwise prompts would be there already.
        self.scheduler.forget_prompts();
        let (mut seconds, mut tokens) = (0.0, 0);
        generate_each(self.scheduler, &settings, requests, BatchLimits::batch(1), &mut |_, generation| {
            if let Ok((_, generation)) = generation {
                seconds += generation.seconds;
                tokens += generation.tokens;
            }
            ControlFlow::Continue(())
        })?;
        Ok((tokens > 0).then(|| 1000.0 * seconds / tokens as f64))
    }

    fn failed(name: &str, error: EnsembleError) -> SystemError {
        SystemError { system: name.to_owned(), source: Box::new(error) }
    }
}

impl System for EnsembleSystem<'_> {
    fn thinks(&self) -> bool {
        self.settings.thinks()
    }

    fn generate(
        &mut self,
        asked: &[usize],
        requests: &[GenerationRequest],
        _read: &ReadAnswer<'_>,
        finished: &mut Finished<'_, Generation>,
    ) -> Result<(), SystemError> {
        let mut generated =
            |request, answer: Result<_, _>| finished(request, answer.map(|(rule, answer)| (asked[rule], answer)));
        let all = self
            .settings(asked)
            .and_then(|settings| generate_each(self.scheduler, &settings, requests, self.limits, &mut generated));
        all.map_err(|error| Self::failed(&self.name, error))
    }

    fn log_likelihood(
        &mut self,
        asked: &[usize],
        requests: &[LogLikelihoodRequest],
        finished: &mut Finished<'_, LogLikelihood>,
    ) -> Result<(), SystemError> {
        let mut scored =
            |request, answer: Result<_, _>| finished(request, answer.map(|(rule, answer)| (asked[rule], answer)));
        let all = self
            .settings(asked)
            .and_then(|settings| log_likelihood_each(self.scheduler, &settings, requests, self.limits, &mut scored));
        all.map_err(|error| Self::failed(&self.name, error))
    }

    /// At the two ends of the scale of thresholds.
    fn step_costs(&mut self, requests: &[GenerationRequest]) -> Result<Option<StepCosts>, SystemError> {
        let some = &requests[..requests.len().min(CALIBRATION)];
        if self.thresholds.is_empty() || some.is_empty() {
            return Ok(None);
        }
        let mut cost = |threshold: f64| -> Result<Option<f64>, EnsembleError> {
            let threshold = Threshold::new(threshold)?;
            // Once without the clock: the first forwards of a process pay for more than themselves.
            self.milliseconds(&some[..1], threshold)?;
            self.milliseconds(some, threshold)
        };
        let costs = cost(0.0).and_then(|alone| Ok(alone.zip(cost(1.0)?)));
        let costs = costs.map_err(|error| Self::failed(&self.name, error))?;
        Ok(costs.map(|(alone_ms, vote_ms)| StepCosts { alone_ms, vote_ms }))
    }
}
