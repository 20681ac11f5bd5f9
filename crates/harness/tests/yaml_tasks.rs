//! lm-evaluation-harness's own YAML tasks: the prompts that it builds of them, on made-up documents.
//!
//! `scripts/lm_eval/yaml_tasks.py` makes the folder.

#![allow(clippy::unwrap_used, reason = "a test may fail; without the folder nothing is left to fail")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use gac_harness::{DataSource, LoadedTask, Request, TaskError, TaskOptions, TaskRegistry};
use gac_needs::{folder, needs};
use serde::Deserialize;

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
        None => None,
    }
}

#[needs(yaml)]
#[test]
fn tasks_without_python_have_lm_evaluation_harnesss_prompts() {
    let made_up = folder!(yaml);
    let text = fs::read_to_string(made_up.join("expected.jsonl")).unwrap();
    let mut lines = text.lines();
    let source: Source = serde_json::from_str(lines.next().unwrap()).unwrap();
    let registry = TaskRegistry::with_folders(&[source.tasks]).unwrap();

    let mut outcomes: BTreeMap<String, Option<String>> = BTreeMap::new();
    for line in lines {
        let expected: Expected = serde_json::from_str(line).unwrap();
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
    println!("{} tasks: {equal} equal, {} different", outcomes.len(), different.len());
    for (reason, count) in &refused {
        println!("{count} {reason}");
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
    assert!(equal > 0);
}
