//! What little is known of how another harness ran something.

use std::collections::BTreeSet;

use gac_inference::ComputeType;
use gac_systems::{ModelIdentity, ModelOrigin, ModelPlan, SystemIdentity, SystemPlan, SystemSettings};
use serde_json::{Map, Value};

use super::lm_eval::LmEvalRun;
use super::tasks::Imported;
use crate::MetricKey;
use crate::clock::Timestamp;
use crate::plan::{Plan, TaskPlan};
use crate::results::{Manifest, RECORD_VERSION, RunFolder, RunStatus, Seeds, SystemEntry, TaskEntry};
use crate::stats::Bootstrap;
use crate::tasks::DEFAULT_SHOT_SEED;

/// The manifest of an imported run.
pub(super) fn manifest(
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
        compute: ComputeType::default(),
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
        groups: Vec::new(),
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
            use_cache: None,
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
