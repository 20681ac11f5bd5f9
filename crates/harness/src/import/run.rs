//! A run of another harness, written as one of ours.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use gac_systems::{ModelIdentity, ModelOrigin, ModelPlan, SystemIdentity, SystemPlan, SystemSettings, sha256};
use serde_json::{Map, Value, json};

use super::error::ImportError;
use super::lm_eval::{LmEvalRun, LmEvalSample};
use crate::clock::Timestamp;
use crate::metrics::DocumentMean;
use crate::plan::{Plan, TaskPlan};
use crate::report::{self, Leaderboard};
use crate::results::{
    ChoiceRecord, Contents, FilterRecord, Manifest, MetricRecord, OutcomeCounts, RECORD_VERSION, RESULTS,
    ResponseRecord, RunFolder, RunStatus, SAMPLES, SampleRecord, Seeds, StoredRun, SystemEntry, TaskEntry, TaskResults,
    Timing, check_folder,
};
use crate::stats::Bootstrap;
use crate::tasks::DEFAULT_SHOT_SEED;
use crate::{Aggregate, MetricKey, Outcome};

/// What may be said of a run that is imported.
#[derive(Clone, Debug, Default)]
pub struct ImportOptions {
    /// The system's name; the model's when absent.
    pub name: Option<String>,
    /// The field of documents whose value those share that are no independent evidence, such as `passage`.
    pub group_by: Option<String>,
    /// The metric that stands in leaderboards, by task; the first that is better when higher where a task is not named.
    pub metrics: BTreeMap<String, MetricKey>,
}

/// What was imported.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportSummary {
    /// The system's name.
    pub system: String,
    /// Tasks, with how many documents each has.
    pub tasks: Vec<(String, usize)>,
    /// Tasks whose score is not the one that their harness reports: ours, theirs.
    pub differing: Vec<String>,
}

/// A task, or a group of tasks that are its subjects.
struct Imported<'a> {
    name: String,
    /// Subject and lines.
    parts: Vec<(Option<&'a str>, &'a [LmEvalSample])>,
}

/// Writes the run to `output`.
///
/// Tasks of a group that have the same metrics become the subjects of one task, as MMLU's are here. Scores are worked out from
/// the documents.
///
/// # Errors
/// When the folder holds something, a file cannot be written, or a task has no metric that can stand in a leaderboard.
pub fn import(run: &LmEvalRun, output: &Path, options: &ImportOptions) -> Result<ImportSummary, ImportError> {
    if check_folder(output)? == Contents::Run {
        return Err(ImportError::NotEmpty { folder: output.to_path_buf() });
    }
    let model = run.results.model_name.clone().filter(|name| !name.is_empty());
    let model = model.or_else(|| run.results.model_source.clone()).unwrap_or_else(|| "model".to_owned());
    let system = options.name.clone().unwrap_or_else(|| model.clone());
    let tasks = grouped(run, options);
    if let Some(task) = options.metrics.keys().find(|name| !tasks.iter().any(|task| task.name == **name)) {
        let known = tasks.iter().map(|task| task.name.clone()).collect();
        return Err(ImportError::UnknownTask { task: task.clone(), known });
    }
    let primaries: Vec<MetricKey> =
        tasks.iter().map(|task| primary(run, task, options)).collect::<Result<_, ImportError>>()?;
    let names: Vec<&str> = tasks.iter().map(|task| task.name.as_str()).collect();
    let folder = RunFolder::open(output, &[&system], &names)?;
    let manifest = manifest(run, &model, &system, &tasks, &primaries, &folder);
    let mut summary = ImportSummary { system: system.clone(), tasks: vec![], differing: vec![] };
    for (place, (task, primary)) in tasks.iter().zip(&primaries).enumerate() {
        let records = records(&system, task, &manifest.tasks[place], options);
        let results = results(&system, &manifest.tasks[place], &records);
        let path = folder.task(0, place)?;
        let mut text = String::new();
        for record in &records {
            text.push_str(&serde_json::to_string(record).unwrap_or_default());
            text.push('\n');
        }
        RunFolder::write_text(&path.join(SAMPLES), &text)?;
        RunFolder::write_json(&path.join(RESULTS), &results)?;
        summary.tasks.push((task.name.clone(), records.len()));
        let theirs = run.results.results.get(&task.name).and_then(|figures| figures.get(primary.to_string())?.as_f64());
        if let Some(theirs) = theirs.filter(|theirs| (theirs - results.value).abs() > 1e-6) {
            summary.differing.push(format!("{}: {} here, {theirs} there", task.name, results.value));
        }
    }
    RunFolder::write_json(&folder.manifest(), &manifest)?;
    drop(folder);
    if let Ok(stored) = StoredRun::read(output) {
        let systems: Vec<_> = stored.systems.iter().map(crate::results::StoredSystem::results).collect();
        if let Ok(leaderboard) = Leaderboard::new(&systems) {
            RunFolder::write_text(&output.join("leaderboard.md"), &report::markdown(&leaderboard))?;
        }
    }
    Ok(summary)
}

