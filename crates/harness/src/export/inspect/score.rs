//! Scores: of a sample, and of a task.

use serde_json::{Map, Value, json};

use super::choice_letter::choice_letter;
use super::sample_id::id;
use crate::export::facts::is_own;
use crate::results::{ResponseRecord, SampleRecord, StoredTask};
use crate::task::{Aggregate, MetricKey, Outcome};

/// How far a mean may be off for roundings.
const ROUNDING: f64 = 1e-9;

/// A sample's scores, one per metric and filter under the leaderboard's name; none where it failed.
pub(super) fn of_sample(task: &StoredTask, sample: &SampleRecord) -> Value {
    let mut scores = Map::new();
    if sample.outcome.is_failed() {
        return Value::Null;
    }
    for filter in &sample.filters {
        let answer = match (&filter.extracted, &sample.response) {
            (Value::Null, _) => Value::Null,
            (Value::String(text), _) => text.as_str().into(),
            (Value::Number(index), ResponseRecord::Choices(_)) => {
                index.as_u64().map(|index| choice_letter(index as usize)).into()
            }
            (other, _) => other.to_string().into(),
        };
        for metric in &filter.metrics {
            let key = MetricKey { metric: metric.metric.clone(), filter: filter.filter.clone() };
            // Theirs may be a text; JSON has no infinities.
            let value: Value =
                if metric.value.is_finite() { metric.value.into() } else { metric.value.to_string().into() };
            let mut score = json!({ "value": value, "answer": answer });
            if key == task.entry.primary && sample.outcome == Outcome::NoAnswer {
                score["reason"] = "invalid_response_format".into();
            }
            scores.insert(key.to_string(), score);
        }
    }
    scores.into()
}

/// A task's results: per metric and filter what leaderboards show, with the subtasks' and groups' beside it.
pub(super) fn results(task: &StoredTask) -> Value {
    let failed = task.results.outcomes.failed;
    let scored = task.samples.len() - failed;
    let own = || task.results.aggregates.iter().filter(|found| is_own(task, found));
    let is_of_samples = |key: &MetricKey| task.samples.iter().any(|sample| sample.value(key).is_some());
    let scores: Vec<Value> = own()
        .filter(|found| is_of_samples(&found.key))
        .map(|found| {
            let name = metric_name(task, found);
            let mut metrics = Map::new();
            figure(&mut metrics, name, found);
            // What only several tries have (`pass@4`) is shown where the tries are.
            if found.key == task.entry.primary {
                for other in own().filter(|other| !is_of_samples(&other.key)) {
                    figure(&mut metrics, &other.key.metric, other);
                }
            }
            let parts = task.results.aggregates.iter().filter(|part| !is_own(task, part));
            for part in parts.filter(|part| part.key == found.key) {
                let group = if part.is_group { "groups" } else { "subtasks" };
                let metadata = json!({ "stderr": part.stderr, "documents": part.documents });
                let metric = json!({ "name": part.name, "group": group, "value": part.value, "metadata": metadata });
                metrics.insert(part.name.clone(), metric);
            }
            let name = found.key.to_string();
            json!({
                "name": name,
                "scorer": name,
                "scored_samples": scored,
                "unscored_samples": failed,
                "params": {},
                "metrics": metrics,
            })
        })
        .collect();
    json!({
        "total_samples": task.samples.len(),
        "completed_samples": scored,
        "scores": scores,
        "headline": headline(task),
    })
}

/// Which of the results stands in leaderboards.
pub(super) fn headline(task: &StoredTask) -> Value {
    let name = task.entry.primary.to_string();
    let own = |found: &&Aggregate| is_own(task, found) && found.key == task.entry.primary;
    let metric = task.results.aggregates.iter().find(own).map(|found| metric_name(task, found));
    json!({ "scorer": name, "score": name, "metric": metric })
}

/// Every document's mean over the times that it was asked, where it was several times.
pub(super) fn reductions(task: &StoredTask) -> Option<Value> {
    if task.entry.repeats == 1 {
        return None;
    }
    let mut all = Vec::new();
    for key in keys(task) {
        let mut documents: Vec<(Value, Vec<f64>)> = Vec::new();
        for sample in task.samples.iter().filter(|sample| !sample.outcome.is_failed()) {
            let Some(value) = sample.value(&key) else { continue };
            let id = id(sample);
            match documents.last_mut() {
                Some((last, values)) if *last == id => values.push(value),
                _ => documents.push((id, vec![value])),
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
        let samples = documents.iter().map(|(id, values)| json!({ "value": mean(values), "sample_id": id }));
        let samples: Vec<Value> = samples.collect();
        all.push(json!({ "scorer": key.to_string(), "reducer": "mean", "samples": samples }));
    }
    Some(all.into())
}

/// The metrics that samples have, in the order of the results.
pub(super) fn keys(task: &StoredTask) -> Vec<MetricKey> {
    let own = task.results.aggregates.iter().filter(|found| is_own(task, found));
    let is_of_samples = |key: &&MetricKey| task.samples.iter().any(|sample| sample.value(key).is_some());
    own.map(|found| &found.key).filter(is_of_samples).cloned().collect()
}

/// `mean` where a figure is the mean of its samples' values; its own name where it is not, as a perplexity.
fn metric_name<'a>(task: &StoredTask, found: &'a Aggregate) -> &'a str {
    let values = task.samples.iter().filter(|sample| !sample.outcome.is_failed());
    let values: Vec<f64> = values.filter_map(|sample| sample.value(&found.key)).collect();
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    if (mean - found.value).abs() <= ROUNDING { "mean" } else { &found.key.metric }
}

