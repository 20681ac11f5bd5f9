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
/// With [`Overlong::Windows`](crate::Overlong::Windows), a text behind no context that is too long for some member is scored
/// in windows, and its score is their sum. They are those of lm-evaluation-harness's rolling log-likelihood: every window
/// but the last is as long as the members have room for, and begins with a token that the one before has scored; the last
/// one begins as early as they have room for. They are cut between the first member's tokens. The others read these in their
/// segmentation, so that the member that has room for the least decides.
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
    let batch = Batch::scores(scheduler, settings, requests);
    let mut parts = WindowScores::new(&batch.ids);
    // Those that are done before an earlier one.
    let mut early: BTreeMap<(usize, usize), LogLikelihood> = BTreeMap::new();
    let mut failed: BTreeSet<usize> = BTreeSet::new();
    let (mut next, mut rule) = (0, 0);
    batch.run(limits, &mut |index, event| {
        match event {
            SchedulerEvent::Scored { request, rule, score, .. } => {
                if let Some(whole) = parts.add(index, request, rule, score) {
                    early.insert((index, rule), whole);
                }
            }
            SchedulerEvent::Failed { error, .. } => {
                if failed.insert(index) && index >= next {
                    finished(index, Err(error))?;
                }
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

/// The scores of windows, until all of their text are there.
struct WindowScores {
    /// By text: how many windows it has.
    windows: BTreeMap<usize, usize>,
    /// By text and rule: the scores that are there, by window.
    scores: BTreeMap<(usize, usize), BTreeMap<RequestId, LogLikelihood>>,
}

impl WindowScores {
    fn new(ids: &[(RequestId, usize)]) -> Self {
        let mut windows = BTreeMap::new();
        for (_, index) in ids {
            *windows.entry(*index).or_default() += 1;
        }
        Self { windows, scores: BTreeMap::new() }
    }

    /// Adds a window's score; gives the text's where it was the last one. They are summed in the order of the text,
    /// whatever was scored first.
    fn add(&mut self, index: usize, window: RequestId, rule: usize, score: LogLikelihood) -> Option<LogLikelihood> {
        let scores = self.scores.entry((index, rule)).or_default();
        scores.insert(window, score);
        if Some(&scores.len()) != self.windows.get(&index) {
            return None;
        }
        let joined = |mut text: LogLikelihood, window: LogLikelihood| {
            text.sum += window.sum;
            text.greedy &= window.greedy;
            text.tokens.extend(window.tokens);
            text.truncated |= window.truncated;
            text
        };
        self.scores.remove(&(index, rule))?.into_values().reduce(joined)
    }
}

/// The requests of one call.
struct Batch<'s> {
    scheduler: &'s mut Scheduler,
    /// Ascending, each with the index of what it is, or is a window of.
    ids: Vec<(RequestId, usize)>,
}

impl<'s> Batch<'s> {
    fn new(scheduler: &'s mut Scheduler, settings: &Arc<Settings>, requests: &[AnyRequest<'_>]) -> Self {
        let ids = scheduler.submit_all(requests, settings).into_iter().zip(0..).collect();
        Self { scheduler, ids }
    }

    fn scores(scheduler: &'s mut Scheduler, settings: &Arc<Settings>, requests: &[LogLikelihoodRequest]) -> Self {
        let ids = scheduler.submit_scores(requests, settings);
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
                let Ok(at) = self.ids.binary_search_by_key(&event.request(), |(id, _)| *id) else { continue };
                if on(self.ids[at].1, event).is_break() {
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
        for &(request, _) in &self.ids {
            self.scheduler.cancel(request);
        }
    }
}
