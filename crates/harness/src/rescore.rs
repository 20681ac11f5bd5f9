//! Saved responses scored again, without a model.

use std::collections::{HashMap, HashSet};

use gac_ensemble::LogLikelihood;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::filters::ROBUST;
use crate::python::strip_start;
use crate::results::{ChoiceRecord, ResponseRecord, ThinkingRecord};
use crate::task::{Aggregate, Answer, Document, FilterScore, LoadedTask, Outcome, Request, Score};
use crate::tasks::TaskDefinition;

/// A saved response, as lm-evaluation-harness's goldens have it; other fields do not matter.
#[derive(Clone, Debug, Deserialize)]
pub struct SavedResponse {
    /// `response`, or `aggregate` for a line that holds no response.
    #[serde(rename = "type")]
    pub kind: Option<String>,
    /// The task, with or without its protocol.
    pub task: Option<String>,
    /// The subject, where the task has subjects.
    pub subject: Option<String>,
    /// Row in the evaluated split (within the subject).
    pub doc_id: Option<usize>,
    /// The generated text, for tasks that continue a prompt; or what a run's samples have.
    pub response: Option<SavedText>,
    /// The log-likelihood of there being no answer, for tasks that ask that beside a text: a number, or what a run's samples have. Figures
    /// at the best threshold are told where every response has one.
    pub no_answer: Option<SavedScore>,
    /// Sums of log-probabilities, one per choice, for tasks that score choices.
    pub lls: Option<Vec<f64>>,
    /// Whether greedy decoding gives each choice; needed where a metric asks for it.
    pub greedy: Option<Vec<bool>>,
}

/// A response as a text, or as a run's sample has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`response` is a text, or the response of a run's sample")]
pub enum SavedText {
    /// The generated text.
    Text(String),
    /// A sample's.
    Record(ResponseRecord),
}

/// A log-likelihood as a number, or as a run's sample has it.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "`no_answer` is a log-likelihood, or what a run's sample has of it")]
pub enum SavedScore {
    /// The sum of log-probabilities.
    Sum(f64),
    /// A sample's.
    Record(ChoiceRecord),
}

/// A saved response with its scores.
#[derive(Clone, Debug, Serialize)]
pub struct RescoredResponse {
    #[serde(rename = "type")]
    kind: &'static str,
    task: String,
    subject: Option<String>,
    doc_id: usize,
    /// Filter name to `filtered` and metrics, for a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    filters: Option<Map<String, Value>>,
    /// Metrics, for choices.
    #[serde(skip_serializing_if = "Option::is_none")]
    metrics: Option<Map<String, Value>>,
    /// Our own extraction, beside lm-evaluation-harness's.
    #[serde(skip_serializing_if = "Option::is_none")]
    robust: Option<Value>,
    /// What was scored of a response that begins with reasoning.
    #[serde(skip_serializing_if = "Option::is_none")]
    thinking: Option<ThinkingRecord>,
    /// `correct`, `wrong` or `no_answer`: an empty answer is none, even where a metric credits it.
    outcome: Value,
}

/// Metrics over all saved responses, or those of a group or subject.
#[derive(Clone, Debug, Serialize)]
pub struct RescoredAggregate {
    #[serde(rename = "type")]
    kind: &'static str,
    task: String,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<String>,
    n: usize,
    /// `metric,filter` and `metric_stderr,filter`, as lm-evaluation-harness names them; empty where it reports none.
    metrics: Map<String, Value>,
    /// Our own extraction, beside lm-evaluation-harness's.
    #[serde(skip_serializing_if = "Map::is_empty")]
    robust: Map<String, Value>,
}

/// What scoring saved responses gave, both in lm-evaluation-harness's terms.
#[derive(Clone, Debug)]
pub struct Rescored {
    /// One per saved response, in the same order.
    pub responses: Vec<RescoredResponse>,
    /// The task itself, its groups and its subtasks, by name.
    pub aggregates: Vec<RescoredAggregate>,
}

/// A saved response could not be scored.
#[derive(Debug, thiserror::Error)]
#[error("{reason}")]
pub struct RescoreError {
    /// The response's place in the list.
    pub index: usize,
    /// What is wrong.
    pub reason: String,
}