/// Adds a figure with its standard error.
fn figure(metrics: &mut Map<String, Value>, name: &str, found: &Aggregate) {
    let metadata = json!({ "documents": found.documents });
    metrics.insert(name.to_owned(), json!({ "name": name, "value": found.value, "metadata": metadata }));
    if let Some(stderr) = found.stderr {
        let name = if name == "mean" { "stderr".to_owned() } else { format!("{name} stderr") };
        metrics.insert(name.clone(), json!({ "name": name, "value": stderr }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two tries at one document and a failed one at another, with a figure that is a mean and one that is none.
    fn task() -> StoredTask {
        let primary = json!({ "metric": "acc", "filter": "none" });
        let figure = |name: &str, metric: &str, value: f64| json!({ "name": name, "key": { "metric": metric, "filter": "none" }, "value": value, "stderr": 0.125, "documents": 1 });
        let entry = json!({
            "name": "t", "folder": "t", "version": "1", "num_fewshot": 0, "documents": 3, "repeats": 2, "primary": primary,
        });
        let results = json!({
            "version": 1, "system": "s", "task": "t", "task_version": "1", "num_fewshot": 0, "documents": 2, "repeats": 2,
            "primary": primary, "value": 0.5, "stderr": 0.125,
            "aggregates": [
                figure("t", "acc", 0.5), figure("t", "perplexity", 7.5), figure("t", "pass@2", 1.0), figure("t_a", "acc", 0.25),
            ],
            "outcomes": { "correct": 1, "wrong": 1, "no_answer": 0, "failed": 1 }, "truncated": 0,
            "timing": { "wall_seconds": 1.0, "generated": 0, "tokens": 0, "ensembled": 0, "member_tokens": 0.0,
                        "milliseconds": 0.0, "ms_per_token": null, "latency_basis": null, "ensembled_share": null },
        });
        let sample = |doc_id: usize, repeat: usize, outcome: &Value, value: Option<f64>| {
            let metrics = json!([{ "metric": "acc", "value": value }, { "metric": "perplexity", "value": "-inf" }]);
            let filters = value
                .map_or_else(|| json!([]), |_| json!([{ "filter": "none", "extracted": "4", "metrics": metrics }]));
            let mut sample = json!({
                "version": 1, "identity": "", "system": "s", "task": "t", "task_version": "1", "subject": null,
                "doc_id": doc_id, "repeat": repeat, "doc_hash": "", "prompt_hash": "", "target": "", "response": "none",
                "filters": filters, "tokens": 0, "ensembled": 0, "member_tokens": [], "truncated": false, "seconds": null,
                "elapsed": 0.0,
            });
            sample.as_object_mut().unwrap().extend(outcome.as_object().unwrap().clone());
            serde_json::from_value(sample).unwrap()
        };
        StoredTask {
            entry: serde_json::from_value(entry).unwrap(),
            results: serde_json::from_value(results).unwrap(),
            samples: vec![
                sample(0, 0, &json!({ "outcome": "correct" }), Some(1.0)),
                sample(0, 1, &json!({ "outcome": "no_answer" }), Some(0.0)),
                sample(1, 0, &json!({ "outcome": "failed", "error": "too long" }), None),
            ],
        }
    }

    #[test]
    fn a_figure_is_called_mean_where_it_is_the_mean_of_its_samples() {
        let results = results(&task());
        assert_eq!((&results["total_samples"], &results["completed_samples"]), (&3.into(), &2.into()));
        let [accuracy, perplexity] = &results["scores"].as_array().unwrap()[..] else { panic!("{results}") };
        let names = |score: &Value| score["metrics"].as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(accuracy), ["mean", "stderr", "pass@2", "pass@2 stderr", "t_a"]);
        assert_eq!(names(perplexity), ["perplexity", "perplexity stderr"]);
        assert_eq!(results["headline"], json!({ "scorer": "acc,none", "score": "acc,none", "metric": "mean" }));
    }

    #[test]
    fn a_score_without_an_answer_says_so_and_one_that_is_no_number_is_a_text() {
        let task = task();
        let scores = of_sample(&task, &task.samples[1]);
        assert_eq!(scores["acc,none"]["reason"], "invalid_response_format");
        assert_eq!(
            (&scores["perplexity,none"]["value"], &scores["perplexity,none"]["reason"]),
            (&"-inf".into(), &Value::Null)
        );
        assert_eq!(of_sample(&task, &task.samples[2]), Value::Null);
    }

    #[test]
    fn tries_of_a_document_are_reduced_to_their_mean_and_failed_ones_are_in_none() {
        let reductions = reductions(&task()).unwrap();
        assert_eq!(
            reductions[0],
            json!({ "scorer": "acc,none", "reducer": "mean", "samples": [{ "value": 0.5, "sample_id": 0 }] })
        );
    }
}
