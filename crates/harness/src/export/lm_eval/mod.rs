//! lm-evaluation-harness's output files: `results_<time>.json` and `samples_<task>_<time>.jsonl`, one folder per model,
//! by the schema of release 0.4.13.

mod results;
mod samples;
mod task_config;

use std::collections::BTreeMap;

use gac_inference::{ChatTemplate, ModelFacts};
use serde_json::Value;

use crate::LoadedTask;
use crate::results::{SampleRecord, StoredRun, StoredTask};
use crate::tasks::{Leaf, TaskOutline, TaskRows};

/// A file to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LmEvalFile {
    /// `<system>/results_<time>.json`, with `/` between folder and file.
    pub path: String,
    /// What it holds.
    pub text: String,
}

/// What a run's folder does not hold of its tasks and models, as far as it is on this machine.
#[derive(Default)]
pub struct LmEvalSources {
    /// By the task's name.
    pub tasks: BTreeMap<String, LmEvalTask>,
    /// By the model's name.
    pub models: BTreeMap<String, ModelFacts>,
    /// The chat templates of a system's members, by its name; none for systems whose prompts are no chats.
    pub templates: BTreeMap<String, Vec<ChatTemplate>>,
}

/// What a run's folder does not hold of a task.
#[derive(Default)]
pub struct LmEvalTask {
    /// Its groups, subtasks and definition.
    pub outline: Option<TaskOutline>,
    /// The rows of its documents, with all columns.
    pub rows: TaskRows,
    /// Its documents with their prompts, as the run asked them.
    pub loaded: Option<LoadedTask>,
}

/// A run as lm-evaluation-harness would have written it, a system standing for a model.
///
/// What is not to be found is `null`, or left to what the samples say: a document's fields without its data (`doc` has
/// its number and subject then), its prompt without data where the run did not log it.
///
/// # Errors
/// When a record cannot be written as JSON.
pub fn lm_eval(run: &StoredRun, sources: &LmEvalSources) -> serde_json::Result<Vec<LmEvalFile>> {
    // `2024-06-18T09-05-03`: their file names have dashes for colons.
    let time = run.manifest.started.trim_end_matches('Z').replace(':', "-");
    let none = LmEvalTask::default();
    let mut files = Vec::new();
    for (system, entry) in run.systems.iter().zip(&run.manifest.systems) {
        let folder = &entry.folder;
        let asking = samples::Asking::new(run, system, sources);
        let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for task in &system.tasks {
            let source = sources.tasks.get(&task.entry.name).unwrap_or(&none);
            for (leaf, samples) in by_leaf(task, source) {
                lines.insert(leaf.name, samples::lines(&asking, task, source, &samples));
            }
        }
        let results = serde_json::to_string_pretty(&results::results(run, system, sources, &lines))? + "\n";
        files.push(LmEvalFile { path: format!("{folder}/results_{time}.json"), text: results });
        for (leaf, lines) in lines {
            let mut text = String::new();
            for line in lines {
                text.push_str(&serde_json::to_string(&line)?);
                text.push('\n');
            }
            files.push(LmEvalFile { path: format!("{folder}/samples_{leaf}_{time}.jsonl"), text });
        }
    }
    Ok(files)
}

/// A task's samples by subtask, in the order of the samples; those of a task without subjects under its own name.
fn by_leaf<'a>(task: &'a StoredTask, source: &LmEvalTask) -> Vec<(Leaf, Vec<&'a SampleRecord>)> {
    let mut leaves: Vec<(Leaf, Vec<&SampleRecord>)> = Vec::new();
    for sample in &task.samples {
        let leaf = leaf(task, source, sample.subject.as_deref());
        match leaves.iter_mut().find(|(known, _)| *known == leaf) {
            Some((_, samples)) => samples.push(sample),
            None => leaves.push((leaf, vec![sample])),
        }
    }
    leaves
}

/// The subtask of a subject: as the task's definition names it, or else as its aggregates do.
fn leaf(task: &StoredTask, source: &LmEvalTask, subject: Option<&str>) -> Leaf {
    if let (Some(outline), Some(_)) = (&source.outline, subject) {
        return outline.leaf(subject);
    }
    let Some(subject) = subject else { return Leaf { name: task.entry.name.clone(), alias: None } };
    let ending = format!("_{subject}");
    let aggregates = task.results.aggregates.iter();
    let named = aggregates.map(|aggregate| &aggregate.name).find(|name| name.ends_with(&ending));
    Leaf { name: named.cloned().unwrap_or_else(|| format!("{}{ending}", task.entry.name)), alias: None }
}
