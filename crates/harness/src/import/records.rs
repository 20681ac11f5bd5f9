//! Samples and results of another harness as ours.

use std::collections::{BTreeMap, BTreeSet};

use gac_systems::sha256;
use serde_json::{Value, json};

use super::lm_eval::LmEvalSample;
use super::tasks::{ImportOptions, Imported};
use crate::identity::SampleIdentity;
use crate::metrics::DocumentMean;
use crate::results::{
    ChoiceRecord, FilterRecord, MetricRecord, OutcomeCounts, RECORD_VERSION, ResponseRecord, SampleRecord, TaskEntry,
    TaskResults, Timing,
};
use crate::{Aggregate, MetricKey, Outcome};

/// A record per document: its lines are its filters.
pub(super) fn records(
    system: &str,
    task: &Imported<'_>,
    entry: &TaskEntry,
    options: &ImportOptions,
) -> Vec<SampleRecord> {
    let mut records = Vec::new();
    for (subject, lines) in &task.parts {
        let mut documents: BTreeMap<usize, Vec<&LmEvalSample>> = BTreeMap::new();
        for line in *lines {
            documents.entry(line.doc_id).or_default().push(line);
        }
        records.extend(documents.into_values().map(|lines| record(system, *subject, &lines, entry, options)));
    }
    records
}

fn record(
    system: &str,
    subject: Option<&str>,
    lines: &[&LmEvalSample],
    entry: &TaskEntry,
    options: &ImportOptions,
) -> SampleRecord {
    let filters: Vec<FilterRecord> = lines
        .iter()
        .map(|line| {
            let metric = |metric: &String| Some(MetricRecord { metric: metric.clone(), value: line.value(metric)? });
            let metrics = line.metrics.iter().filter_map(metric).collect();
            let extracted = match &line.filtered_resps {
                Value::Array(responses) if responses.len() == 1 => responses[0].clone(),
                other => other.clone(),
            };
            FilterRecord { filter: line.filter.clone(), extracted, metrics }
        })
        .collect();
    let first = lines[0];
    let of_primary = filters.iter().find(|filter| filter.filter == entry.primary.filter);
    let right = of_primary
        .and_then(|filter| filter.metrics.iter().find(|metric| metric.metric == entry.primary.metric))
        .map(|metric| metric.value);
    let invalid = of_primary.is_some_and(|filter| filter.extracted == "[invalid]");
    let outcome = match right {
        None => Outcome::Failed { error: format!("lm-evaluation-harness has no `{}` of it", entry.primary) },
        Some(value) if value >= 1.0 => Outcome::Correct,
        Some(_) if invalid => Outcome::NoAnswer,
        Some(_) => Outcome::Wrong,
    };
    let (response, no_answer) = response(&first.resps);
    let identity = json!([system, entry.name, entry.version, subject, first.doc_id, first.doc_hash, first.prompt_hash]);
    SampleRecord {
        version: RECORD_VERSION,
        identity: SampleIdentity::imported(&sha256::of_bytes(identity.to_string())),
        system: system.to_owned(),
        task: entry.name.clone(),
        task_version: entry.version.clone(),
        subject: subject.map(str::to_owned),
        group: options.group_by.as_ref().and_then(|field| group(first, field)),
        doc_id: first.doc_id,
        repeat: 0,
        doc_hash: first.doc_hash.clone(),
        prompt_hash: first.prompt_hash.clone(),
        prompt: None,
        outcome,
        target: first.target.clone(),
        response,
        no_answer,
        filters,
        tokens: 0,
        ensembled: 0,
        drafts: None,
        member_tokens: vec![],
        truncated: false,
        seconds: None,
        elapsed: 0.0,
        trace: None,
        cached: false,
    }
}

/// What documents with the same value in a field have in common.
fn group(line: &LmEvalSample, field: &str) -> Option<String> {
    let value = line.fields.get("doc")?.get(field)?;
    Some(sha256::of_bytes(value.to_string())[..16].to_owned())
}

/// `[["text"]]`, or `[[["-1.5", "False"]], ...]`: a log-likelihood and whether it is the greedy one, per choice. A log-likelihood
/// behind a text is that of there being no answer.
fn response(resps: &Value) -> (ResponseRecord, Option<ChoiceRecord>) {
    let empty = Vec::new();
    let requests = resps.as_array().unwrap_or(&empty);
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let choice = |request: &Value| {
        let pair = request.get(0)?.as_array()?;
        let greedy = pair.get(1).is_some_and(|greedy| *greedy == true || *greedy == "True");
        Some(ChoiceRecord { sum: number(pair.first()?)?, greedy, tokens: 0 })
    };
    if let Some(text) = requests.first().and_then(|request| request.get(0)?.as_str()) {
        let text = ResponseRecord::Generated { text: text.to_owned(), finish: "end".to_owned(), thinking: None };
        return (text, requests.get(1).and_then(choice));
    }
    let choices = requests.iter().map(choice).collect::<Option<Vec<_>>>();
    (choices.map_or(ResponseRecord::None, ResponseRecord::Choices), None)
}

/// The task's figures, worked out from its documents.
pub(super) fn results(system: &str, entry: &TaskEntry, records: &[SampleRecord]) -> TaskResults {
    let mut keys: Vec<MetricKey> = vec![entry.primary.clone()];
    for filter in records.iter().flat_map(|record| &record.filters) {
        for metric in &filter.metrics {
            let key = MetricKey { metric: metric.metric.clone(), filter: filter.filter.clone() };
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    let aggregate = |name: &str, key: &MetricKey, records: &[&SampleRecord]| {
        let values: Vec<f64> = records.iter().filter_map(|record| record.value(key)).collect();
        let DocumentMean { value, stderr, documents } = DocumentMean::mean(&values)?;
        Some(Aggregate { name: name.to_owned(), key: key.clone(), value, stderr, documents, is_group: false })
    };
    let all: Vec<&SampleRecord> = records.iter().collect();
    let mut aggregates: Vec<Aggregate> = keys.iter().filter_map(|key| aggregate(&entry.name, key, &all)).collect();
    let subjects: BTreeSet<&str> = records.iter().filter_map(|record| record.subject.as_deref()).collect();
    for subject in subjects {
        let of: Vec<&SampleRecord> =
            records.iter().filter(|record| record.subject.as_deref() == Some(subject)).collect();
        aggregates.extend(keys.iter().filter_map(|key| aggregate(subject, key, &of)));
    }
    let mut outcomes = OutcomeCounts::default();
    for record in records {
        outcomes.add(&record.outcome);
    }
    let primary = aggregates.iter().find(|aggregate| aggregate.key == entry.primary);
    TaskResults {
        version: RECORD_VERSION,
        system: system.to_owned(),
        task: entry.name.clone(),
        task_version: entry.version.clone(),
        num_fewshot: entry.num_fewshot,
        documents: records.len(),
        repeats: 1,
        primary: entry.primary.clone(),
        value: primary.map_or(0.0, |primary| primary.value),
        stderr: primary.and_then(|primary| primary.stderr),
        aggregates,
        outcomes,
        truncated: 0,
        timing: Timing::default(),
        groups: Vec::new(),
    }
}
