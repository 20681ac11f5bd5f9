//! A run as files.

use std::collections::BTreeMap;

use serde_json::Value;

use super::leaves::by_leaf;
use super::{results, samples};
use crate::export::asked::AskedSystem;
use crate::export::file::ExportedFile;
use crate::export::sources::{ExportSources, TaskSources};
use crate::results::StoredRun;

/// A run as lm-evaluation-harness would have written it, a system standing for a model.
///
/// What is not to be found is `null`, or left to what the samples say: a document's fields without its data (`doc` has
/// its number and subject then), its prompt without data where the run did not log it.
///
/// # Errors
/// When a record cannot be written as JSON.
pub fn lm_eval(run: &StoredRun, sources: &ExportSources) -> serde_json::Result<Vec<ExportedFile>> {
    // `2024-06-18T09-05-03`: their file names have dashes for colons.
    let time = run.manifest.started.trim_end_matches('Z').replace(':', "-");
    let none = TaskSources::default();
    let mut files = Vec::new();
    for (system, entry) in run.systems.iter().zip(&run.manifest.systems) {
        let folder = &entry.folder;
        let asking = AskedSystem::new(run, system, sources);
        let mut lines: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        for task in &system.tasks {
            let source = sources.tasks.get(&task.entry.name).unwrap_or(&none);
            for (leaf, samples) in by_leaf(task, source) {
                lines.insert(leaf.name, samples::lines(run, &asking, task, source, &samples));
            }
        }
        let results = serde_json::to_string_pretty(&results::results(run, system, sources, &lines))? + "\n";
        files.push(ExportedFile::text(format!("{folder}/results_{time}.json"), results));
        for (leaf, lines) in lines {
            let mut text = String::new();
            for line in lines {
                text.push_str(&serde_json::to_string(&line)?);
                text.push('\n');
            }
            files.push(ExportedFile::text(format!("{folder}/samples_{leaf}_{time}.jsonl"), text));
        }
    }
    Ok(files)
}
