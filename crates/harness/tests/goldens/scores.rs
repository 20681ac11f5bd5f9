//! Scores.

use std::collections::HashMap;

use gac_ensemble::LogLikelihood;
use gac_harness::{Answer, Document, Outcome, Score, TaskOptions};
use serde_json::Value;

use super::support::{Recordings, key};

/// Every recorded response's extraction and metrics, and every aggregate over them. Gives how many of both are equal.
pub(crate) fn compare(recordings: &Recordings, recording: &str) -> (usize, usize) {
    let task = &recordings.task(recording);
    let options = TaskOptions { num_fewshot: Some(0), ..TaskOptions::default() };
    let loaded = recordings.load(task, &options);
    let documents: HashMap<(Option<String>, usize), &Document> =
        loaded.documents.iter().map(|document| ((document.subject.clone(), document.id), document)).collect();

    let lines = recordings.lines(&format!("scoring/{recording}.jsonl"));
    let mut scored: Vec<(&Document, Score)> = Vec::new();
    let mut differences = Vec::new();
    for line in lines.iter().filter(|line| line["type"] == "response") {
        let document = documents[&key(line)];
        assert_eq!(document.target, line["target"], "{line}");
        let score = loaded.scorer.score(document, &answer(line));
        assert!(!matches!(score.outcome, Outcome::Failed { .. }), "{line}");
        if line["response"].as_str().is_some_and(|response| response.trim().is_empty()) {
            assert_eq!(score.outcome, Outcome::NoAnswer, "{line}");
        }
        differences.extend(differences_of_metrics(line, &score));
        scored.push((document, score));
    }

    assert!(differences.is_empty(), "{}", differences.join("\n"));

    let scored: Vec<(&Document, &Score)> = scored.iter().map(|(document, score)| (*document, score)).collect();
    let aggregates = loaded.scorer.aggregate(&scored);
    let reports_groups = recordings.definition(task).subjects.as_ref().is_none_or(|s| s.harness_reports_groups);
    let (mut lines_compared, mut values_compared) = (0, 0);
    for line in lines.iter().filter(|line| line["type"] == "aggregate") {
        let metrics = line["metrics"].as_object().unwrap();
        assert_eq!(metrics.is_empty(), !reports_groups && line["subject"].is_null(), "{line}");
        // The release calls a task by its name, as we do; the commit's has our suffix.
        let name = line["name"].as_str().unwrap();
        let name = if name == recording { task } else { name };
        let own: Vec<_> = aggregates.iter().filter(|own| name == own.name && own.key.filter != "robust").collect();
        assert!(!own.is_empty(), "{line}");
        for own in &own {
            // Some figures are over some of the documents.
            let over = line["of"].get(own.key.metric.split('_').next().unwrap_or_default()).unwrap_or(&line["n"]);
            assert_eq!(Some(own.documents as u64), over.as_u64(), "{line}");
            let (metric, filter) = (&own.key.metric, &own.key.filter);
            let compared =
                [(format!("{metric},{filter}"), Some(own.value)), (format!("{metric}_stderr,{filter}"), own.stderr)];
            // They draw bootstrap samples for what is no mean, and have no standard error of SQuAD's means.
            let is_squad = line["task"].as_str().is_some_and(|task| task.starts_with("squad"));
            let has_none = |name: &str| name.contains("_stderr,") && is_squad;
            let is_theirs =
                |name: &str| !metrics.is_empty() && !name.starts_with("perplexity_stderr") && !has_none(name);
            // Where neither has a standard error.
            let is_had = |(name, value): &(String, Option<f64>)| value.is_some() || metrics.contains_key(name);
            for (name, value) in compared.into_iter().filter(|it| is_theirs(&it.0) && is_had(it)) {
                let expected = metrics[&name].as_f64().unwrap();
                let difference = (value.unwrap() - expected).abs();
                assert!(difference <= 1e-12 * expected.max(1.0), "{name}: {value:?} in {line}");
                values_compared += 1;
            }
        }
        let keys: Vec<&String> = metrics.keys().filter(|key| !key.contains("_stderr,")).collect();
        assert!(keys.iter().all(|key| own.iter().any(|own| format!("{},{}", own.key.metric, own.key.filter) == **key)));
        lines_compared += 1;
    }
    let (name, responses) = (recordings.name, scored.len());
    eprintln!(
        "{name} {recording}: {responses} responses, {lines_compared} aggregates ({values_compared} values) equal"
    );
    (responses, lines_compared)
}

fn answer(line: &Value) -> Answer {
    if let Some(response) = line["response"].as_str() {
        let score = |sum| LogLikelihood { sum, greedy: false, tokens: Vec::new(), truncated: false };
        return Answer::of_text(response.to_owned(), line["no_answer"].as_f64().map(score));
    }
    let sums = line["lls"].as_array().unwrap();
    Answer::Scores(
        sums.iter()
            .enumerate()
            .map(|(index, sum)| LogLikelihood {
                sum: sum.as_f64().unwrap(),
                // Older recordings do not say.
                greedy: line["greedy"][index].as_bool().unwrap_or(false),
                tokens: Vec::new(),
                truncated: false,
            })
            .collect(),
    )
}

/// The metrics that differ from what is recorded.
fn differences_of_metrics(line: &Value, score: &Score) -> Vec<String> {
    let mut differences = Vec::new();
    let expected: Vec<(&str, &Value)> = match line["filters"].as_object() {
        Some(filters) => filters.iter().map(|(name, filter)| (name.as_str(), filter)).collect(),
        None => vec![("none", &line["metrics"])],
    };
    // Ours stands beside the harness's filters, last, and is none of them.
    let own = score.filters.iter().filter(|filter| filter.filter != "robust").count();
    assert_eq!(own, expected.len(), "{line}");
    for (name, expected) in expected {
        let filter = score.filters.iter().find(|filter| filter.filter == name).unwrap();
        let expected = expected.as_object().unwrap();
        if let Some(filtered) = expected.get("filtered") {
            assert_eq!(filter.extracted, *filtered, "{line}");
        }
        assert_eq!(filter.metrics.len(), expected.keys().filter(|key| *key != "filtered").count(), "{line}");
        for (metric, value) in &filter.metrics {
            let expected = expected[metric].as_f64().unwrap();
            // A sum of exponentials ends in another digit than numpy's.
            let tolerance = if expected.fract().abs() <= 0.0 { 0.0 } else { 1e-12 * expected.abs() };
            if (value - expected).abs() > tolerance {
                differences.push(format!("{metric} under {name}: {value} in {line}"));
            }
        }
    }
    differences
}