/// The tasks: those of the outermost groups together where they are alike, the others by themselves.
fn grouped<'a>(run: &'a LmEvalRun, options: &ImportOptions) -> Vec<Imported<'a>> {
    let groups = &run.results.group_subtasks;
    let inner: BTreeSet<&String> = groups.values().flatten().collect();
    let lines: BTreeMap<&str, &[LmEvalSample]> =
        run.samples.iter().map(|(task, lines)| (task.as_str(), &lines[..])).collect();
    let metrics = |task: &str| {
        let lines = lines.get(task)?;
        Some(lines.iter().map(|line| (&line.filter, &line.metrics)).collect::<BTreeSet<_>>())
    };
    let mut taken = BTreeSet::new();
    let mut found = Vec::new();
    for (group, _) in groups.iter().filter(|(group, _)| !inner.contains(group)) {
        let mut leaves = Vec::new();
        collect_leaves(groups, group, &mut leaves, 0);
        let alike = leaves.windows(2).all(|pair| metrics(pair[0]) == metrics(pair[1]));
        // Who asks for the metric of a part wants it by itself.
        let named = leaves.iter().any(|leaf| options.metrics.contains_key(*leaf));
        if leaves.len() > 1 && alike && !named && leaves.iter().all(|leaf| lines.contains_key(*leaf)) {
            taken.extend(leaves.iter().copied());
            let parts = leaves.into_iter().map(|leaf| (Some(leaf), lines[leaf])).collect();
            found.push(Imported { name: group.clone(), parts });
        }
    }
    for (task, lines) in run.samples.iter().filter(|(task, _)| !taken.contains(task.as_str())) {
        found.push(Imported { name: task.clone(), parts: vec![(None, &lines[..])] });
    }
    let order: Vec<&String> = run.results.results.keys().collect();
    found.sort_by_key(|task| order.iter().position(|name| **name == task.name).unwrap_or(usize::MAX));
    found
}

/// The tasks of a group, those of groups in it too.
fn collect_leaves<'a>(groups: &'a BTreeMap<String, Vec<String>>, group: &str, leaves: &mut Vec<&'a str>, depth: usize) {
    for name in groups.get(group).into_iter().flatten() {
        if groups.get(name).is_some_and(|inner| !inner.is_empty()) && depth < 8 {
            collect_leaves(groups, name, leaves, depth + 1);
        } else if !leaves.contains(&name.as_str()) {
            leaves.push(name);
        }
    }
}

fn primary(run: &LmEvalRun, task: &Imported<'_>, options: &ImportOptions) -> Result<MetricKey, ImportError> {
    let all = || task.parts.iter().flat_map(|(_, lines)| lines.iter());
    let mut known: Vec<MetricKey> = Vec::new();
    for line in all() {
        for metric in &line.metrics {
            let key = MetricKey { metric: metric.clone(), filter: line.filter.clone() };
            if !known.contains(&key) {
                known.push(key);
            }
        }
    }
    let names = || known.iter().map(ToString::to_string).collect();
    if let Some(asked) = options.metrics.get(&task.name) {
        return if known.contains(asked) {
            Ok(asked.clone())
        } else {
            Err(ImportError::UnknownMetric { task: task.name.clone(), metric: asked.to_string(), known: names() })
        };
    }
    let of = task.parts.first().and_then(|(subject, _)| *subject).unwrap_or(&task.name);
    let higher =
        |key: &MetricKey| run.results.higher_is_better.get(of).and_then(|of| *of.get(&key.metric)?) != Some(false);
    let is_share = |key: &MetricKey| {
        let mut values = all().filter(|line| line.filter == key.filter).map(|line| value(line, &key.metric));
        values.all(|value| value.is_some_and(|value| (0.0..=1.0).contains(&value)))
    };
    let found = known.iter().find(|key| higher(key) && is_share(key)).cloned();
    found.ok_or_else(|| ImportError::NoMetric { task: task.name.clone(), known: names() })
}

fn value(line: &LmEvalSample, metric: &str) -> Option<f64> {
    match line.fields.get(metric)? {
        Value::Bool(right) => Some(f64::from(u8::from(*right))),
        other => other.as_f64(),
    }
}

/// A record per document: its lines are its filters.
fn records(system: &str, task: &Imported<'_>, entry: &TaskEntry, options: &ImportOptions) -> Vec<SampleRecord> {
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
            let metric = |metric: &String| Some(MetricRecord { metric: metric.clone(), value: value(line, metric)? });
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
    let identity = json!([system, entry.name, entry.version, subject, first.doc_id, first.doc_hash, first.prompt_hash]);
    SampleRecord {
        version: RECORD_VERSION,
        identity: crate::identity::SampleIdentity::imported(&sha256::of_bytes(identity.to_string())),
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
        response: response(&first.resps),
        filters,
        tokens: 0,
        ensembled: 0,
        member_tokens: vec![],
        truncated: false,
        seconds: None,
        elapsed: 0.0,
        trace: None,
    }
}

