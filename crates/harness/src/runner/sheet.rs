//! One task under one system: answers, scores and records.

use std::time::Instant;

use gac_ensemble::{Decoding, Generation, LogLikelihood};
use gac_systems::{ChatPlan, StepCosts};

use super::error::RunError;
use super::record::{AnswerCost, AnswerRecord, record};
use super::repeats::aggregates;
use super::resume::Prepared;
use super::task_folder::TaskFolder;
use crate::events::{Event, Reporter, Warning};
use crate::identity::ResponseIdentity;
use crate::results::{
    FolderError, OutcomeCounts, RECORD_VERSION, RESULTS, ResponseRecord, RunFolder, SAMPLES, SampleLog, SampleRecord,
    TaskResults, Timing,
};
use crate::stats::{DocumentScore, TaskScores, mean_over_repeats};
use crate::task::{Answer, Document, LoadedTask, Outcome, Score};

/// A task being answered by a system.
pub(super) struct Sheet<'a> {
    task: &'a LoadedTask,
    place: &'a TaskFolder<'a>,
    /// What earlier sessions left.
    prepared: &'a Prepared,
    log: SampleLog,
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
    /// What steps cost, where its systems are decoded together: then no system has a time of its own.
    pub(super) step_costs: Option<StepCosts>,
}

impl<'a> Sheet<'a> {
    /// A task with what earlier sessions answered.
    pub(super) fn open(
        task: &'a LoadedTask,
        place: &'a TaskFolder<'a>,
        prepared: &'a Prepared,
        reporter: &mut dyn Reporter,
    ) -> Result<Self, RunError> {
        let path = place.folder.join(SAMPLES);
        let log = SampleLog::open(&path).map_err(|source| FolderError::Write { path, source })?;
        let documents = task.documents.len();
        let reused = prepared.records.iter().flatten().count();
        let started = Event::TaskStarted { system: place.system, task: &task.name, documents, reused };
        reporter.on(&started).map_err(RunError::Report)?;
        let mut sheet = Self {
            task,
            place,
            prepared,
            log,
            before: prepared.records.iter().flatten().map(|record| record.elapsed).fold(0.0, f64::max),
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
            step_costs: prepared.step_costs,
        };
        for (index, record) in prepared.records.iter().enumerate() {
            if let Some(record) = record {
                sheet.count(index, record.score(), record);
            }
        }
        Ok(sheet)
    }