/// Scores saved responses under a loaded task and aggregates them. With a `think_end`, what stands up to the last one in
/// a response is reasoning, and what comes after it and before the task's next stop string is scored, as in
/// lm-evaluation-harness 0.4.13 (`models/utils.py`, `postprocess_generated_text`); a response without one has no answer,
/// where lm-evaluation-harness scores the reasoning.
///
/// # Errors
/// When a response is another task's, names no document of it, or is not what the task asks for.
pub fn rescore(
    definition: &TaskDefinition,
    task: &LoadedTask,
    saved: &[SavedResponse],
    think_end: Option<&str>,
) -> Result<Rescored, RescoreError> {
    let documents: HashMap<(Option<&str>, usize), &Document> =
        task.documents.iter().map(|document| ((document.subject.as_deref(), document.id), document)).collect();
    let mut scored: Vec<(&Document, Score)> = Vec::with_capacity(saved.len());
    let mut thoughts: Vec<Option<ThinkingRecord>> = Vec::with_capacity(saved.len());
    for (index, response) in saved.iter().enumerate() {
        let names = [base(&task.name), base(&definition.name)];
        let found = score(task, names, &documents, response, think_end);
        let (document, score, thinking) = found.map_err(|reason| RescoreError { index, reason })?;
        scored.push((document, score));
        thoughts.push(thinking);
    }
    let label = |response: &SavedResponse| response.task.clone().unwrap_or_else(|| base(&task.name).to_owned());
    let lines = saved.iter().zip(&scored).zip(thoughts);
    let responses =
        lines.map(|((saved, (document, score)), thinking)| line(label(saved), document, score, thinking)).collect();
    let scored: Vec<(&Document, &Score)> = scored.iter().map(|(document, score)| (*document, score)).collect();
    let aggregates = aggregates(definition, saved.first().map(label), &task.scorer.aggregate(&scored), &scored);
    Ok(Rescored { responses, aggregates })
}

/// A task's name without its protocol: lm-evaluation-harness's.
fn base(name: &str) -> &str {
    name.split_once('@').map_or(name, |(base, _)| base)
}

/// Scores a response of the task, or of the task that it is a part of: `names`.
fn score<'t>(
    task: &'t LoadedTask,
    names: [&str; 2],
    documents: &HashMap<(Option<&str>, usize), &'t Document>,
    saved: &SavedResponse,
    think_end: Option<&str>,
) -> Result<(&'t Document, Score, Option<ThinkingRecord>), String> {
    if let Some(other) = saved.task.as_deref().filter(|other| !names.contains(&base(other))) {
        return Err(format!("its task is `{other}`, not `{}`", task.name));
    }
    let id = saved.doc_id.ok_or("it has no `doc_id`")?;
    let Some(&document) = documents.get(&(saved.subject.as_deref(), id)) else {
        let subject = saved.subject.as_ref().map_or_else(String::new, |subject| format!(" of subject `{subject}`"));
        return Err(format!("task `{}` has no document {id}{subject}", task.name));
    };
    let scores = |sum: f64, greedy: bool| LogLikelihood { sum, greedy, tokens: Vec::new(), truncated: false };
    let mut thinking = None;
    let answer = match (&saved.response, &saved.lls) {
        (Some(SavedText::Record(ResponseRecord::Choices(choices))), None) => {
            Answer::Scores(choices.iter().map(ChoiceRecord::log_likelihood).collect())
        }
        (Some(SavedText::Text(text) | SavedText::Record(ResponseRecord::Generated { text, .. })), None) => {
            thinking = match (think_end, &saved.response) {
                (Some(end), _) => Some(behind(end, text, document)),
                (None, Some(SavedText::Record(ResponseRecord::Generated { thinking, .. }))) => thinking.clone(),
                (None, _) => None,
            };
            let no_answer = saved.no_answer.as_ref().map(|score| match score {
                SavedScore::Sum(sum) => scores(*sum, false),
                SavedScore::Record(record) => record.log_likelihood(),
            });
            Answer::of_text(thinking.as_ref().map_or(text, |thinking| &thinking.scored).clone(), no_answer)
        }
        (None, Some(sums)) => {
            let greedy = match &saved.greedy {
                Some(greedy) if greedy.len() == sums.len() => greedy.clone(),
                Some(greedy) => {
                    return Err(format!("its `greedy` is of {} choices, its `lls` of {}", greedy.len(), sums.len()));
                }
                None if task.scorer.needs_greedy() => {
                    return Err("it needs `greedy` beside `lls`: whether greedy decoding gives each choice".to_owned());
                }
                None => vec![false; sums.len()],
            };
            Answer::Scores(sums.iter().zip(greedy).map(|(sum, greedy)| scores(*sum, greedy)).collect())
        }
        _ => return Err("it needs either a `response` or `lls`".to_owned()),
    };
    let score = task.scorer.score(document, &answer);
    match score.outcome {
        Outcome::Failed { error } => Err(error),
        _ => Ok((document, score, thinking)),
    }
}

