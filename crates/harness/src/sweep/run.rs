//! Runs a sweep: all thresholds decoded together, every answer scored by the task's rules.

use std::ops::ControlFlow;
use std::time::Instant;

use gac_ensemble::{
    BatchLimits, Ensemble, EnsembleError, Gating, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest,
    Threshold,
};

use super::point::{StepCosts, SweepPoint, SweepReport};
use crate::recipe::ChatPlan;
use crate::{Answer, Document, LoadedTask, Score};

/// Documents on which the cost of a step is measured.
const CALIBRATION: usize = 4;

/// What a sweep goes over.
#[derive(Clone, Debug)]
pub struct SweepOptions {
    /// The thresholds, in the order of the report.
    pub thresholds: Vec<Threshold>,
    /// Whether every threshold is also run alone, one document at a time, for its latency.
    pub measure_latency: bool,
    /// Samples in flight at once.
    pub limits: BatchLimits,
    /// How prompts become chats, where they do.
    pub chat: Option<ChatPlan>,
}

/// Evaluates `ensemble`, which has a gate, on `task` at every threshold. `finished` is told each document and threshold
/// that is done.
///
/// Generated responses are decoded as a tree over thresholds ([`Ensemble::sweep`]); choices are scored threshold by
/// threshold.
///
/// # Errors
/// When a member fails, there is no gate, or the task has no value for its primary metric.
pub fn sweep(
    system: &str,
    ensemble: &mut Ensemble,
    task: &LoadedTask,
    options: &SweepOptions,
    finished: &mut dyn FnMut(),
) -> Result<SweepReport, SweepError> {
    let mut sheet = Sheet {
        task,
        columns: options.thresholds.iter().map(|&threshold| Column::new(threshold, task.documents.len())).collect(),
    };
    let (places, requests) = generations(task, options.chat.as_ref());
    let started = Instant::now();
    ensemble.sweep(&requests, &options.thresholds, options.limits, &mut |request, threshold, generation| {
        sheet.generated(places[request], threshold, &generation);
        finished();
        ControlFlow::Continue(())
    })?;
    sheet.choices(ensemble, options, finished)?;
    let seconds = started.elapsed().as_secs_f64();
    let costs = if requests.is_empty() { None } else { Some(step_costs(ensemble, &requests)?) };
    let mut points = Vec::with_capacity(sheet.columns.len());
    for column in &sheet.columns {
        let measured = match (options.measure_latency, requests.is_empty()) {
            (true, false) => Some(alone_seconds(ensemble, &requests, column.threshold)?.0),
            _ => None,
        };
        let mut point = sheet.point(system, column)?;
        point.finish(costs, measured);
        points.push(point);
    }
    Ok(SweepReport { points, costs, seconds })
}

/// Answers by threshold.
struct Sheet<'a> {
    task: &'a LoadedTask,
    columns: Vec<Column>,
}

/// One threshold's answers.
struct Column {
    threshold: Threshold,
    /// By document.
    scores: Vec<Option<Score>>,
    tokens: usize,
    ensembled: usize,
    member_tokens: f64,
}

impl Column {
    fn new(threshold: Threshold, documents: usize) -> Self {
        Self { threshold, scores: vec![None; documents], tokens: 0, ensembled: 0, member_tokens: 0.0 }
    }
}

impl Sheet<'_> {
    fn generated(&mut self, document: usize, threshold: usize, generation: &Generation) {
        let score = self.task.scorer.score(&self.task.documents[document], &Answer::Text(generation.answer()));
        let column = &mut self.columns[threshold];
        column.scores[document] = Some(score);
        column.tokens += generation.tokens;
        column.ensembled += generation.ensembled;
        column.member_tokens += mean_length(generation);
    }

    /// Scores everything that is to be chosen from.
    fn choices(
        &mut self,
        ensemble: &mut Ensemble,
        options: &SweepOptions,
        finished: &mut dyn FnMut(),
    ) -> Result<(), SweepError> {
        let (places, requests) = choices(self.task, options.chat.as_ref());
        if requests.is_empty() {
            return Ok(());
        }
        let gating = ensemble.gating();
        for column in &mut self.columns {
            ensemble.set_gating(at(gating, column.threshold)?)?;
            let mut scores: Vec<Vec<LogLikelihood>> = vec![Vec::new(); self.task.documents.len()];
            ensemble.log_likelihood(&requests, options.limits, &mut |request, score| {
                scores[places[request]].push(score);
                ControlFlow::Continue(())
            })?;
            for (document, scores) in scores.into_iter().enumerate().filter(|(_, scores)| !scores.is_empty()) {
                let score = self.task.scorer.score(&self.task.documents[document], &Answer::Scores(scores));
                column.scores[document] = Some(score);
                finished();
            }
        }
        ensemble.set_gating(gating)?;
        Ok(())
    }

    fn point(&self, system: &str, column: &Column) -> Result<SweepPoint, SweepError> {
        let task = self.task;
        let scored: Vec<(&Document, &Score)> =
            task.documents.iter().zip(&column.scores).filter_map(|(d, score)| Some((d, score.as_ref()?))).collect();
        let aggregates = task.scorer.aggregate(&scored);
        let primary = aggregates
            .iter()
            .filter(|aggregate| aggregate.key == task.primary)
            .max_by_key(|aggregate| aggregate.name == task.name)
            .ok_or_else(|| SweepError::NoPrimary { task: task.name.clone(), metric: task.primary.metric.clone() })?;
        Ok(SweepPoint {
            system: system.to_owned(),
            task: task.name.clone(),
            threshold: column.threshold.get(),
            metric: task.primary.metric.clone(),
            filter: task.primary.filter.clone(),
            documents: scored.len(),
            value: primary.value,
            stderr: primary.stderr,
            tokens: column.tokens,
            ensembled: column.ensembled,
            ensembled_share: None,
            member_tokens: column.member_tokens,
            modelled_ms_per_token: None,
            measured_ms_per_token: None,
        })
    }
}

