//! The second question about documents that may have no answer: how likely that is.

use std::collections::HashMap;

use gac_ensemble::{LogLikelihood, LogLikelihoodRequest};
use gac_systems::System;

use super::error::RunError;
use super::in_flight::{TaskInFlight, continue_if};
use crate::events::{Event, Warning};

/// How likely no answer is, by document and system.
#[derive(Default)]
pub(super) struct NoAnswers(HashMap<(usize, usize), LogLikelihood>);

impl NoAnswers {
    /// A system's score of a document, once; none where there was no second question.
    pub(super) fn take(&mut self, index: usize, system: usize) -> Option<LogLikelihood> {
        self.0.remove(&(index, system))
    }

    /// Whether it was still to come.
    fn add(&mut self, index: usize, system: usize, score: LogLikelihood) -> bool {
        self.0.insert((index, system), score).is_none()
    }
}

/// A second question, and the documents that it is about: one that is asked several times has the same score every time.
struct SecondQuestion {
    request: LogLikelihoodRequest,
    documents: Vec<usize>,
}

impl TaskInFlight<'_, '_> {
    /// Asks how likely no answer is, of the documents that want to know. Those that cannot be asked fail.
    pub(super) fn score_no_answers(
        &mut self,
        system: &mut dyn System,
        asked: &[usize],
        documents: &[usize],
    ) -> Result<NoAnswers, RunError> {
        let mut no_answers = NoAnswers::default();
        let questions = self.questions(documents);
        if questions.is_empty() {
            return Ok(no_answers);
        }
        if system.thinks() {
            for sheet in asked.iter().map(|&system| &self.sheets[system]) {
                let warning = Warning::ThinkingNoAnswer { system: sheet.system(), task: &self.task.name };
                self.reporter.on(&Event::Warning(warning)).map_err(RunError::Report)?;
            }
        }
        let requests: Vec<LogLikelihoodRequest> = questions.iter().map(|question| question.request.clone()).collect();
        let all = asked.len() * questions.iter().map(|question| question.documents.len()).sum::<usize>();
        let (mut scored, mut outcome) = (0, Ok(()));
        let ended = system.log_likelihood(asked, &requests, &mut |request, score| {
            continue_if(&mut outcome, || {
                let question = questions.get(request).ok_or_else(|| self.stray(request, questions.len()))?;
                let (system, score) = match score {
                    Ok(answer) => answer,
                    Err(error) => {
                        return question.documents.iter().try_for_each(|&index| self.failed(asked, index, &error));
                    }
                };
                self.sheet(asked, system)?;
                for &index in &question.documents {
                    if !no_answers.add(index, system, score.clone()) {
                        let what = format!("the second question about document {index} answered twice");
                        return Err(self.sheets[system].protocol(what));
                    }
                    scored += 1;
                    let (system, task) = (self.sheets[system].system(), self.task.name.as_str());
                    let event = Event::NoAnswerScored { system, task, asked: scored, documents: all };
                    self.reporter.on(&event).map_err(RunError::Report)?;
                }
                Ok(())
            })
        });
        outcome?;
        ended.map_err(|error| self.stopped(asked[0], error))?;
        for (&index, &system) in
            questions.iter().flat_map(|it| &it.documents).flat_map(|it| asked.iter().map(move |system| (it, system)))
        {
            let sheet = &self.sheets[system];
            if !sheet.has(index) && !no_answers.0.contains_key(&(index, system)) {
                return Err(
                    sheet.protocol(format!("the second question about document {index} left without an answer"))
                );
            }
        }
        Ok(no_answers)
    }

    fn questions(&self, documents: &[usize]) -> Vec<SecondQuestion> {
        let document = |index: usize| &self.task.documents[index];
        let is_same = |a: &usize, b: &usize| {
            let (a, b) = (document(*a), document(*b));
            (a.id, &a.subject) == (b.id, &b.subject)
        };
        let question = |documents: &[usize]| {
            let request = document(documents[0]).no_answer_request(self.sheets[0].chat())?;
            Some(SecondQuestion { request, documents: documents.to_vec() })
        };
        documents.chunk_by(is_same).filter_map(question).collect()
    }
}
