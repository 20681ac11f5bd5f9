//! A run of another harness, written as one of ours.

use std::path::Path;

use super::error::ImportError;
use super::lm_eval::LmEvalRun;
use super::manifest::manifest;
use super::records::{records, results};
use super::tasks::{ImportOptions, grouped, primary};
use crate::MetricKey;
use crate::report::{self, Leaderboard};
use crate::results::{Contents, RESULTS, RunFolder, SAMPLES, StoredRun, StoredSystem, check_folder};

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
        let systems: Vec<_> = stored.systems.iter().map(StoredSystem::results).collect();
        if let Ok(leaderboard) = Leaderboard::new(&systems) {
            RunFolder::write_text(&output.join("leaderboard.md"), &report::markdown(&leaderboard))?;
        }
    }
    Ok(summary)
}