    /// The system's name.
    pub(super) fn system(&self) -> &'a str {
        self.place.system
    }

    /// Whether a document has its sample.
    pub(super) fn has(&self, index: usize) -> bool {
        self.scores[index].is_some()
    }

    /// How prompts become chats, where they do.
    pub(super) fn chat(&self) -> Option<&'a ChatPlan> {
        self.place.chat
    }

    /// How tokens are picked where the task does not say.
    pub(super) fn decoding(&self) -> Decoding {
        self.place.decoding
    }

    /// Whether records of generated responses carry their steps.
    pub(super) fn traces(&self) -> bool {
        self.place.trace
    }

    /// Whether the system is decoded together with others.
    pub(super) fn is_together(&self) -> bool {
        self.place.together.is_some()
    }

    /// Documents that have their samples.
    pub(super) fn finished(&self) -> usize {
        self.finished
    }

    /// Wall time of the task so far, in seconds, over all sessions.
    fn elapsed(&self) -> f64 {
        self.before + self.started.elapsed().as_secs_f64()
    }

    /// Takes down what a document's prompt was continued with, and how likely no answer was, where that was asked.
    pub(super) fn generated(
        &mut self,
        index: usize,
        generation: &Generation,
        no_answer: Option<LogLikelihood>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), RunError> {
        let cost = AnswerCost {
            tokens: generation.tokens,
            ensembled: generation.ensembled,
            drafts: Some(generation.drafts).filter(|drafts| drafts.verifications > 0),
            member_tokens: generation.member_tokens.clone(),
            truncated: generation.truncated || no_answer.as_ref().is_some_and(|score| score.truncated),
            // One that shared its steps with others has no time of its own.
            seconds: self.place.together.is_none().then_some(generation.seconds),
            trace: self.place.trace.then(|| generation.steps.iter().map(Into::into).collect()),
            cached: false,
        };
        let record = AnswerRecord { response: generation.into(), no_answer: no_answer.as_ref().map(Into::into) };
        self.answered(index, &Answer::of_text(generation.answer(), no_answer), record, cost, reporter)
    }

    /// Takes down how likely a document's choices are.
    pub(super) fn chosen(
        &mut self,
        index: usize,
        scores: Vec<LogLikelihood>,
        reporter: &mut dyn Reporter,
    ) -> Result<(), RunError> {
        let response = ResponseRecord::Choices(scores.iter().map(Into::into).collect());
        let cost = AnswerCost { truncated: scores.iter().any(|score| score.truncated), ..AnswerCost::default() };
        self.answered(index, &Answer::Scores(scores), response.into(), cost, reporter)
    }

    /// Writes down that a document could not be asked. The others go on.
    pub(super) fn failed(&mut self, index: usize, error: &str, reporter: &mut dyn Reporter) -> Result<(), RunError> {
        let score =
            Score { outcome: Outcome::Failed { error: error.to_owned() }, filters: Vec::new(), no_answer: None };
        self.finish(index, score, ResponseRecord::None.into(), AnswerCost::default(), reporter)
    }

    /// Scores a document's answer.
    fn answered(
        &mut self,
        index: usize,
        answer: &Answer,
        record: AnswerRecord,
        cost: AnswerCost,
        reporter: &mut dyn Reporter,
    ) -> Result<(), RunError> {
        let score = self.task.scorer.score(&self.task.documents[index], answer);
        self.finish(index, score, record, cost, reporter)
    }

    /// Writes a document's record, tells of it.
    fn finish(
        &mut self,
        index: usize,
        score: Score,
        answer: AnswerRecord,
        cost: AnswerCost,
        reporter: &mut dyn Reporter,
    ) -> Result<(), RunError> {
        if self.scores[index].is_some() {
            return Err(self.protocol(format!("document {index} answered twice")));
        }
        let identity = self.prepared.identities[index].clone();
        let record = record(self.task, index, self.place, identity, &score, answer, cost, self.elapsed());
        self.log
            .append(&record)
            .map_err(|source| FolderError::Write { path: self.log.path().to_path_buf(), source })?;
        if let Some(cache) = self.place.cache {
            let identity = ResponseIdentity::new(&self.place.identity, &self.task.documents[index]);
            cache
                .keep(identity, &record)
                .map_err(|source| FolderError::Write { path: cache.path().to_path_buf(), source })?;
        }
        self.count(index, score, &record);
        let event = Event::SampleFinished { finished: self.finished, record: &record };
        reporter.on(&event).map_err(RunError::Report)
    }

    /// Counts a sample, whichever session finished it.
    fn count(&mut self, index: usize, score: Score, record: &SampleRecord) {
        if matches!(record.response, ResponseRecord::Generated { .. }) {
            self.timing.add(record.tokens, record.ensembled, &record.member_tokens);
            self.timing.add_drafts(record.drafts);
            if record.cached {
                self.timing.leave_out(&record.member_tokens);
            } else {
                self.request_seconds += record.seconds.unwrap_or(0.0);
            }
        }
        self.answered = self.answered.max(record.elapsed);
        self.finished += 1;
        self.outcomes.add(&score.outcome);
        self.truncated += usize::from(record.truncated);
        self.unclosed += usize::from(record.response.is_unclosed());
        self.values[index] = record.primary(&self.task.primary);
        self.scores[index] = Some(score);
    }

    /// Makes sure that what is finished is on the disk.
    pub(super) fn sync(&mut self) -> Result<(), RunError> {
        let path = self.log.path().to_path_buf();
        self.log.sync().map_err(|source| FolderError::Write { path, source }.into())
    }

    /// Aggregates, writes the task's results, tells of them.
    pub(super) fn close(mut self, reporter: &mut dyn Reporter) -> Result<(TaskResults, TaskScores), RunError> {
        if let Some(systems) = self.place.together {
            self.timing.finish_together(self.answered / systems as f64, self.step_costs);
        } else {
            self.timing.finish(self.answered, self.request_seconds, self.place.batch_size);
        }
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
        let aggregates = aggregates(task, &scored);
        let primary = aggregates
            .iter()
            .filter(|aggregate| aggregate.key == task.primary)
            .max_by_key(|aggregate| aggregate.name == task.name)
            .ok_or_else(|| RunError::NoPrimary {
                task: task.name.clone(),
                metric: format!("{},{}", task.primary.metric, task.primary.filter),
            })?;
        let place = self.place;
        let results = TaskResults {
            version: RECORD_VERSION,
            system: place.system.to_owned(),
            task: task.name.clone(),
            task_version: task.version.clone(),
            num_fewshot: task.num_fewshot,
            documents: task.documents.iter().filter(|document| document.repeat == 0).count(),
            repeats: task.repeats(),
            primary: task.primary.clone(),
            value: primary.value,
            stderr: primary.stderr,
            aggregates: aggregates.clone(),
            outcomes: self.outcomes,
            truncated: self.truncated,
            timing: self.timing,
            groups: task.groups.clone(),
        };
        RunFolder::write_json(&place.folder.join(RESULTS), &results)?;
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
        let scores =
            TaskScores { task: task.name.clone(), version: task.version.clone(), documents: mean_over_repeats(scores) };
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

    /// A system that does not keep to what it was asked.
    pub(super) fn protocol(&self, what: String) -> RunError {
        RunError::Protocol { system: self.place.system.to_owned(), task: self.task.name.clone(), what }
    }
}
