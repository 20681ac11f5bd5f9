//! A run as logs.

use serde_json::Value;

use super::archive::Archive;
use super::header::LogHeader;
use super::sample::{self, SampleWriter};
use super::sample_id;
use super::score;
use crate::export::asked::{AskedDocuments, AskedSystem};
use crate::export::error::ExportError;
use crate::export::file::ExportedFile;
use crate::export::sources::{ExportSources, TaskSources};
use crate::results::{StoredRun, StoredSystem, StoredTask};

/// A run as inspect_ai's logs, one by one: a log per system and task, a system standing for a model.
///
/// Scores have the leaderboard's names (`exact_match,strict-match`), times that a document was asked are epochs, choices have
/// their log-likelihoods in a sample's metadata, and a document that failed is a sample with an error. What is not to be found
/// is left out: prompts without their data where the run did not log them.
pub fn inspect<'a>(
    run: &'a StoredRun,
    sources: &'a ExportSources,
) -> impl Iterator<Item = Result<ExportedFile, ExportError>> + 'a {
    let systems = run.systems.iter().zip(&run.manifest.systems);
    systems.flat_map(move |(system, entry)| {
        system.tasks.iter().map(move |task| log(run, system, entry.identity.as_str(), task, sources))
    })
}

fn log(
    run: &StoredRun,
    system: &StoredSystem,
    identity: &str,
    task: &StoredTask,
    sources: &ExportSources,
) -> Result<ExportedFile, ExportError> {
    let none = TaskSources::default();
    let source = sources.tasks.get(&task.entry.name).unwrap_or(&none);
    let asking = AskedSystem::new(run, system, sources);
    // Theirs are named `provider/model`.
    let model = format!("gac/{}", system.name);
    let documents = AskedDocuments::new(source);
    let writer = SampleWriter { task, asking: &asking, source, documents, model: &model };
    let header = LogHeader { run, system, identity, writer: &writer };

    let mut archive = Archive::new();
    archive.add("_journal/start.json", &header.start())?;
    let mut summaries = Vec::with_capacity(task.samples.len());
    for record in &task.samples {
        let sample = writer.sample(record);
        archive.add(&sample_id::file(record), &sample)?;
        summaries.push(sample::summary(&sample));
    }
    archive.add("summaries.json", &Value::Array(summaries))?;
    if let Some(reductions) = score::reductions(task) {
        archive.add("reductions.json", &reductions)?;
    }
    archive.add("header.json", &header.header())?;
    Ok(ExportedFile { path: header.file(), bytes: archive.finish()? })
}
