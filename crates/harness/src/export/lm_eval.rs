//! lm-evaluation-harness's output files: `results_<time>.json` and `samples_<task>_<time>.jsonl`, one folder per model,
//! by the schema of release 0.4.13.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::Timestamp;
use crate::identity::sha256_hex;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredSystem, StoredTask};
use crate::tasks::TaskRows;

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LmEvalFile {
    /// `<system>/results_<time>.json`, with `/` between folder and file.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// A run as lm-evaluation-harness would have written it, a system standing for a model.
///
/// What gac does not record is empty there: a document's prompt where the run did not log them, and a document's fields
/// where `rows` (by the task's name) has none of it; `doc` has its number and subject then.
///
/// # Errors
/// When a record cannot be written as JSON.
pub fn lm_eval(run: &StoredRun, rows: &BTreeMap<String, TaskRows>) -> serde_json::Result<Vec<LmEvalFile>> {
    // `2024-06-18T09-05-03`: their file names have dashes for colons.
    let time = run.manifest.started.trim_end_matches('Z').replace(':', "-");
    let mut files = Vec::new();
    for (system, entry) in run.systems.iter().zip(&run.manifest.systems) {
        let folder = &entry.folder;
        let results = serde_json::to_string_pretty(&results(run, system))? + "\n";
        files.push(LmEvalFile { path: format!("{folder}/results_{time}.json"), text: results });
        for task in &system.tasks {
            let rows = rows.get(&task.entry.name);
            for (subtask, samples) in by_subtask(task) {
                let mut text = String::new();
                for line in samples.into_iter().flat_map(|sample| lines(sample, document(sample, rows))) {
                    text.push_str(&serde_json::to_string(&line)?);
                    text.push('\n');
                }
                files.push(LmEvalFile { path: format!("{folder}/samples_{subtask}_{time}.jsonl"), text });
            }
        }
    }
    Ok(files)
}

/// The name of a sample's subtask, as the task's aggregates name it.
fn subtask_name(task: &StoredTask, subject: Option<&str>) -> String {
    let Some(subject) = subject else { return task.entry.name.clone() };
    let ending = format!("_{subject}");
    let aggregates = task.results.aggregates.iter();
    let named = aggregates.map(|aggregate| &aggregate.name).find(|name| name.ends_with(&ending));
    named.cloned().unwrap_or_else(|| format!("{}{ending}", task.entry.name))
}

fn by_subtask(task: &StoredTask) -> BTreeMap<String, Vec<&SampleRecord>> {
    let mut subtasks: BTreeMap<String, Vec<&SampleRecord>> = BTreeMap::new();
    for sample in &task.samples {
        subtasks.entry(subtask_name(task, sample.subject.as_deref())).or_default().push(sample);
    }
    subtasks
}

/// A sample's document: its row, or what its record says of it.
fn document(sample: &SampleRecord, rows: Option<&TaskRows>) -> Value {
    let row = rows.and_then(|rows| rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash));
    row.map_or_else(|| json!({ "doc_id": sample.doc_id, "subject": sample.subject }), |row| Value::Object(row.clone()))
}

/// One line per filter, as they write since 0.4.5.
fn lines(sample: &SampleRecord, document: Value) -> impl Iterator<Item = Value> + '_ {
    let target = match &sample.target {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    };
    let prompt = sample.prompt.clone().unwrap_or_default();
    let (responses, arguments): (Vec<Value>, Map<String, Value>) = match &sample.response {
        ResponseRecord::Generated { text, .. } => (
            vec![json!([text])],
            [("gen_args_0".to_owned(), json!({ "arg_0": prompt, "arg_1": {} }))].into_iter().collect(),
        ),
        ResponseRecord::Choices(choices) => {
            // Their log-likelihoods are texts in these files.
            let number = |sum: f64| if sum.is_finite() { sum.to_string() } else { "-inf".to_owned() };
            let greedy = |greedy: bool| if greedy { "True" } else { "False" };
            let responses = choices.iter().map(|choice| json!([[number(choice.sum), greedy(choice.greedy)]]));
            let arguments =
                (0..choices.len()).map(|index| (format!("gen_args_{index}"), json!({ "arg_0": prompt, "arg_1": "" })));
            (responses.collect(), arguments.collect())
        }
    };
    sample.filters.iter().map(move |filter| {
        let metrics: Vec<&str> = filter.metrics.iter().map(|metric| metric.metric.as_str()).collect();
        let filtered = match &sample.response {
            ResponseRecord::Generated { .. } => json!([filter.extracted]),
            ResponseRecord::Choices(_) => responses.iter().map(|response| response[0].clone()).collect(),
        };
        let mut line = json!({
            "doc_id": sample.doc_id,
            "doc": document,
            "target": target,
            "arguments": arguments,
            "resps": responses,
            "filtered_resps": filtered,
            "filter": filter.filter,
            "metrics": metrics,
            "doc_hash": sample.doc_hash,
            "prompt_hash": sample.prompt_hash,
            "target_hash": sha256_hex(&target),
        });
        for metric in &filter.metrics {
            line[metric.metric.as_str()] = metric.value.into();
        }
        line
    })
}

