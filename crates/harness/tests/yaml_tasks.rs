//! lm-evaluation-harness's own YAML tasks: the prompts that it builds of them on made-up documents, and its scores of made-up
//! answers.
//!
//! `scripts/lm_eval/yaml_tasks.py` makes the folder.

#![allow(clippy::unwrap_used, reason = "a test may fail; without the folder nothing is left to fail")]

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gac_ensemble::LogLikelihood;
use gac_harness::{Answer, DataSource, LoadedTask, Request, Score, TaskError, TaskOptions, TaskRegistry};
use gac_needs::{folder, needs};
use serde::Deserialize;
use serde_json::Value;

/// The first line.
#[derive(Deserialize)]
struct Source {
    tasks: PathBuf,
}

/// A task as lm-evaluation-harness asks it.
#[derive(Deserialize)]
struct Expected {
    task: String,
    round: usize,
    shots: Option<usize>,
    documents: Vec<Asked>,
    /// What is answered to each request of each document.
    #[serde(default)]
    answers: Vec<Vec<Value>>,
    /// Its figures of these answers, by metric and filter.
    #[serde(default)]
    figures: BTreeMap<String, Option<f64>>,
}

#[derive(Deserialize, Debug, PartialEq)]
struct Asked {
    requests: Vec<(String, Option<String>)>,
    until: Vec<String>,
}

fn asked(task: &LoadedTask) -> Vec<Asked> {
    let asked = |request: &Request| match request {
        Request::Generate { prompt, stop, .. } => Asked { requests: vec![(prompt.clone(), None)], until: stop.clone() },
        choices => {
            let requests = choices.choices().into_iter();
            let requests = requests.map(|(context, text)| (context.to_owned(), Some(text.to_owned()))).collect();
            Asked { requests, until: Vec::new() }
        }
    };
    task.documents.iter().map(|document| asked(&document.request)).collect()
}

/// What becomes of a task: none where it is asked alike, else in which way it is not.
fn difference(registry: &TaskRegistry, made_up: &Path, expected: &Expected) -> Option<String> {
    let data = DataSource::new(Some(made_up.join(format!("round-{}", expected.round))));
    let options = TaskOptions { num_fewshot: expected.shots, ..TaskOptions::default() };
    let loaded = match registry.load(&expected.task, &data, &options) {
        Ok(loaded) => loaded,
        Err(TaskError::Refused { reason, .. }) => return Some(format!("refused: {reason}")),
        Err(error) => return Some(format!("failed: {error}")),
    };
    let found = asked(&loaded);
    let at = found.iter().zip(&expected.documents).position(|(found, expected)| found != expected);
    match at {
        Some(at) => Some(format!("document {at}: {:?}\n    not {:?}", found[at], expected.documents[at])),
        None if found.len() != expected.documents.len() => Some(format!("{} documents", found.len())),
        None => figures_that_differ(&loaded, expected),
    }
}

/// What was answered to a document.
fn answer(answers: &[Value]) -> Answer {
    if let Some(text) = answers[0].as_str() {
        return Answer::Text(text.to_owned());
    }
    let score = |answer: &Value| {
        let (sum, greedy) = match answer.as_array() {
            Some(parts) => (parts[0].as_f64().unwrap(), parts[1].as_bool().unwrap()),
            None => (answer.as_f64().unwrap(), false),
        };
        LogLikelihood { sum, greedy, tokens: Vec::new(), truncated: false }
    };
    Answer::Scores(answers.iter().map(score).collect())
}

/// Whether lm-evaluation-harness writes a metric from 0 to 100.
fn is_percentage(metric: &str) -> bool {
    let is_likeness = ["bleu_", "rouge1_", "rouge2_", "rougeL_"].iter().any(|by| metric.starts_with(by));
    matches!(metric, "bleu" | "chrf" | "ter") || (is_likeness && !metric.ends_with("_acc"))
}

/// The first of lm-evaluation-harness's figures that is another one here.
fn figures_that_differ(task: &LoadedTask, expected: &Expected) -> Option<String> {
    let answered = task.documents.iter().zip(&expected.answers);
    let scores: Vec<Score> =
        answered.map(|(document, answers)| task.scorer.score(document, &answer(answers))).collect();
    let scored: Vec<_> = task.documents.iter().zip(&scores).collect();
    let aggregates = if scores.is_empty() { Vec::new() } else { task.scorer.aggregate(&scored) };
    for (key, value) in &expected.figures {
        let Some(found) = aggregates.iter().find(|own| own.key.to_string() == *key) else {
            return Some(format!("there is no figure `{key}`"));
        };
        let own = if is_percentage(&found.key.metric) { 100.0 * found.value } else { found.value };
        let is_same = match value {
            Some(value) => (own - value).abs() <= 1e-9 * value.abs().max(1.0),
            None => !own.is_finite(),
        };
        if !is_same {
            return Some(format!("`{key}` is {own}, not {value:?}"));
        }
    }
    None
}

#[needs(yaml)]
#[test]
fn tasks_have_lm_evaluation_harnesss_prompts_and_scores() {
    let made_up = folder!(yaml);
    let text = fs::read_to_string(made_up.join("expected.jsonl")).unwrap();
    let mut lines = text.lines();
    let source: Source = serde_json::from_str(lines.next().unwrap()).unwrap();
    let registry = TaskRegistry::with_folders(&[source.tasks]).unwrap();

    let mut outcomes: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut scored = 0;
    for line in lines {
        let expected: Expected = serde_json::from_str(line).unwrap();
        scored += usize::from(!expected.figures.is_empty());
        let known = outcomes.entry(expected.task.clone()).or_default();
        if known.is_none() {
            *known = difference(&registry, made_up, &expected);
        }
    }
    let mut refused: BTreeMap<&str, usize> = BTreeMap::new();
    let mut different = Vec::new();
    for (task, outcome) in &outcomes {
        match outcome.as_deref() {
            Some(reason) if reason.starts_with("refused: ") => *refused.entry(reason).or_default() += 1,
            Some(difference) => different.push(format!("{task}: {difference}")),
            None => {}
        }
    }
    let equal = outcomes.len() - different.len() - refused.values().sum::<usize>();
    println!("{} tasks, {scored} with scores: {equal} equal, {} different", outcomes.len(), different.len());
    let mut refused: Vec<_> = refused.into_iter().collect();
    refused.sort_by_key(|(_, count)| Reverse(*count));
    for (reason, count) in &refused {
        println!("{count} {reason}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(equal > 0);
}
