//! `results_<time>.json`.

use std::collections::BTreeMap;

use gac_systems::{ChatPlan, ModelIdentity, ShotLayout, SystemPlan, sha256};
use serde_json::{Map, Value, json};

use super::leaves::by_leaf;
use super::task_config::{self, version};
use crate::clock::Timestamp;
use crate::export::sources::{ExportSources, TaskSources};
use crate::filters::ROBUST;
use crate::metrics::is_percentage_there;
use crate::results::{StoredRun, StoredSystem, StoredTask};
use crate::task::Aggregate;
use crate::tasks::{GroupMembers, TaskOutline};
use gac_ensemble::Decoding;
use gac_inference::{ChatTemplate, ModelFacts, SpecialToken};

/// The release whose schema and protocol these files follow.
const LM_EVAL_VERSION: &str = "0.4.13";

/// What the file says of tasks.
#[derive(Default)]
struct Tables {
    results: Map<String, Value>,
    groups: Map<String, Value>,
    group_subtasks: Map<String, Value>,
    configs: BTreeMap<String, Value>,
    versions: BTreeMap<String, Value>,
    shots: BTreeMap<String, Value>,
    higher_is_better: BTreeMap<String, Value>,
    samples: Map<String, Value>,
}

pub(super) fn results(
    run: &StoredRun,
    system: &StoredSystem,
    sources: &ExportSources,
    lines: &BTreeMap<String, Vec<Value>>,
) -> Value {
    let manifest = &run.manifest;
    let plan = manifest.plan.systems.iter().find(|plan| plan.name == system.name);
    let identities: Vec<&ModelIdentity> =
        manifest.models.iter().filter(|model| system.members.contains(&model.name)).collect();
    let facts: Vec<&ModelFacts> = system.members.iter().filter_map(|name| sources.models.get(name)).collect();
    let model_args = model_args(run, system, plan);

    let none = TaskSources::default();
    let mut tables = Tables::default();
    for task in &system.tasks {
        tables.leaves(run, task, sources.tasks.get(&task.entry.name).unwrap_or(&none), &model_args);
    }
    for task in &system.tasks {
        tables.groups(task, sources.tasks.get(&task.entry.name).unwrap_or(&none));
    }
    let Tables { results, groups, group_subtasks, configs, versions, shots, higher_is_better, samples } = tables;

    // Of a task: a hash over the hashes of its samples, without our own filter's.
    let hash = |lines: &Vec<Value>| {
        let hashes = lines.iter().filter(|line| line["filter"] != ROBUST);
        let hashes = hashes.flat_map(|line| ["doc_hash", "prompt_hash", "target_hash"].map(|name| &line[name]));
        Value::from(sha256::of_bytes(hashes.filter_map(Value::as_str).collect::<String>()))
    };
    let task_hashes: Map<String, Value> = lines.iter().map(|(leaf, lines)| (leaf.clone(), hash(lines))).collect();
    let session = manifest.sessions.last();
    let chat = plan.and_then(|plan| plan.settings.chat.as_ref());
    let instruction = chat.and_then(|chat| chat.system_instruction.as_deref());
    // Seconds since 1970 there.
    let date = Timestamp::from_rfc3339(&manifest.started)
        .map_or_else(|| manifest.started.as_str().into(), |time| Value::from(time.unix() as f64));
    let token = |name: &str| agreed(&facts, |facts| facts.special_tokens.get(name).cloned());
    let pair = |name: &str| match token(name) {
        Some(SpecialToken { text, id }) => json!([text, id.map_or_else(|| "None".to_owned(), |id| id.0.to_string())]),
        None => json!([null, "None"]),
    };
    let templates = sources.templates.get(&system.name).map_or(&[][..], Vec::as_slice);
    let template = templates.first().map(ChatTemplate::text);
    let template = template.filter(|text| templates.iter().all(|other| other.text() == *text));
    let mut fields: Vec<(&str, Value)> = vec![("results", results.into())];
    if !groups.is_empty() {
        fields.push(("groups", groups.into()));
    }
    fields.extend([
        ("group_subtasks", group_subtasks.into()),
        ("configs", json!(configs)),
        ("versions", json!(versions)),
        ("n-shot", json!(shots)),
        ("higher_is_better", json!(higher_is_better)),
        ("n-samples", samples.into()),
        ("config", config(run, plan, &identities, &facts, &model_args)),
        ("git_hash", session.and_then(|session| session.git.as_ref()).map(|git| git.commit.clone()).into()),
        ("date", date),
        ("pretty_env_info", environment(run).into()),
        ("transformers_version", "N/A".into()),
        ("lm_eval_version", LM_EVAL_VERSION.into()),
        ("upper_git_hash", Value::Null),
        ("tokenizer_pad_token", pair("pad_token")),
        ("tokenizer_eos_token", pair("eos_token")),
        ("tokenizer_bos_token", pair("bos_token")),
        ("eot_token_id", token("eos_token").and_then(|token| token.id).map(|id| id.0).into()),
        ("max_length", agreed(&facts, |facts| facts.context).into()),
        ("task_hashes", task_hashes.into()),
        ("model_source", "gac".into()),
        ("model_name", system.name.as_str().into()),
        ("model_name_sanitized", sanitized(&system.name).into()),
        ("system_instruction", instruction.into()),
        ("system_instruction_sha", instruction.map(sha256::of_bytes).into()),
        ("fewshot_as_multiturn", chat.map(|chat: &ChatPlan| chat.shots == ShotLayout::Turns).into()),
        ("chat_template", template.into()),
        ("chat_template_sha", template.map(sha256::of_bytes).into()),
        ("total_evaluation_time_seconds", seconds(system).into()),
    ]);
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Map<_, _>>().into()
}

