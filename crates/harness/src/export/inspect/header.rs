//! `_journal/start.json` and `header.json`: what was run, and what came of it.

use gac_ensemble::Decoding;
use gac_systems::{ModelIdentity, sha256};
use serde_json::{Map, Value, json};

use super::sample::{SampleWriter, usage};
use super::sample_id::{id, identifier};
use super::score;
use crate::export::facts;
use crate::identity::DataFiles;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredSystem};
use crate::task::{MetricKey, Request};

/// Version of their logs.
const VERSION: u32 = 2;

/// What a log says beside its samples.
pub(super) struct LogHeader<'a> {
    pub(super) run: &'a StoredRun,
    pub(super) system: &'a StoredSystem,
    /// The hash that the system is known by.
    pub(super) identity: &'a str,
    pub(super) writer: &'a SampleWriter<'a>,
}

impl LogHeader<'_> {
    /// The name of the log's file: they begin with its time and end with its identifier.
    pub(super) fn file(&self) -> String {
        let time = self.run.manifest.started.trim_end_matches('Z').replace(':', "-");
        let task = self.writer.task.entry.name.replace(|letter: char| !letter.is_ascii_alphanumeric(), "-");
        format!("{time}-00-00_{task}_{}.eval", self.log_id())
    }

    /// `_journal/start.json`.
    pub(super) fn start(&self) -> Value {
        json!({ "version": VERSION, "eval": self.spec(), "plan": self.plan() })
    }

    /// `header.json`.
    pub(super) fn header(&self) -> Value {
        let manifest = &self.run.manifest;
        let tokens = self.writer.task.results.timing.tokens;
        json!({
            "version": VERSION,
            "status": "success",
            "eval": self.spec(),
            "plan": self.plan(),
            "results": score::results(self.writer.task),
            "stats": {
                "started_at": manifest.started,
                "completed_at": manifest.ended.as_deref().unwrap_or_default(),
                "model_usage": usage(self.writer.model, tokens),
            },
        })
    }

    /// One for every system and task of a run.
    fn log_id(&self) -> String {
        let entry = &self.writer.task.entry;
        let parts = [self.identity, &self.system.name, &self.run.manifest.started, &entry.name, &entry.version];
        identifier(&sha256::of_bytes(parts.join("\n")))
    }

    fn spec(&self) -> Value {
        let manifest = &self.run.manifest;
        let task = self.writer.task;
        let entry = &task.entry;
        let outline = self.writer.source.outline.as_ref();
        let dataset = outline.map(|outline| &outline.definition.dataset);
        let is_data = |data: &&DataFiles| dataset.is_none_or(|dataset| dataset.id == data.dataset);
        let data: Vec<&DataFiles> = manifest.data.iter().filter(is_data).collect();
        let location = match (&manifest.plan.data_dir, dataset, data.first()) {
            (Some(folder), ..) => Some(folder.display().to_string()),
            (None, Some(dataset), Some(data)) => Some(format!("hf://datasets/{}@{}", dataset.id, data.revision)),
            _ => None,
        };
        // A document that was asked several times is one.
        let mut ids: Vec<Value> = task.samples.iter().map(id).collect();
        ids.dedup();
        let plan = manifest.plan.tasks.iter().find(|plan| plan.name == entry.name);
        let limit = plan.and_then(|plan| plan.limit).and_then(|limit| serde_json::to_value(limit).ok()?.as_u64());
        let git = manifest.sessions.last().and_then(|session| session.git.as_ref());
        let revision = git.map(|git| json!({"type": "git", "origin": "", "commit": git.commit, "dirty": git.changed}));
        let scorer = |key: &MetricKey| json!({ "name": key.to_string() });
        json!({
            "eval_id": self.log_id(),
            "run_id": identifier(&sha256::of_bytes(format!("{}\n{}", manifest.plan.name, manifest.started))),
            "created": manifest.started,
            "task": entry.name,
            "task_id": self.log_id(),
            "task_version": entry.version,
            "task_args": { "num_fewshot": entry.num_fewshot },
            "dataset": { "name": dataset.map(|dataset| &dataset.id), "location": location, "samples": ids.len(), "sample_ids": ids,
                         "shuffled": false },
            "model": self.writer.model,
            "model_generate_config": {},
            "model_args": self.model_args(),
            "config": {
                "limit": limit,
                "epochs": entry.repeats,
                "epochs_reducer": ["mean"],
                "max_samples": manifest.plan.batch_size,
                "log_samples": true,
            },
            "revision": revision,
            "packages": { "gac": facts::version(self.run) },
            "scorers": score::keys(task).iter().map(scorer).collect::<Vec<_>>(),
            "headline_metric": score::headline(task),
            "metadata": {
                "run": manifest.plan.name,
                "build": facts::build(self.run),
                "imported": manifest.imported,
                "system_identity": self.identity,
                "seeds": manifest.seeds,
                "data": data,
                "machine": facts::machine(self.run),
            },
        })
    }

    /// The system's plan, and its models with the hashes of their files.
    fn model_args(&self) -> Value {
        let members = &self.system.members;
        let models: Vec<&ModelIdentity> =
            self.run.manifest.models.iter().filter(|model| members.contains(&model.name)).collect();
        json!({ "system": self.writer.asking.plan, "models": models })
    }

    fn plan(&self) -> Value {
        let documents = self.writer.source.loaded.iter().flat_map(|loaded| &loaded.documents);
        let first = documents.map(|document| &document.request).next();
        let mut config = Map::new();
        if let Some(Request::Generate { stop, max_new_tokens, decoding, .. }) = first {
            config.insert("max_tokens".to_owned(), (*max_new_tokens).into());
            config.insert("stop_seqs".to_owned(), stop.as_slice().into());
            let of_system = || self.writer.asking.plan.map(|plan| plan.settings.decoding);
            match decoding.or_else(of_system).unwrap_or_default() {
                Decoding::Greedy => {
                    config.insert("temperature".to_owned(), 0.0.into());
                }
                Decoding::Sampled(sampling) => {
                    let known = ["temperature", "top_p", "top_k", "seed"];
                    let fields = serde_json::to_value(sampling).unwrap_or_default();
                    let fields = fields.as_object().cloned().unwrap_or_default().into_iter();
                    let fields = fields.map(|(name, value)| (name.replace('-', "_"), value));
                    config.extend(fields.filter(|(name, value)| known.contains(&name.as_str()) && !value.is_null()));
                }
            }
        }
        let chooses = |sample: &SampleRecord| matches!(sample.response, ResponseRecord::Choices(_));
        let solver = if self.writer.task.samples.iter().any(chooses) { "log_likelihood" } else { "generate" };
        json!({ "name": "plan", "steps": [{ "solver": format!("gac/{solver}"), "params": {} }], "config": config })
    }
}