/// What is to be continued, with its documents' places.
fn generations(task: &LoadedTask, chat: Option<&ChatPlan>) -> (Vec<usize>, Vec<GenerationRequest>) {
    let places = task.documents.iter().enumerate();
    places.filter_map(|(place, document)| Some((place, document.generation_request(chat, false)?))).unzip()
}

/// What is to be scored, with its documents' places.
fn choices(task: &LoadedTask, chat: Option<&ChatPlan>) -> (Vec<usize>, Vec<LogLikelihoodRequest>) {
    let places = task.documents.iter().enumerate();
    places.flat_map(|(place, document)| document.choice_requests(chat).into_iter().map(move |it| (place, it))).unzip()
}

/// `gating` with another threshold.
fn at(gating: Gating, threshold: Threshold) -> Result<Gating, SweepError> {
    match gating {
        Gating::KeyTokens { gate, certainty, .. } => Ok(Gating::KeyTokens { gate, certainty, threshold }),
        Gating::EveryStep | Gating::Safe { .. } => Err(EnsembleError::SweepWithoutGate.into()),
    }
}

/// A response's length in tokens, the mean over members.
fn mean_length(generation: &Generation) -> f64 {
    generation.member_tokens.iter().sum::<usize>() as f64 / generation.member_tokens.len().max(1) as f64
}

/// What steps cost, one document at a time, at the two ends of the scale of thresholds.
fn step_costs(ensemble: &mut Ensemble, requests: &[GenerationRequest]) -> Result<StepCosts, SweepError> {
    let some = &requests[..requests.len().min(CALIBRATION)];
    let mut cost = |threshold: f64| -> Result<f64, SweepError> {
        let threshold = Threshold::new(threshold).map_err(EnsembleError::from)?;
        // Once without the clock: the first forwards of a process pay for more than themselves.
        alone_seconds(ensemble, &some[..1], threshold)?;
        let (seconds, tokens) = alone_seconds(ensemble, some, threshold)?;
        Ok(1000.0 * seconds / tokens.max(1) as f64)
    };
    Ok(StepCosts { alone_ms: cost(0.0)?, vote_ms: cost(1.0)? })
}

/// Seconds and tokens of all `requests`, one at a time, at `threshold`.
fn alone_seconds(
    ensemble: &mut Ensemble,
    requests: &[GenerationRequest],
    threshold: Threshold,
) -> Result<(f64, usize), SweepError> {
    let gating = ensemble.gating();
    ensemble.set_gating(at(gating, threshold)?)?;
    ensemble.forget_prompts();
    let (mut seconds, mut tokens) = (0.0, 0);
    let generated = ensemble.generate(requests, BatchLimits { max_samples: 1 }, &mut |_, generation| {
        seconds += generation.seconds;
        tokens += generation.tokens;
        ControlFlow::Continue(())
    });
    ensemble.set_gating(gating)?;
    generated?;
    Ok((seconds, tokens))
}

/// A sweep could not go on.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// The ensemble failed.
    #[error(transparent)]
    Ensemble(#[from] EnsembleError),
    /// A task's aggregates lack the metric it names as its primary one.
    #[error("task `{task}` has no value for its primary metric `{metric}`")]
    NoPrimary {
        /// The task.
        task: String,
        /// The metric.
        metric: String,
    },
}

impl SweepError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Ensemble(EnsembleError::SweepWithoutGate) => Some("name the model that gates: `--gate`"),
            Self::Ensemble(error) => error.hint(),
            Self::NoPrimary { .. } => None,
        }
    }
}