impl Tables {
    /// The subtasks of a task, or the task itself.
    fn leaves(&mut self, run: &StoredRun, task: &StoredTask, source: &TaskSources, model_args: &Map<String, Value>) {
        let plan = run.manifest.plan.tasks.iter().find(|plan| plan.name == task.entry.name);
        let overrides = plan.and_then(|plan| plan.gen_kwargs.as_ref());
        let leaves = by_leaf(task, source);
        for (leaf, samples) in &leaves {
            let subject = samples.first().and_then(|sample| sample.subject.as_deref());
            // All figures of a task without subjects are its own, those of a single subtask too.
            let named = |found: &&Aggregate| found.name == leaf.name || leaves.len() == 1;
            let alias = leaf.alias.as_ref().unwrap_or(&leaf.name);
            let mut entry = json!({ "name": leaf.name, "alias": alias, "sample_len": samples.len() });
            let mut higher = Map::new();
            for found in task.results.aggregates.iter().filter(named) {
                figures(&mut entry, found);
                higher.insert(found.key.metric.clone(), true.into());
            }
            self.results.insert(leaf.name.clone(), entry);
            let outline = source.outline.as_ref();
            let config = task_config::config(outline, &task.entry, leaf, subject, overrides, model_args);
            self.configs.insert(leaf.name.clone(), config);
            self.versions.insert(leaf.name.clone(), version(&task.entry.version));
            self.shots.insert(leaf.name.clone(), task.entry.num_fewshot.into());
            self.higher_is_better.insert(leaf.name.clone(), higher.into());
            let original = source.rows.count(subject);
            self.samples.insert(leaf.name.clone(), json!({ "original": original, "effective": samples.len() }));
        }
    }

    /// The groups that a task is made of.
    fn groups(&mut self, task: &StoredTask, source: &TaskSources) {
        let Some(outline) = &source.outline else { return };
        for group in &outline.groups {
            let members = members(task, source, outline, &group.members);
            let found: Vec<&Aggregate> =
                task.results.aggregates.iter().filter(|found| found.name == group.name).collect();
            if members.is_empty() || found.is_empty() {
                continue;
            }
            let documents = found.iter().map(|found| found.documents).max().unwrap_or(0);
            let mut entry = json!({ "alias": group.alias, "name": group.name, "sample_len": documents });
            let (mut higher, mut counts) = (Map::new(), Map::new());
            for found in found {
                figures(&mut entry, found);
                higher.insert(found.key.metric.clone(), true.into());
                counts.insert(found.key.to_string(), found.documents.into());
            }
            entry["sample_count"] = counts.into();
            self.results.insert(group.name.clone(), entry.clone());
            self.groups.insert(group.name.clone(), entry);
            self.group_subtasks.insert(group.name.clone(), members.into());
            let of_group = group.version.as_deref().unwrap_or("N/A");
            self.versions.insert(group.name.clone(), of_group.into());
            self.shots.insert(group.name.clone(), task.entry.num_fewshot.into());
            self.higher_is_better.insert(group.name.clone(), higher.into());
        }
    }
}

/// The names of a group's members that were evaluated.
fn members(task: &StoredTask, source: &TaskSources, outline: &TaskOutline, members: &GroupMembers) -> Vec<String> {
    let has = |subject: &str| {
        match members {
        GroupMembers::Subjects(subjects) => subjects.iter().any(|known| known == subject),
        GroupMembers::All => true,
        // Those of its groups' are theirs.
        GroupMembers::Groups(names) => !outline.groups.iter().any(|group| {
            names.contains(&group.name)
                && matches!(&group.members, GroupMembers::Subjects(subjects) if subjects.iter().any(|known| known == subject))
        }),
    }
    };
    let evaluated = |name: &&String| task.results.aggregates.iter().any(|found| found.name == **name);
    let groups = match members {
        GroupMembers::Groups(names) => names.iter().filter(evaluated).cloned().collect(),
        GroupMembers::Subjects(_) | GroupMembers::All => Vec::new(),
    };
    let leaves = by_leaf(task, source)
        .into_iter()
        .filter(|(_, samples)| samples.first().and_then(|sample| sample.subject.as_deref()).is_some_and(has));
    groups.into_iter().chain(leaves.map(|(leaf, _)| leaf.name)).collect()
}

/// Adds a metric with its standard error.
fn figures(entry: &mut Value, found: &Aggregate) {
    let (metric, filter) = (&found.key.metric, &found.key.filter);
    let scale = if is_percentage_there(metric) { 100.0 } else { 1.0 };
    entry[format!("{metric},{filter}")] = (scale * found.value).into();
    entry[format!("{metric}_stderr,{filter}")] = found.stderr.map_or_else(|| "N/A".into(), Value::from);
}