fn results(run: &StoredRun, system: &StoredSystem) -> Value {
    let manifest = &run.manifest;
    let (mut results, mut groups, mut subtasks) = (Map::new(), Map::new(), Map::new());
    let (mut configs, mut versions, mut shots) = (Map::new(), Map::new(), Map::new());
    let (mut samples, mut higher) = (Map::new(), Map::new());
    for task in &system.tasks {
        let members: Vec<String> = by_subtask(task).into_keys().collect();
        let has_subtasks = members.first().is_some_and(|name| *name != task.entry.name);
        subtasks.insert(task.entry.name.clone(), if has_subtasks { json!(members) } else { json!([]) });
        for aggregate in &task.results.aggregates {
            let entry = results.entry(aggregate.name.clone()).or_insert_with(|| json!({ "alias": aggregate.name }));
            let name = |metric: String| format!("{metric},{}", aggregate.key.filter);
            entry[name(aggregate.key.metric.clone())] = aggregate.value.into();
            entry[name(format!("{}_stderr", aggregate.key.metric))] =
                aggregate.stderr.map_or_else(|| "N/A".into(), Value::from);
            let direction = higher.entry(aggregate.name.clone()).or_insert_with(|| json!({}));
            direction[aggregate.key.metric.as_str()] = true.into();
        }
        for aggregate in task.results.aggregates.iter().filter(|found| has_subtasks && !members.contains(&found.name)) {
            groups.insert(aggregate.name.clone(), results[&aggregate.name].clone());
        }
        for (name, members) in by_subtask(task) {
            configs.insert(
                name.clone(),
                json!({
                    "task": name,
                    "num_fewshot": task.entry.num_fewshot,
                    "metadata": { "version": task.entry.version },
                }),
            );
            versions.insert(name.clone(), version(&task.entry.version));
            shots.insert(name.clone(), task.entry.num_fewshot.into());
            samples.insert(name, json!({ "original": members.len(), "effective": members.len() }));
        }
    }
    let plan = manifest.plan.systems.iter().find(|plan| plan.name == system.name);
    let models: Vec<_> = manifest.models.iter().filter(|model| system.members.contains(&model.name)).collect();
    let session = manifest.sessions.last();
    let limit = manifest.plan.tasks.first().and_then(|task| task.limit);
    // Seconds since 1970 there.
    let date = Timestamp::from_rfc3339(&manifest.started)
        .map_or_else(|| manifest.started.as_str().into(), |time| Value::from(time.unix()));
    let mut record = json!({
        "results": results,
        "group_subtasks": subtasks,
        "configs": configs,
        "versions": versions,
        "n-shot": shots,
        "higher_is_better": higher,
        "n-samples": samples,
        "config": {
            "model": "gac",
            "model_args": { "system": plan, "models": models },
            "batch_size": manifest.plan.batch_size,
            "batch_sizes": [],
            "device": session.and_then(|session| session.device.clone()),
            "use_cache": null,
            "limit": limit,
            "bootstrap_iters": manifest.seeds.bootstrap.resamples,
            "gen_kwargs": null,
            "fewshot_seed": manifest.seeds.fewshot,
        },
        "git_hash": session.and_then(|session| session.git.as_ref()).map(|git| git.commit.clone()),
        "date": date,
        "model_source": "gac",
        "model_name": system.name,
        "model_name_sanitized": system.name.replace('/', "__"),
        "start_time": manifest.started,
        "end_time": manifest.ended,
        "total_evaluation_time_seconds":
            system.tasks.iter().map(|task| task.results.timing.wall_seconds).sum::<f64>().to_string(),
    });
    if !groups.is_empty() {
        record["groups"] = groups.into();
    }
    record
}

/// Versions are numbers there, where they are numbers.
fn version(text: &str) -> Value {
    text.parse::<f64>().map_or_else(|_| text.into(), Value::from)
}
