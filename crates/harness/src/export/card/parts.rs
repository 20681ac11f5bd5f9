//! Models, data, systems, tasks and scores of a card.

use gac_systems::{FileHash, ModelIdentity};
use serde_json::{Value, json};

use super::files::ResultFile;
use crate::export::facts;
use crate::identity::{DataFiles, TaskFile};
use crate::report::Leaderboard;
use crate::results::{StoredRun, StoredSystem, SystemEntry, TaskEntry};

/// A file by its contents.
fn file(name: Option<&str>, description: Option<&str>, hash: &FileHash) -> Value {
    json!({
        "@type": "cr:FileObject",
        "name": name,
        "description": description,
        "contentSize": format!("{} B", hash.bytes),
        "sha256": hash.sha256,
    })
}

pub(super) fn result_file(file: &ResultFile) -> Value {
    json!({
        "@type": "cr:FileObject",
        "contentUrl": file.path,
        "encodingFormat": if file.path.ends_with('l') { "application/jsonlines" } else { "application/json" },
        "contentSize": format!("{} B", file.bytes),
        "sha256": file.sha256,
    })
}

pub(super) fn model(model: &ModelIdentity) -> Value {
    let files = model.files.iter().map(|of_model| {
        let role = serde_json::to_value(of_model.role).ok();
        let role = role.and_then(|role| role.as_str().map(|role| role.replace('_', " ")));
        file(Some(&of_model.file), role.as_deref(), &of_model.hash)
    });
    json!({
        "@type": "Model",
        "name": model.name,
        "source": model.source,
        "version": model.commit,
        "dtype": model.dtype,
        "settings": model.settings,
        "server": model.server,
        "identifier": model.contents(),
        "distribution": files.collect::<Vec<_>>(),
    })
}

pub(super) fn data(data: &DataFiles) -> Value {
    let files = data.files.iter().map(|hash| file(None, None, hash));
    json!({
        "@type": "sc:Dataset",
        "name": data.dataset,
        "configuration": data.config,
        "split": data.split,
        "version": data.revision,
        "distribution": files.collect::<Vec<_>>(),
    })
}

pub(super) fn task_file(task_file: &TaskFile) -> Value {
    file(Some(&task_file.place), Some("shots and descriptions"), &task_file.hash)
}

pub(super) fn system(run: &StoredRun, system: &StoredSystem, entry: &SystemEntry) -> Value {
    let plan = facts::plan(run, system);
    json!({
        "@type": "System",
        "name": system.name,
        "identifier": entry.identity,
        "members": system.members,
        "weights": plan.map(|plan| &plan.weights),
        "gate": plan.and_then(|plan| plan.gate.as_ref()),
        "settings": plan.map(|plan| &plan.settings),
    })
}

pub(super) fn task(run: &StoredRun, entry: &TaskEntry) -> Value {
    let plan = run.manifest.plan.tasks.iter().find(|plan| plan.name == entry.name);
    json!({
        "@type": "Task",
        "name": entry.name,
        "version": entry.version,
        "num_fewshot": entry.num_fewshot,
        "documents": entry.documents,
        "repeats": entry.repeats,
        "metric": entry.primary.metric,
        "filter": entry.primary.filter,
        "limit": plan.and_then(|plan| plan.limit),
        "gen_kwargs": plan.and_then(|plan| plan.gen_kwargs.as_ref()),
    })
}

/// Every figure of a system; the average over tasks last, where it did every task.
pub(super) fn scores(system: &StoredSystem) -> Vec<Value> {
    let mut scores = Vec::new();
    for task in &system.tasks {
        let failed = task.results.outcomes.failed;
        for found in &task.results.aggregates {
            let part = (!facts::is_own(task, found)).then_some(&found.name);
            scores.push(json!({
                "@type": "Score",
                "system": system.name,
                "task": task.entry.name,
                "part": part,
                "metric": found.key.metric,
                "filter": found.key.filter,
                "value": found.value,
                "stderr": found.stderr,
                "documents": found.documents,
                "failed": if part.is_none() { Some(failed) } else { None },
            }));
        }
    }
    let leaderboard = Leaderboard::new(&[system.results()]).ok();
    if let Some(average) = leaderboard.and_then(|leaderboard| leaderboard.rows.first()?.average) {
        scores.push(json!({
            "@type": "Score",
            "system": system.name,
            "task": "average",
            "value": average.value,
            "stderr": average.stderr,
        }));
    }
    scores
}
