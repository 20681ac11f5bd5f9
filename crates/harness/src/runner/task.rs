//! One task under one system.

use std::ops::ControlFlow;
use std::time::Instant;

use gac_ensemble::{Generation, LogLikelihood, RequestError};
use gac_systems::{StepRecord, System, SystemError};

use super::error::{RunError, chain};
use super::place::TaskPlace;
use super::resume::Prepared;
use crate::events::{Event, Reporter, Warning};
use crate::identity::SampleIdentity;
use crate::results::{
    FolderError, OutcomeCounts, RECORD_VERSION, ResponseRecord, RunFolder, SAMPLES, SampleLog, SampleRecord,
    TaskResults, Timing, prompt_hash,
};
use crate::stats::{DocumentScore, TaskScores};
use crate::{Answer, Document, LoadedTask, Outcome, Request, Score};

/// Asks `system` about every document of `task` that no earlier session finished, scoring and writing each as it is
/// answered. Where nothing is left to ask, no system is needed.
pub(super) fn run_task(
    system: Option<&mut (dyn System + '_)>,
    task: &LoadedTask,
    place: &TaskPlace<'_>,
    prepared: &Prepared,
    reporter: &mut dyn Reporter,
) -> Result<(TaskResults, TaskScores), RunError> {
    let path = place.folder.join(SAMPLES);
    let log = SampleLog::open(&path).map_err(|source| FolderError::Write { path, source })?;
    let documents = task.documents.len();
    let reused = prepared.records.iter().flatten().count();
    let started = Event::TaskStarted { system: place.system, task: &task.name, documents, reused };
    reporter.on(&started).map_err(RunError::Report)?;

    let before = prepared.records.iter().flatten().map(|record| record.elapsed).fold(0.0, f64::max);
    let mut sheet = Sheet {
        task,
        place,
        identities: &prepared.identities,
        log,
        reporter,
        before,
        answered: 0.0,
        started: Instant::now(),
        scores: vec![None; documents],
        values: vec![None; documents],
        finished: 0,
        outcomes: OutcomeCounts::default(),
        truncated: 0,
        unclosed: 0,
        timing: Timing::default(),
        request_seconds: 0.0,
    };
    for (index, record) in prepared.records.iter().enumerate() {
        if let Some(record) = record {
            sheet.count(index, record.score(), record);
        }
    }
    if let Some(system) = system.filter(|_| reused < documents) {
        let asked = sheet.generate(system).and_then(|()| sheet.choose(system));
        // Finished samples are kept, whatever happened.
        let synced = sheet.sync();
        asked.and(synced)?;
    }
    sheet.timing.finish(sheet.answered, sheet.request_seconds, place.batch_size);
    sheet.close()
}

/// A task being answered.
struct Sheet<'a> {
    task: &'a LoadedTask,
    place: &'a TaskPlace<'a>,
    /// One per document.
    identities: &'a [SampleIdentity],
    log: SampleLog,
    reporter: &'a mut dyn Reporter,
    /// Seconds that earlier sessions took.
    before: f64,
    /// Seconds until the last answer so far: what the task took, and the same when it is read back.
    answered: f64,
    started: Instant,
    /// One place per document.
    scores: Vec<Option<Score>>,
    /// One place per document: its value under the primary metric, unless it failed.
    values: Vec<Option<f64>>,
    finished: usize,
    outcomes: OutcomeCounts,
    truncated: usize,
    /// Responses whose reasoning never ended.
    unclosed: usize,
    timing: Timing,
    request_seconds: f64,
}

/// What an answer cost.
#[derive(Default)]
struct Cost {
    tokens: usize,
    ensembled: usize,
    member_tokens: Vec<usize>,
    truncated: bool,
    seconds: Option<f64>,
    trace: Option<Vec<StepRecord>>,
}

