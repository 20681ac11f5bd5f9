//! What several formats tell of a run. Neither host nor command line is part of it, since exports are there to be shown.

use std::collections::BTreeMap;

use gac_systems::{ModelIdentity, SystemPlan};
use serde_json::{Map, Value, json};

use crate::report::Leaderboard;
use crate::results::{Session, StoredRun, StoredSystem, StoredTask, TaskEntry};
use crate::task::Aggregate;

/// The machine that a run ended on.
pub(super) fn machine(run: &StoredRun) -> Value {
    let Some(session) = run.manifest.sessions.last() else { return Value::Null };
    let machine = &session.machine;
    json!({
        "os": machine.os,
        "arch": machine.arch,
        "processor": machine.processor,
        "cores": machine.cores,
        "threads": machine.threads,
        "memory": machine.memory,
        "device": session.device,
    })
}

/// The version of gac that a run ended with; this one's where the run does not tell.
pub(super) fn version(run: &StoredRun) -> &str {
    run.manifest.sessions.last().map_or(env!("CARGO_PKG_VERSION"), |session| &session.gac)
}

/// The commit that gac was built from, where that is known.
pub(super) fn build(run: &StoredRun) -> Option<&str> {
    run.manifest.sessions.last().and_then(|session: &Session| session.build.as_deref())
}

/// A system's plan; none where the run's does not tell.
pub(super) fn plan<'a>(run: &'a StoredRun, system: &StoredSystem) -> Option<&'a SystemPlan> {
    run.manifest.plan.systems.iter().find(|plan| plan.name == system.name)
}

/// A system's models.
pub(super) fn models<'a>(run: &'a StoredRun, system: &StoredSystem) -> impl Iterator<Item = &'a ModelIdentity> {
    run.manifest.models.iter().filter(|model| system.members.contains(&model.name))
}

/// What a system's figures depend on, as trackers of experiments keep configurations.
pub(super) fn configuration(run: &StoredRun, system: &StoredSystem) -> Map<String, Value> {
    let manifest = &run.manifest;
    let model = |model: &ModelIdentity| {
        let of_model = json!({
            "source": model.source,
            "commit": model.commit,
            "dtype": model.dtype,
            "server": model.server,
            "contents": model.contents(),
        });
        (model.name.clone(), of_model)
    };
    let task = |task: &TaskEntry| {
        let of_task = json!({
            "version": task.version,
            "num_fewshot": task.num_fewshot,
            "documents": task.documents,
            "repeats": task.repeats,
            "primary": task.primary.to_string(),
        });
        (task.name.clone(), of_task)
    };
    let models: BTreeMap<String, Value> = models(run, system).map(model).collect();
    let tasks: BTreeMap<String, Value> = manifest.tasks.iter().map(task).collect();
    let fields = [
        ("gac", json!({ "version": version(run), "build": build(run) })),
        ("system", json!(plan(run, system))),
        ("models", json!(models)),
        ("tasks", json!(tasks)),
        ("seeds", json!(manifest.seeds)),
        ("batch_size", json!(manifest.plan.batch_size)),
        ("machine", machine(run)),
        ("imported", json!(manifest.imported)),
    ];
    let fields = fields.into_iter().map(|(name, value)| (name.to_owned(), value));
    fields.filter(|(_, value)| !value.is_null()).collect()
}

/// Whether a figure is a task's own, not that of a part of it: the first one is, and those called as it.
pub(super) fn is_own(task: &StoredTask, found: &Aggregate) -> bool {
    let first = task.results.aggregates.first().map(|first| &first.name);
    first == Some(&found.name) || found.name == task.entry.name
}

/// A figure of a system, as trackers of experiments name them.
pub(super) struct TrackedFigure {
    /// `gsm8k/exact_match,strict-match`, with `_stderr` behind the metric for a standard error.
    pub name: String,
    /// Its value.
    pub value: f64,
}

/// A system's figures: the average that leaderboards show, then every metric of its tasks with standard errors, and what the
/// run says of time and steps. A value that is no number is left out.
pub(super) fn figures(system: &StoredSystem) -> Vec<TrackedFigure> {
    let mut figures = Vec::new();
    let average = Leaderboard::new(&[system.results()]).ok();
    let average = average.and_then(|leaderboard| leaderboard.rows.first().and_then(|row| row.average));
    if let Some(average) = average {
        figures.push(TrackedFigure { name: "average".to_owned(), value: average.value });
        figures.extend(average.stderr.map(|value| TrackedFigure { name: "average_stderr".to_owned(), value }));
    }
    for task in &system.tasks {
        for found in &task.results.aggregates {
            figures.extend(of_aggregate(task, found));
        }
        figures.extend(of_task(task));
    }
    figures.retain(|figure| figure.value.is_finite());
    figures
}

fn of_aggregate(task: &StoredTask, found: &Aggregate) -> impl Iterator<Item = TrackedFigure> {
    let name = &task.entry.name;
    let place = if is_own(task, found) { name.clone() } else { format!("{name}/{}", found.name) };
    let (metric, filter) = (&found.key.metric, &found.key.filter);
    let value = TrackedFigure { name: format!("{place}/{metric},{filter}"), value: found.value };
    let stderr = found.stderr.map(|value| TrackedFigure { name: format!("{place}/{metric}_stderr,{filter}"), value });
    [Some(value), stderr].into_iter().flatten()
}

fn of_task(task: &StoredTask) -> impl Iterator<Item = TrackedFigure> {
    let (results, timing) = (&task.results, &task.results.timing);
    let figures = [
        ("documents", Some(results.documents as f64)),
        ("failed", Some(results.outcomes.failed as f64)),
        ("seconds", Some(timing.wall_seconds)),
        ("ms_per_token", timing.ms_per_token),
        ("ensembled_share", timing.ensembled_share),
    ];
    let name = task.entry.name.clone();
    figures
        .into_iter()
        .filter_map(move |(what, value)| Some(TrackedFigure { name: format!("{name}/{what}"), value: value? }))
}
