//! A run's card.

use serde_json::{Map, Value, json};

use super::context::context;
use super::files::ResultFile;
use super::parts;
use crate::export::facts;
use crate::results::StoredRun;

/// A run's card. `files` are those of its folder ([`result_files`](super::result_files)), by which whoever has them can tell
/// that they are what the card is about.
pub fn card(run: &StoredRun, files: &[ResultFile]) -> Value {
    let manifest = &run.manifest;
    let git = manifest.sessions.last().and_then(|session| session.git.as_ref());
    let with_plans = run.systems.iter().zip(&manifest.systems);
    let card = json!({
        "@context": context(),
        "@type": "sc:Dataset",
        "name": manifest.plan.name,
        "description": "Scores of systems on benchmarks, evaluated by gac.",
        "dateCreated": manifest.started,
        "dateModified": manifest.ended,
        "imported": manifest.imported,
        "software": {
            "@type": "sc:SoftwareApplication",
            "name": "gac",
            "softwareVersion": facts::version(run),
            "commit": facts::build(run),
        },
        "recipe": git.map(|git| json!({ "commit": git.commit, "changed": git.changed })),
        "machine": facts::machine(run),
        "models": manifest.models.iter().map(parts::model).collect::<Vec<_>>(),
        "isBasedOn": manifest.data.iter().map(parts::data).collect::<Vec<_>>(),
        "systems": with_plans.map(|(system, entry)| parts::system(run, system, entry)).collect::<Vec<_>>(),
        "tasks": manifest.tasks.iter().map(|task| parts::task(run, task)).collect::<Vec<_>>(),
        "task_files": manifest.task_files.iter().map(parts::task_file).collect::<Vec<_>>(),
        "seeds": { "fewshot": manifest.seeds.fewshot, "bootstrap": manifest.seeds.bootstrap },
        "batch_size": manifest.plan.batch_size,
        "scores": run.systems.iter().flat_map(parts::scores).collect::<Vec<_>>(),
        "distribution": files.iter().map(parts::result_file).collect::<Vec<_>>(),
    });
    without_unknown(card)
}

/// Without fields that are not known, and lists of nothing.
fn without_unknown(value: Value) -> Value {
    let is_known = |value: &Value| match value {
        Value::Null => false,
        Value::Array(values) => !values.is_empty(),
        _ => true,
    };
    match value {
        Value::Object(fields) => {
            let fields = fields.into_iter().map(|(name, value)| (name, without_unknown(value)));
            fields.filter(|(_, value)| is_known(value)).collect::<Map<_, _>>().into()
        }
        Value::Array(values) => values.into_iter().map(without_unknown).collect(),
        plain => plain,
    }
}