/// What stands behind the last `end` in a response, up to where the task's generation ends.
fn behind(end: &str, text: &str, document: &Document) -> ThinkingRecord {
    let Some((_, answer)) = text.rsplit_once(end) else {
        return ThinkingRecord { closed: false, scored: String::new() };
    };
    let stop: &[String] = match &document.request {
        Request::Generate { stop, .. } => stop,
        Request::Choose { .. } | Request::Fill { .. } => &[],
    };
    let stops = stop.iter().filter(|stop| !stop.is_empty());
    let scored = stops.fold(strip_start(answer), |text, stop| text.split(stop.as_str()).next().unwrap_or(text));
    ThinkingRecord { closed: true, scored: scored.to_owned() }
}

fn line(task: String, document: &Document, score: &Score, thinking: Option<ThinkingRecord>) -> RescoredResponse {
    let values = |filter: &FilterScore| -> Map<String, Value> {
        filter.metrics.iter().map(|(name, value)| (name.clone(), (*value).into())).collect()
    };
    let with_extraction = |filter: &FilterScore| {
        let mut fields = Map::from_iter([("filtered".to_owned(), filter.extracted.clone())]);
        fields.extend(values(filter));
        Value::Object(fields)
    };
    let is_text = matches!(document.request, Request::Generate { .. });
    let own = || score.filters.iter().filter(|filter| filter.filter != ROBUST);
    let outcome = serde_json::to_value(&score.outcome).ok().and_then(|value| value.get("outcome").cloned());
    RescoredResponse {
        kind: "response",
        task,
        subject: document.subject.clone(),
        doc_id: document.id,
        filters: is_text.then(|| own().map(|filter| (filter.filter.clone(), with_extraction(filter))).collect()),
        metrics: if is_text { None } else { own().next().map(values) },
        robust: score.filters.iter().find(|filter| filter.filter == ROBUST).map(with_extraction),
        thinking,
        outcome: outcome.unwrap_or_default(),
    }
}

fn aggregates(
    definition: &TaskDefinition,
    task: Option<String>,
    aggregates: &[Aggregate],
    scored: &[(&Document, &Score)],
) -> Vec<RescoredAggregate> {
    let task = task.unwrap_or_else(|| base(&definition.name).to_owned());
    let mut subjects: Vec<&str> = Vec::new();
    let mut seen = HashSet::new();
    subjects
        .extend(scored.iter().filter_map(|(document, _)| document.subject.as_deref()).filter(|it| seen.insert(*it)));
    let reports_groups = definition.subjects.as_ref().is_none_or(|subjects| subjects.harness_reports_groups);

    let mut lines: Vec<RescoredAggregate> = Vec::new();
    for Aggregate { name, key, value, stderr, documents, .. } in aggregates {
        let name = base(name);
        if lines.last().is_none_or(|line| line.name != name) {
            // Subtasks come last, in the order of their subjects.
            lines.push(RescoredAggregate {
                kind: "aggregate",
                task: task.clone(),
                name: name.to_owned(),
                subject: None,
                n: *documents,
                metrics: Map::new(),
                robust: Map::new(),
            });
        }
        let Some(line) = lines.last_mut() else { continue };
        let stderr = stderr.map_or_else(|| Value::from("N/A"), Value::from);
        let fields = [
            (format!("{},{}", key.metric, key.filter), Value::from(*value)),
            (format!("{}_stderr,{}", key.metric, key.filter), stderr),
        ];
        if key.filter == ROBUST { line.robust.extend(fields) } else { line.metrics.extend(fields) }
    }
    let groups = lines.len().saturating_sub(subjects.len());
    for (line, subject) in lines.iter_mut().skip(groups).zip(&subjects) {
        line.subject = Some((*subject).to_owned());
    }
    if !reports_groups {
        lines.iter_mut().take(groups).for_each(|line| line.metrics.clear());
    }
    lines.sort_by(|a, b| a.name.cmp(&b.name));
    lines
}
