//! Many requests from beginning to end.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::Arc;

use crate::error::{EnsembleError, RequestError};
use crate::event::SchedulerEvent;
use crate::request::{AnyRequest, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, RequestId};
use crate::schedule::limits::BatchLimits;
use crate::schedule::scheduler::Scheduler;
use crate::settings::Settings;

/// Continues every request. `finished` gets each generation as it ends, with the index of its request; breaking ends the
/// call early.
///
/// Nothing else should be in flight: what happens to it is not told. However the call ends, nothing of it stays in
/// flight.
///
/// # Errors
/// For the first request that cannot be served, before any forward where that shows when it is encoded; and when a model
/// fails.
pub fn generate(
    scheduler: &mut Scheduler,
    settings: &Arc<Settings>,
    requests: &[GenerationRequest],
    limits: BatchLimits,
    finished: &mut dyn FnMut(usize, Generation) -> ControlFlow<()>,
) -> Result<(), EnsembleError> {
    let mut refused = None;
    let mut served =
        |index, outcome| served(&mut refused, index, outcome, |(_, generation)| finished(index, generation));
    generate_each(scheduler, settings, requests, limits, &mut served)?;
    refused.map_or(Ok(()), Err)
}

/// [`generate`], where a request that cannot be served ends alone: `finished` gets its error, and the others go on. Under
/// several thresholds ([`Settings::with_thresholds`]) it gets an answer for each, with its index; an error stands in place
/// of those that are still to come.
///
/// # Errors
/// When a model fails.
pub fn generate_each(
    scheduler: &mut Scheduler,
    settings: &Arc<Settings>,
    requests: &[GenerationRequest],
    limits: BatchLimits,
    finished: &mut dyn FnMut(usize, Result<(usize, Generation), RequestError>) -> ControlFlow<()>,
) -> Result<(), EnsembleError> {
    let requests: Vec<AnyRequest<'_>> = requests.iter().map(AnyRequest::from).collect();
    Batch::new(scheduler, settings, &requests).run(limits, &mut |index, event| match event {
        SchedulerEvent::Generated { rule, generation, .. } => finished(index, Ok((rule, generation))),
        SchedulerEvent::Failed { error, .. } => finished(index, Err(error)),
        SchedulerEvent::Token { .. } | SchedulerEvent::Scored { .. } => ControlFlow::Continue(()),
    })
}

/// Scores every continuation. `finished` gets each score with the index of its request, in order; breaking ends the call
/// early.
///
/// A continuation is encoded as lm-evaluation-harness does it: white space at the end of the context moves to the
/// continuation, the first member encodes the context and the whole, and the continuation is what comes after as many
/// tokens as the context has. Each of these tokens is scored in the union vocabulary: log q(u) of the weighted average
/// over all members, where each other member has read its own encoding of the context and its segmentation of the union
/// tokens before. With a gate, its own probability of u counts where it is surer than the threshold. A single model is
/// scored by its own ids. Another method than `gac` counts u among its candidates whatever its probability. With
/// [`Gating::Safe`](crate::Gating::Safe) there is nothing drafted to verify: all members count at every token.
///
/// # Errors
/// As [`generate`].
pub fn log_likelihood(
    scheduler: &mut Scheduler,
    settings: &Arc<Settings>,
    requests: &[LogLikelihoodRequest],
    limits: BatchLimits,
    finished: &mut dyn FnMut(usize, LogLikelihood) -> ControlFlow<()>,
) -> Result<(), EnsembleError> {
    let mut refused = None;
    let mut served = |index, outcome| served(&mut refused, index, outcome, |(_, score)| finished(index, score));
    log_likelihood_each(scheduler, settings, requests, limits, &mut served)?;
    refused.map_or(Ok(()), Err)
}

/// [`log_likelihood`], where a request that cannot be served ends alone: `finished` gets its error at once, and the
/// others go on. Under several thresholds it gets a score for each, with its index; an error stands in place of those that
/// are still to come.
///
/// # Errors
/// When a model fails.
pub fn log_likelihood_each(
    scheduler: &mut Scheduler,
    settings: &Arc<Settings>,
    requests: &[LogLikelihoodRequest],
    limits: BatchLimits,
    finished: &mut dyn FnMut(usize, Result<(usize, LogLikelihood), RequestError>) -> ControlFlow<()>,
) -> Result<(), EnsembleError> {
    let requests: Vec<AnyRequest<'_>> = requests.iter().map(AnyRequest::from).collect();
    // Those that are done before an earlier one.
    let mut early: BTreeMap<(usize, usize), LogLikelihood> = BTreeMap::new();
    let mut failed: BTreeSet<usize> = BTreeSet::new();
    let (mut next, mut rule) = (0, 0);
    Batch::new(scheduler, settings, &requests).run(limits, &mut |index, event| {
        match event {
            SchedulerEvent::Scored { rule, score, .. } => drop(early.insert((index, rule), score)),
            SchedulerEvent::Failed { error, .. } => {
                failed.insert(index);
                finished(index, Err(error))?;
            }
            SchedulerEvent::Token { .. } | SchedulerEvent::Generated { .. } => {}
        }
        loop {
            if failed.remove(&next) || rule == settings.rules() {
                (next, rule) = (next + 1, 0);
            } else if let Some(score) = early.remove(&(next, rule)) {
                finished(next, Ok((rule, score)))?;
                rule += 1;
            } else {
                return ControlFlow::Continue(());
            }
        }
    })
}

/// Passes on what was served; the first request that was not ends the call, and is told of after it.
fn served<T>(
    refused: &mut Option<EnsembleError>,
    index: usize,
    outcome: Result<T, RequestError>,
    finished: impl FnOnce(T) -> ControlFlow<()>,
) -> ControlFlow<()> {
    match outcome {
        Ok(answer) => finished(answer),
        Err(source) => {
            *refused = Some(EnsembleError::Request { request: index, source });
            ControlFlow::Break(())
        }
    }
}

/// The requests of one call.
struct Batch<'s> {
    scheduler: &'s mut Scheduler,
    /// Ascending.
    ids: Vec<RequestId>,
}

impl<'s> Batch<'s> {
    fn new(scheduler: &'s mut Scheduler, settings: &Arc<Settings>, requests: &[AnyRequest<'_>]) -> Self {
        let ids = scheduler.submit_all(requests, settings);
        Self { scheduler, ids }
    }

    /// Steps until all is done; `on` gets what happens, with the index of the request.
    fn run(
        self,
        limits: BatchLimits,
        on: &mut dyn FnMut(usize, SchedulerEvent) -> ControlFlow<()>,
    ) -> Result<(), EnsembleError> {
        let limits = BatchLimits { chunk: limits.chunk.max(1), ..limits };
        let mut events = self.scheduler.drain();
        loop {
            for event in events {
                let Ok(index) = self.ids.binary_search(&event.request()) else { continue };
                if on(index, event).is_break() {
                    return Ok(());
                }
            }
            if self.scheduler.is_idle() {
                return Ok(());
            }
            events = self.scheduler.step(limits)?;
        }
    }
}

impl Drop for Batch<'_> {
    /// However the call ends, nothing of it stays in flight.
    fn drop(&mut self) {
        for &request in &self.ids {
            self.scheduler.cancel(request);
        }
    }
}
