//! Runs a sweep: all thresholds decoded together, every answer scored by the task's rules.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use gac_ensemble::{
    BatchLimits, EnsembleError, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Scheduler,
    Settings, Threshold, generate, sweep_log_likelihood,
};
use gac_systems::ChatPlan;

use super::point::{StepCosts, SweepPoint, SweepReport};
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

/// Evaluates what answers by `settings`, which have a gate, on `task` at every threshold. `finished` is told each document
/// and threshold that is done.
///
/// All thresholds are decoded together, as a tree ([`Settings::with_thresholds`]).
///
/// # Errors
/// When a member fails, there is no gate, or the task has no value for its primary metric.
pub fn sweep(
    system: &str,
    scheduler: &mut Scheduler,
    settings: &Settings,
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
    let (thresholds, limits) = (&options.thresholds, options.limits);
    let mut generated = |request: usize, threshold, generation: Generation| {
        sheet.generated(places[request], threshold, &generation);
        finished();
        ControlFlow::Continue(())
    };
    gac_ensemble::sweep(scheduler, settings, thresholds, &requests, limits, &mut generated)?;
    sheet.choices(scheduler, settings, options, finished)?;
    let seconds = started.elapsed().as_secs_f64();
    let costs = if requests.is_empty() { None } else { Some(step_costs(scheduler, settings, &requests)?) };
    let mut points = Vec::with_capacity(sheet.columns.len());
    for column in &sheet.columns {
        let measured = match (options.measure_latency, requests.is_empty()) {
            (true, false) => Some(alone_seconds(scheduler, settings, &requests, column.threshold)?.0),
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
        scheduler: &mut Scheduler,
        settings: &Settings,
        options: &SweepOptions,
        finished: &mut dyn FnMut(),
    ) -> Result<(), SweepError> {
        let (places, requests) = choices(self.task, options.chat.as_ref());
        if requests.is_empty() {
            return Ok(());
        }
        // By document, then by threshold.
        let mut scores: Vec<Vec<Vec<LogLikelihood>>> =
            vec![vec![Vec::new(); self.columns.len()]; self.task.documents.len()];
        let mut wanted = vec![0; self.task.documents.len()];
        for &place in &places {
            wanted[place] += 1;
        }
        let (thresholds, limits) = (&options.thresholds, options.limits);
        let mut scored = |request: usize, threshold: usize, score| {
            let document = places[request];
            let of_threshold = &mut scores[document][threshold];
            of_threshold.push(score);
            if of_threshold.len() == wanted[document] {
                let answer = Answer::Scores(std::mem::take(of_threshold));
                let score = self.task.scorer.score(&self.task.documents[document], &answer);
                self.columns[threshold].scores[document] = Some(score);
                finished();
            }
            ControlFlow::Continue(())
        };
        sweep_log_likelihood(scheduler, settings, thresholds, &requests, limits, &mut scored)?;
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

/// A response's length in tokens, the mean over members.
fn mean_length(generation: &Generation) -> f64 {
    generation.member_tokens.iter().sum::<usize>() as f64 / generation.member_tokens.len().max(1) as f64
}

/// What steps cost, one document at a time, at the two ends of the scale of thresholds.
fn step_costs(
    scheduler: &mut Scheduler,
    settings: &Settings,
    requests: &[GenerationRequest],
) -> Result<StepCosts, SweepError> {
    let some = &requests[..requests.len().min(CALIBRATION)];
    let mut cost = |threshold: f64| -> Result<f64, SweepError> {
        let threshold = Threshold::new(threshold).map_err(EnsembleError::from)?;
        // Once without the clock: the first forwards of a process pay for more than themselves.
        alone_seconds(scheduler, settings, &some[..1], threshold)?;
        let (seconds, tokens) = alone_seconds(scheduler, settings, some, threshold)?;
        Ok(1000.0 * seconds / tokens.max(1) as f64)
    };
    Ok(StepCosts { alone_ms: cost(0.0)?, vote_ms: cost(1.0)? })
}

/// Seconds and tokens of all `requests`, one at a time, at `threshold`.
fn alone_seconds(
    scheduler: &mut Scheduler,
    settings: &Settings,
    requests: &[GenerationRequest],
    threshold: Threshold,
) -> Result<(f64, usize), SweepError> {
    let settings = Arc::new(settings.clone().with_thresholds(&[threshold])?);
    scheduler.forget_prompts();
    let (mut seconds, mut tokens) = (0.0, 0);
    generate(scheduler, &settings, requests, BatchLimits::batch(1), &mut |_, generation| {
        seconds += generation.seconds;
        tokens += generation.tokens;
        ControlFlow::Continue(())
    })?;
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