/// Where a system's weights come from, in the words of `--model_args`; an ensemble's plan.
fn model_args(run: &StoredRun, system: &StoredSystem, plan: Option<&SystemPlan>) -> Map<String, Value> {
    let sources: Vec<String> =
        system.members.iter().filter_map(|name| Some(run.manifest.plan.model(name)?.source.to_string())).collect();
    let mut args = Map::new();
    match &sources[..] {
        [one] => args.insert("pretrained".to_owned(), one.as_str().into()),
        _ => args.insert("pretrained".to_owned(), sources.into()),
    };
    if system.members.len() > 1 {
        args.insert("system".to_owned(), serde_json::to_value(plan).unwrap_or_default());
    }
    let dtypes = system.members.iter().filter_map(|name| run.manifest.plan.model(name)?.dtype);
    if let Some(dtype) = dtypes.collect::<Vec<_>>().first() {
        args.insert("dtype".to_owned(), serde_json::to_value(dtype).unwrap_or_default());
    }
    args
}

/// How it was run.
fn config(
    run: &StoredRun,
    plan: Option<&SystemPlan>,
    identities: &[&ModelIdentity],
    facts: &[&ModelFacts],
    model_args: &Map<String, Value>,
) -> Value {
    let manifest = &run.manifest;
    let task = manifest.plan.tasks.first();
    let commit = |identity: &&ModelIdentity| identity.commit.clone();
    let commits: Vec<String> = identities.iter().filter_map(commit).collect();
    let revisions: Vec<&str> =
        identities.iter().map(|model| model.source.split_once('@').map_or("main", |(_, revision)| revision)).collect();
    let kwargs = task.and_then(|task| task.gen_kwargs.as_ref());
    let seed = match plan.map(|plan| plan.settings.decoding) {
        Some(Decoding::Sampled(sampling)) => Some(sampling.seed()),
        Some(Decoding::Greedy) | None => kwargs.and_then(|kwargs| kwargs.seed),
    };
    json!({
        "model": "gac",
        "model_args": model_args,
        "model_num_parameters": facts.iter().map(|facts| facts.parameters).sum::<u64>(),
        "model_dtype": facts.iter().map(|facts| facts.weight_type.as_str()).collect::<Vec<_>>().join(","),
        "model_revision": revisions.join(","),
        "model_sha": commits.join(","),
        "batch_size": manifest.plan.batch_size.to_string(),
        "batch_sizes": [],
        "device": manifest.sessions.last().and_then(|session| session.device.clone()),
        "use_cache": null,
        "limit": task.and_then(|task| task.limit),
        "bootstrap_iters": manifest.seeds.bootstrap.resamples,
        "gen_kwargs": kwargs.map_or_else(|| json!({}), |kwargs| json!(kwargs)),
        // Nothing here is drawn by Python or NumPy; tokens are drawn by what PyTorch draws them by there.
        "random_seed": null,
        "numpy_seed": null,
        "torch_seed": seed,
        "fewshot_seed": manifest.seeds.fewshot,
    })
}

/// The machine and the program, a line each.
fn environment(run: &StoredRun) -> String {
    let Some(session) = run.manifest.sessions.last() else { return String::new() };
    let machine = &session.machine;
    let mut lines = vec![format!("gac version: {}", session.gac)];
    lines.extend(session.build.as_ref().map(|commit| format!("gac commit: {commit}")));
    lines.push(format!("OS: {} ({})", machine.os, machine.arch));
    lines.extend(machine.processor.as_ref().map(|processor| format!("CPU: {processor}")));
    lines.push(format!("CPU cores: {}, threads: {}", machine.cores, machine.threads));
    lines.extend(machine.memory.map(|bytes| format!("Memory: {bytes} bytes")));
    lines.extend(session.device.as_ref().map(|device| format!("Device: {device}")));
    lines.join("\n")
}

/// What all members say alike.
fn agreed<T: PartialEq>(facts: &[&ModelFacts], of: impl Fn(&ModelFacts) -> Option<T>) -> Option<T> {
    let mut all = facts.iter().map(|facts| of(facts));
    let first = all.next()??;
    all.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

fn seconds(system: &StoredSystem) -> String {
    system.tasks.iter().map(|task| task.results.timing.wall_seconds).sum::<f64>().to_string()
}

/// Characters that no folder of theirs has.
const SPECIAL: [char; 11] = ['"', '<', '>', ':', '/', '|', '\\', '?', '*', '[', ']'];

/// A model's name as their folders have it.
fn sanitized(name: &str) -> String {
    let mut sanitized = String::new();
    for part in name.split_inclusive(SPECIAL) {
        let plain = part.trim_end_matches(SPECIAL);
        // Several in a row are one.
        if !(plain.is_empty() && sanitized.ends_with("__")) {
            sanitized.push_str(plain);
            sanitized.push_str(if plain.len() < part.len() { "__" } else { "" });
        }
    }
    sanitized
}