impl Sheet<'_> {
    /// Wall time of the task so far, in seconds, over all sessions.
    fn elapsed(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Documents that have no answer yet.
    fn open_documents(&self) -> impl Iterator<Item = (usize, &Document)> {
        self.task.documents.iter().enumerate().filter(|(index, _)| self.scores[*index].is_none())
    }

    /// Asks everything that is to be continued.
    fn generate(&mut self, system: &mut dyn System) -> Result<(), RunError> {
        let mut places = Vec::new();
        let mut requests = Vec::new();
        for (index, document) in self.open_documents() {
            if let Some(request) = document.generation_request(self.place.chat, self.place.trace) {
                places.push(index);
                requests.push(request);
            }
        }
        if requests.is_empty() {
            return Ok(());
        }
        let mut outcome = Ok(());
        let task = self.task;
        let read =
            |request: usize, response: &Generation| extracted(task, &task.documents[*places.get(request)?], response);
        let ended = system.generate(&requests, &read, &mut |request, generation| {
            continue_if(&mut outcome, || match places.get(request) {
                Some(&index) => match &generation {
                    Ok(generation) => self.generated(index, generation),
                    Err(error) => self.failed(index, error),
                },
                None => Err(self.protocol(format!("request {request} of {} answered", places.len()))),
            })
        });
        self.ended(outcome, ended, &places)
    }

    /// Asks for the scores of everything that is to be chosen from.
    fn choose(&mut self, system: &mut dyn System) -> Result<(), RunError> {
        let mut places = Vec::new();
        let mut requests = Vec::new();
        let mut pending: Vec<Vec<Option<Result<LogLikelihood, RequestError>>>> =
            self.task.documents.iter().map(|_| Vec::new()).collect();
        for (index, document) in self.open_documents() {
            let of_document = document.choice_requests(self.place.chat);
            pending[index] = of_document.iter().map(|_| None).collect();
            places.extend((0..of_document.len()).map(|choice| (index, choice)));
            requests.extend(of_document);
        }
        if requests.is_empty() {
            return Ok(());
        }
        if system.thinks() {
            let warning = Warning::ThinkingChoices { system: self.place.system, task: &self.task.name };
            self.reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
        }
        let mut outcome = Ok(());
        let ended = system.log_likelihood(&requests, &mut |request, score| {
            continue_if(&mut outcome, || {
                let Some(&(index, choice)) = places.get(request) else {
                    return Err(self.protocol(format!("request {request} of {} answered", places.len())));
                };
                if pending[index][choice].replace(score).is_some() {
                    return Err(self.protocol(format!("choice {choice} of document {index} answered twice")));
                }
                if pending[index].iter().all(Option::is_some) {
                    match pending[index].iter_mut().filter_map(Option::take).collect() {
                        Ok(scores) => self.chosen(index, scores)?,
                        Err(error) => self.failed(index, &error)?,
                    }
                }
                Ok(())
            })
        });
        let places: Vec<usize> = places.into_iter().map(|(index, _)| index).collect();
        self.ended(outcome, ended, &places)
    }

    /// What a call to a system came to: our own error first, then the system's, then documents it left out.
    fn ended(
        &self,
        outcome: Result<(), RunError>,
        ended: Result<(), SystemError>,
        places: &[usize],
    ) -> Result<(), RunError> {
        outcome?;
        ended.map_err(|error| RunError::System {
            system: self.place.system.to_owned(),
            task: self.task.name.clone(),
            finished: self.finished,
            documents: self.task.documents.len(),
            source: error.source,
        })?;
        match places.iter().find(|index| self.scores[**index].is_none()) {
            Some(index) => Err(self.protocol(format!("document {index} left without an answer"))),
            None => Ok(()),
        }
    }

    fn generated(&mut self, index: usize, generation: &Generation) -> Result<(), RunError> {
        let cost = Cost {
            tokens: generation.tokens,
            ensembled: generation.ensembled,
            member_tokens: generation.member_tokens.clone(),
            truncated: generation.truncated,
            seconds: Some(generation.seconds),
            trace: self.place.trace.then(|| generation.steps.iter().map(Into::into).collect()),
        };
        self.answered(index, &Answer::Text(generation.answer()), generation.into(), cost)
    }

    fn chosen(&mut self, index: usize, scores: Vec<LogLikelihood>) -> Result<(), RunError> {
        let response = ResponseRecord::Choices(scores.iter().map(Into::into).collect());
        let cost = Cost { truncated: scores.iter().any(|score| score.truncated), ..Cost::default() };
        self.answered(index, &Answer::Scores(scores), response, cost)
    }

    /// Writes down that a document could not be asked. The others go on.
    fn failed(&mut self, index: usize, error: &RequestError) -> Result<(), RunError> {
        let score = Score { outcome: Outcome::Failed { error: chain(error) }, filters: Vec::new() };
        self.finish(index, score, ResponseRecord::None, Cost::default())
    }

    /// Scores a document's answer.
    fn answered(
        &mut self,
        index: usize,
        answer: &Answer,
        response: ResponseRecord,
        cost: Cost,
    ) -> Result<(), RunError> {
        let score = self.task.scorer.score(&self.task.documents[index], answer);
        self.finish(index, score, response, cost)
    }

    /// Writes a document's record, tells of it.
    fn finish(&mut self, index: usize, score: Score, response: ResponseRecord, cost: Cost) -> Result<(), RunError> {
        if self.scores[index].is_some() {
            return Err(self.protocol(format!("document {index} answered twice")));
        }
        let record = self.record(index, &score, response, cost);
        self.log
            .append(&record)
            .map_err(|source| FolderError::Write { path: self.log.path().to_path_buf(), source })?;
        self.count(index, score, &record);
        let event = Event::SampleFinished { finished: self.finished, record: &record };
        self.reporter.on(&event).map_err(RunError::Report)
    }

    /// Counts a sample, whichever session finished it.
    fn count(&mut self, index: usize, score: Score, record: &SampleRecord) {
        if matches!(record.response, ResponseRecord::Generated { .. }) {
            self.timing.add(record.tokens, record.ensembled, &record.member_tokens);
            self.request_seconds += record.seconds.unwrap_or(0.0);
        }
        self.answered = self.answered.max(record.elapsed);
        self.finished += 1;
        self.outcomes.add(&score.outcome);
        self.truncated += usize::from(record.truncated);
        self.unclosed += usize::from(record.response.is_unclosed());
        self.values[index] = record.primary(&self.task.primary);
        self.scores[index] = Some(score);
    }

    fn record(&self, index: usize, score: &Score, response: ResponseRecord, cost: Cost) -> SampleRecord {
        let document = &self.task.documents[index];
        let (Request::Generate { prompt, .. } | Request::Choose { context: prompt, .. }) = &document.request;
        SampleRecord {
            version: RECORD_VERSION,
            identity: self.identities[index].clone(),
            system: self.place.system.to_owned(),
            task: self.task.name.clone(),
            task_version: self.task.version.clone(),
            subject: document.subject.clone(),
            doc_id: document.id,
            doc_hash: document.hash.clone(),
            prompt_hash: prompt_hash(&document.request),
            prompt: self.place.log_samples.then(|| prompt.clone()),
            outcome: score.outcome.clone(),
            target: document.target.clone(),
            response,
            filters: score.filters.iter().map(Into::into).collect(),
            tokens: cost.tokens,
            ensembled: cost.ensembled,
            member_tokens: cost.member_tokens,
            truncated: cost.truncated,
            seconds: cost.seconds,
            elapsed: self.elapsed(),
            trace: cost.trace,
        }
    }

    fn sync(&mut self) -> Result<(), RunError> {
        let path = self.log.path().to_path_buf();
        self.log.sync().map_err(|source| FolderError::Write { path, source }.into())
    }

    /// Aggregates, writes the task's results, tells of them.
    fn close(self) -> Result<(TaskResults, TaskScores), RunError> {
        let task = self.task;
        let documents = task.documents.len();
        let scored: Vec<(&Document, &Score)> = task
            .documents
            .iter()
            .zip(&self.scores)
            .filter_map(|(document, score)| Some((document, score.as_ref()?)))
            .filter(|(_, score)| !score.outcome.is_failed())
            .collect();
        if scored.is_empty() {
            return Err(self.all_failed());
        }
        let aggregates = task.scorer.aggregate(&scored);
        let primary = aggregates
            .iter()
            .filter(|aggregate| aggregate.key == task.primary)
            .max_by_key(|aggregate| aggregate.name == task.name)
            .ok_or_else(|| RunError::NoPrimary {
                task: task.name.clone(),
                metric: format!("{},{}", task.primary.metric, task.primary.filter),
            })?;
        let Self { place, reporter, .. } = self;
        let results = TaskResults {
            version: RECORD_VERSION,
            system: place.system.to_owned(),
            task: task.name.clone(),
            task_version: task.version.clone(),
            num_fewshot: task.num_fewshot,
            documents,
            primary: task.primary.clone(),
            value: primary.value,
            stderr: primary.stderr,
            aggregates: aggregates.clone(),
            outcomes: self.outcomes,
            truncated: self.truncated,
            timing: self.timing,
        };
        RunFolder::write_json(&place.folder.join("results.json"), &results)?;
        if self.truncated > 0 {
            let (system, task, count) = (place.system, task.name.as_str(), self.truncated);
            let warning = Warning::Truncated { system, task, count, documents };
            reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
        }
        if self.outcomes.failed > 0 {
            let (system, task, count) = (place.system, task.name.as_str(), self.outcomes.failed);
            let warning = Warning::Failed { system, task, count, documents };
            reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
        }
        if self.unclosed > 0 {
            let (system, task, count) = (place.system, task.name.as_str(), self.unclosed);
            let warning = Warning::Unclosed { system, task, count, documents };
            reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
        }
        reporter.on(&Event::TaskFinished { results: &results }).map_err(RunError::Report)?;

        let values = task.documents.iter().zip(&self.values);
        let scores = values.map(|(document, value)| DocumentScore {
            subject: document.subject.clone(),
            doc_id: document.id,
            doc_hash: document.hash.clone(),
            value: *value,
        });
        let scores = TaskScores { task: task.name.clone(), version: task.version.clone(), documents: scores.collect() };
        Ok((results, scores))
    }

    /// There is nothing to aggregate.
    fn all_failed(&self) -> RunError {
        let first = self.scores.iter().flatten().find_map(|score| match &score.outcome {
            Outcome::Failed { error } => Some(error.clone()),
            _ => None,
        });
        RunError::AllFailed {
            system: self.place.system.to_owned(),
            task: self.task.name.clone(),
            documents: self.task.documents.len(),
            first: first.unwrap_or_default(),
        }
    }

    fn protocol(&self, what: String) -> RunError {
        RunError::Protocol { system: self.place.system.to_owned(), task: self.task.name.clone(), what }
    }
}

/// What a response says by the task's primary filter; none where nothing can be extracted.
fn extracted(task: &LoadedTask, document: &Document, generation: &Generation) -> Option<String> {
    let score = task.scorer.score(document, &Answer::Text(generation.answer()));
    let filter = score.filters.iter().find(|filter| filter.filter == task.primary.filter)?;
    (score.outcome != Outcome::NoAnswer).then(|| filter.extracted.to_string())
}

/// Does `step` unless one has failed before; a failure is kept in `outcome` and ends the call.
fn continue_if(outcome: &mut Result<(), RunError>, step: impl FnOnce() -> Result<(), RunError>) -> ControlFlow<()> {
    if outcome.is_ok() {
        *outcome = step();
    }
    if outcome.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
}
