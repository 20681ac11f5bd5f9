//! One task under one system, or under several that are decoded together.

use std::collections::BTreeMap;

use gac_ensemble::{Decoding, Generation, GenerationRequest, LogLikelihood};
use gac_systems::{System, SystemError};

use super::error::{RunError, chain};
use super::in_flight::{TaskInFlight, continue_if};
use super::no_answer::NoAnswers;
use super::resume::Prepared;
use super::sheet::Sheet;
use super::task_folder::TaskFolder;
use crate::events::{Event, Reporter, Warning};
use crate::results::TaskResults;
use crate::stats::TaskScores;
use crate::task::{Answer, Document, LoadedTask, Outcome};

/// Asks `system` (of each of `places` a part) about every document of `task` that no earlier session finished, scoring and
/// writing each as it is answered. Where nothing is left to ask, no system is needed.
pub(super) fn run_task(
    system: Option<&mut (dyn System + '_)>,
    task: &LoadedTask,
    places: &[(TaskFolder<'_>, Prepared)],
    reporter: &mut dyn Reporter,
) -> Result<Vec<(TaskResults, TaskScores)>, RunError> {
    let sheets = places.iter().map(|(place, prepared)| Sheet::open(task, place, prepared, reporter));
    let sheets = sheets.collect::<Result<Vec<_>, _>>()?;
    let complete = places.iter().all(|(_, prepared)| prepared.is_complete());
    let mut asking = TaskInFlight { task, sheets, reporter };
    if let Some(system) = system.filter(|_| !complete) {
        let asked = asking.all(system);
        // Finished samples are kept, whatever happened.
        let synced = asking.sheets.iter_mut().try_for_each(Sheet::sync);
        asked.and(synced)?;
    }
    let TaskInFlight { sheets, reporter, .. } = asking;
    sheets.into_iter().map(|sheet| sheet.close(reporter)).collect()
}

/// Which systems lack which documents' answers: by the systems, so that each call asks for what is missing and no more.
type MissingAnswers = BTreeMap<Vec<usize>, Vec<usize>>;

impl TaskInFlight<'_, '_> {
    fn all(&mut self, system: &mut dyn System) -> Result<(), RunError> {
        let mut thinks = system.thinks();
        for (asked, documents) in self.missing() {
            // The second question goes first: what is generated is then on the disk as soon as it is there.
            let no_answers = self.score_no_answers(system, &asked, &documents)?;
            self.generate(system, &asked, &documents, no_answers)?;
            self.choose(system, &asked, &documents, &mut thinks)?;
        }
        self.time(system)
    }

    fn missing(&self) -> MissingAnswers {
        let mut missing = MissingAnswers::new();
        for index in 0..self.task.documents.len() {
            let lacks = |system: &usize| !self.sheets[*system].has(index);
            let systems: Vec<usize> = (0..self.sheets.len()).filter(lacks).collect();
            if !systems.is_empty() {
                missing.entry(systems).or_default().push(index);
            }
        }
        missing
    }

    /// A document as something to be continued, if it is.
    fn generation(&self, index: usize) -> Option<GenerationRequest> {
        // Places of systems that are decoded together differ in nothing that is asked.
        let document = &self.task.documents[index];
        let mut request = document.generation_request(self.sheets[0].chat(), self.sheets[0].traces())?;
        if document.repeat > 0 {
            request.decoding = Some(repeated(request.decoding.unwrap_or(self.sheets[0].decoding()), document.repeat));
        }
        Some(request)
    }

    /// Asks everything that is to be continued, but for what failed at its second question.
    fn generate(
        &mut self,
        system: &mut dyn System,
        asked: &[usize],
        documents: &[usize],
        mut no_answers: NoAnswers,
    ) -> Result<(), RunError> {
        let failed = |index: usize| asked.iter().all(|&system| self.sheets[system].has(index));
        let documents = documents.iter().filter(|&&index| !failed(index));
        let open = documents.filter_map(|&index| Some((index, self.generation(index)?)));
        let (places, requests): (Vec<usize>, Vec<GenerationRequest>) = open.unzip();
        if requests.is_empty() {
            return Ok(());
        }
        let task = self.task;
        let read =
            |request: usize, response: &Generation| extracted(task, &task.documents[*places.get(request)?], response);
        let mut outcome = Ok(());
        let ended = system.generate(asked, &requests, &read, &mut |request, answer| {
            continue_if(&mut outcome, || {
                let &index = places.get(request).ok_or_else(|| self.stray(request, places.len()))?;
                match answer {
                    Ok((system, generation)) => {
                        self.sheet(asked, system)?;
                        let no_answer = no_answers.take(index, system);
                        self.sheets[system].generated(index, &generation, no_answer, self.reporter)
                    }
                    Err(error) => self.failed(asked, index, &error),
                }
            })
        });
        self.ended(outcome, ended, asked, &places)
    }

    /// Asks for the scores of everything that is to be chosen from.
    fn choose(
        &mut self,
        system: &mut dyn System,
        asked: &[usize],
        documents: &[usize],
        thinks: &mut bool,
    ) -> Result<(), RunError> {
        let mut places = Vec::new();
        let mut requests = Vec::new();
        // By document and system.
        let mut pending: BTreeMap<(usize, usize), Choices> = BTreeMap::new();
        for &index in documents {
            let of_document = self.task.documents[index].choice_requests(self.sheets[0].chat());
            for &system in asked.iter().filter(|_| !of_document.is_empty()) {
                pending.insert((index, system), Choices::new(of_document.len()));
            }
            places.extend((0..of_document.len()).map(|choice| (index, choice)));
            requests.extend(of_document);
        }
        if requests.is_empty() {
            return Ok(());
        }
        if std::mem::take(thinks) {
            for sheet in &self.sheets {
                let warning = Warning::ThinkingChoices { system: sheet.system(), task: &self.task.name };
                self.reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
            }
        }
        let mut outcome = Ok(());
        let ended = system.log_likelihood(asked, &requests, &mut |request, score| {
            continue_if(&mut outcome, || {
                let &(index, choice) = places.get(request).ok_or_else(|| self.stray(request, places.len()))?;
                let (systems, score) = match score {
                    Ok((system, score)) => {
                        self.sheet(asked, system)?;
                        (vec![system], Ok(score))
                    }
                    Err(error) => (asked.to_vec(), Err(chain(&error))),
                };
                for system in systems {
                    let Some(choices) = pending.get_mut(&(index, system)) else { continue };
                    if !choices.take(choice, &score) {
                        // An error stands for what was not answered yet.
                        if score.is_err() {
                            continue;
                        }
                        let what = format!("choice {choice} of document {index} answered twice");
                        return Err(self.sheets[system].protocol(what));
                    }
                    match choices.complete() {
                        Some(Ok(scores)) => self.sheets[system].chosen(index, scores, self.reporter)?,
                        Some(Err(error)) => self.sheets[system].failed(index, &error, self.reporter)?,
                        None => {}
                    }
                }
                Ok(())
            })
        });
        let places: Vec<usize> = places.into_iter().map(|(index, _)| index).collect();
        self.ended(outcome, ended, asked, &places)
    }

    /// Times what steps cost, where systems are decoded together and no earlier session has.
    fn time(&mut self, system: &mut dyn System) -> Result<(), RunError> {
        if self.sheets.iter().any(|sheet| !sheet.is_together() || sheet.step_costs.is_some()) {
            return Ok(());
        }
        let requests: Vec<_> = (0..self.task.documents.len()).filter_map(|index| self.generation(index)).collect();
        let costs = system.step_costs(&requests);
        let costs = costs.map_err(|error| self.stopped(0, error))?;
        self.sheets.iter_mut().for_each(|sheet| sheet.step_costs = costs);
        Ok(())
    }

    /// What a call to a system came to: our own error first, then the system's, then documents it left out.
    fn ended(
        &self,
        outcome: Result<(), RunError>,
        ended: Result<(), SystemError>,
        asked: &[usize],
        places: &[usize],
    ) -> Result<(), RunError> {
        outcome?;
        ended.map_err(|error| self.stopped(asked[0], error))?;
        for sheet in asked.iter().map(|&system| &self.sheets[system]) {
            if let Some(index) = places.iter().find(|index| !sheet.has(**index)) {
                return Err(sheet.protocol(format!("document {index} left without an answer")));
            }
        }
        Ok(())
    }
}

/// How tokens are picked when a document is asked again: by the seed that many later.
fn repeated(decoding: Decoding, repeat: usize) -> Decoding {
    match decoding {
        Decoding::Greedy => Decoding::Greedy,
        Decoding::Sampled(sampling) => {
            Decoding::Sampled(sampling.with_seed(sampling.seed().wrapping_add(repeat as u64)))
        }
    }
}

/// The scores of a document's choices as they come; an error where one could not be asked.
struct Choices(Vec<Option<Result<LogLikelihood, String>>>);

impl Choices {
    fn new(choices: usize) -> Self {
        Self(vec![None; choices])
    }

    /// Whether it was still to come.
    fn take(&mut self, choice: usize, score: &Result<LogLikelihood, String>) -> bool {
        let Some(place @ None) = self.0.get_mut(choice) else { return false };
        *place = Some(score.clone());
        true
    }

    /// All of them, once they are there.
    fn complete(&mut self) -> Option<Result<Vec<LogLikelihood>, String>> {
        let all = self.0.iter().all(Option::is_some);
        all.then(|| std::mem::take(&mut self.0).into_iter().flatten().collect())
    }
}

/// What a response says by the task's primary filter; none where nothing can be extracted.
fn extracted(task: &LoadedTask, document: &Document, generation: &Generation) -> Option<String> {
    let score = task.scorer.score(document, &Answer::Text(generation.answer()));
    let filter = score.filters.iter().find(|filter| filter.filter == task.primary.filter)?;
    (score.outcome != Outcome::NoAnswer).then(|| filter.extracted.to_string())
}