/// What documents with the same value in a field have in common.
fn group(line: &LmEvalSample, field: &str) -> Option<String> {
    let value = line.fields.get("doc")?.get(field)?;
    Some(sha256::of_bytes(value.to_string())[..16].to_owned())
}

/// `[["text"]]`, or `[[["-1.5", "False"]], ...]`: a log-likelihood and whether it is the greedy one, per choice.
fn response(resps: &Value) -> ResponseRecord {
    let empty = Vec::new();
    let requests = resps.as_array().unwrap_or(&empty);
    let number = |value: &Value| value.as_f64().or_else(|| value.as_str()?.trim().parse().ok());
    let choice = |request: &Value| {
        let pair = request.get(0)?.as_array()?;
        let greedy = pair.get(1).is_some_and(|greedy| *greedy == true || *greedy == "True");
        Some(ChoiceRecord { sum: number(pair.first()?)?, greedy, tokens: 0 })
    };
    if let Some(text) = requests.first().and_then(|request| request.get(0)?.as_str()) {
        return ResponseRecord::Generated { text: text.to_owned(), finish: "end".to_owned(), thinking: None };
    }
    requests.iter().map(choice).collect::<Option<Vec<_>>>().map_or(ResponseRecord::None, ResponseRecord::Choices)
}

fn results(system: &str, entry: &TaskEntry, records: &[SampleRecord]) -> TaskResults {
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
    records.iter().for_each(|record| outcomes.add(&record.outcome));
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
    }
}

fn manifest(
    run: &LmEvalRun,
    model: &str,
    system: &str,
    tasks: &[Imported<'_>],
    primaries: &[MetricKey],
    folder: &RunFolder,
) -> Manifest {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let of =
        |task: &Imported<'_>| task.parts.first().and_then(|(subject, _)| *subject).unwrap_or(&task.name).to_owned();
    let entries = tasks.iter().zip(primaries).zip(folder.tasks()).map(|((task, primary), folder)| {
        let documents: usize = task
            .parts
            .iter()
            .map(|(_, lines)| lines.iter().map(|line| line.doc_id).collect::<BTreeSet<_>>().len())
            .sum();
        let shots = run.results.shots.get(&of(task)).and_then(Value::as_u64).unwrap_or(0);
        TaskEntry {
            name: task.name.clone(),
            folder: folder.clone(),
            version: run.results.versions.get(&of(task)).map_or_else(|| "0".to_owned(), text),
            num_fewshot: usize::try_from(shots).unwrap_or(0),
            documents,
            repeats: 1,
            primary: primary.clone(),
        }
    });
    let tasks: Vec<TaskEntry> = entries.collect();
    let model_plan = ModelPlan {
        name: model.to_owned(),
        source: ModelOrigin::Path(model.into()),
        dtype: None,
        device: None,
        chat_template: None,
        chat_template_args: Map::new(),
        add_bos: None,
        think_end_token: None,
    };
    let system_plan = SystemPlan {
        name: system.to_owned(),
        axis: None,
        members: vec![model.to_owned()],
        weights: vec![1.0],
        gate: None,
        drafter: None,
        settings: SystemSettings::default(),
    };
    let identity = ModelIdentity {
        name: model.to_owned(),
        source: model.to_owned(),
        commit: None,
        dtype: None,
        settings: Value::Null,
        server: None,
        files: vec![],
    };
    let ended = run.results.date.map_or_else(Timestamp::now, |date| Timestamp::from_unix(date as i64)).rfc3339();
    let plan_task = |task: &TaskEntry| TaskPlan {
        name: task.name.clone(),
        num_fewshot: Some(task.num_fewshot),
        limit: None,
        repeats: 1,
        samples: None,
        gen_kwargs: None,
        fewshot_seed: None,
    };
    Manifest {
        version: RECORD_VERSION,
        status: RunStatus::Finished,
        started: ended.clone(),
        ended: Some(ended),
        imported: Some("lm-evaluation-harness".to_owned()),
        plan: Plan {
            name: system.to_owned(),
            recipe: None,
            models: vec![model_plan],
            tasks: tasks.iter().map(plan_task).collect(),
            include_path: vec![],
            data_dir: None,
            batch_size: 1,
            log_samples: false,
            trace: false,
            shard: None,
            output: folder.path().to_path_buf(),
            systems: vec![system_plan.clone()],
        },
        models: vec![identity.clone()],
        data: vec![],
        task_files: vec![],
        systems: vec![SystemEntry {
            name: system.to_owned(),
            folder: folder.systems()[0].clone(),
            identity: SystemIdentity::new(&system_plan, &[identity]),
        }],
        tasks,
        seeds: Seeds { bootstrap: Bootstrap::default(), fewshot: DEFAULT_SHOT_SEED },
        sessions: vec![],
    }
}
