//! What lm-evaluation-harness writes with `--log_samples`: `results_<time>.json` and `samples_<task>_<time>.jsonl`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value};

use super::error::ImportError;

/// A run of lm-evaluation-harness (0.4.5 and later).
#[derive(Debug)]
pub struct LmEvalRun {
    /// The file of its results.
    pub path: PathBuf,
    pub(super) results: LmEvalResults,
    /// The lines of every task that has samples, in the order of the results.
    pub(super) samples: Vec<(String, Vec<LmEvalSample>)>,
}

/// `results_<time>.json`, as far as it matters here.
#[derive(Debug, Deserialize)]
pub(super) struct LmEvalResults {
    /// Figures by task and group, `metric,filter` among them.
    pub(super) results: Map<String, Value>,
    #[serde(default)]
    pub(super) group_subtasks: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    pub(super) versions: BTreeMap<String, Value>,
    #[serde(default, rename = "n-shot")]
    pub(super) shots: BTreeMap<String, Value>,
    #[serde(default)]
    pub(super) higher_is_better: BTreeMap<String, BTreeMap<String, Option<bool>>>,
    /// Seconds since 1970.
    pub(super) date: Option<f64>,
    pub(super) model_name: Option<String>,
    pub(super) model_source: Option<String>,
}

/// A line of `samples_<task>_<time>.jsonl`: a document under one filter.
#[derive(Debug, Deserialize)]
pub(super) struct LmEvalSample {
    pub(super) doc_id: usize,
    #[serde(default)]
    pub(super) target: Value,
    #[serde(default)]
    pub(super) resps: Value,
    #[serde(default)]
    pub(super) filtered_resps: Value,
    #[serde(default = "no_filter")]
    pub(super) filter: String,
    /// Names of metrics, whose values are fields of the line.
    #[serde(default)]
    pub(super) metrics: Vec<String>,
    pub(super) doc_hash: String,
    pub(super) prompt_hash: String,
    #[serde(flatten)]
    pub(super) fields: Map<String, Value>,
}

fn no_filter() -> String {
    "none".to_owned()
}

impl LmEvalSample {
    /// A metric's value, where it is a number.
    pub(super) fn value(&self, metric: &str) -> Option<f64> {
        match self.fields.get(metric)? {
            Value::Bool(right) => Some(f64::from(u8::from(*right))),
            other => other.as_f64(),
        }
    }
}

impl LmEvalRun {
    /// Reads the run in `folder`, or in a folder in it (they name one after the model); the newest where there are several.
    ///
    /// # Errors
    /// When there is none, or a file cannot be read.
    pub fn read(folder: &Path) -> Result<Self, ImportError> {
        let nothing = |what: &str| ImportError::Nothing { folder: folder.to_path_buf(), what: what.to_owned() };
        let mut found = named(folder, "results_", ".json")?;
        if found.is_empty() {
            for inner in entries(folder)?.into_iter().filter(|path| path.is_dir()) {
                found.extend(named(&inner, "results_", ".json")?);
            }
        }
        // Times are written so that their order is that of texts.
        let (time, path) = found.into_iter().max().ok_or_else(|| nothing("results_*.json"))?;
        let text = fs::read(&path).map_err(|source| ImportError::Read { path: path.clone(), source })?;
        let results: LmEvalResults = serde_json::from_slice(&text).map_err(|source| ImportError::Line {
            path: path.clone(),
            line: source.line(),
            source,
        })?;
        let beside = path.parent().unwrap_or(folder);
        let files: BTreeMap<String, PathBuf> = named(beside, "samples_", ".jsonl")?
            .into_iter()
            .filter_map(|(name, path)| Some((name.strip_suffix(&format!("_{time}"))?.to_owned(), path)))
            .collect();
        let mut samples = Vec::new();
        for task in results.results.keys() {
            if let Some(path) = files.get(task) {
                samples.push((task.clone(), lines(path)?));
            }
        }
        if samples.is_empty() {
            return Err(nothing(&format!("samples_*_{time}.jsonl")));
        }
        Ok(Self { path, results, samples })
    }
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let read = fs::read_dir(folder).and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect());
    read.map_err(|source| ImportError::Read { path: folder.to_path_buf(), source })
}

/// Files by what stands between a beginning and an ending of their names.
fn named(folder: &Path, begins: &str, ends: &str) -> Result<Vec<(String, PathBuf)>, ImportError> {
    let name = |path: PathBuf| {
        let name = path.file_name()?.to_str()?;
        Some((name.strip_prefix(begins)?.strip_suffix(ends)?.to_owned(), path))
    };
    Ok(entries(folder)?.into_iter().filter_map(name).collect())
}

fn lines(path: &Path) -> Result<Vec<LmEvalSample>, ImportError> {
    let text = fs::read_to_string(path).map_err(|source| ImportError::Read { path: path.to_path_buf(), source })?;
    let line = |(number, line): (usize, &str)| {
        serde_json::from_str(line).map_err(|source| ImportError::Line {
            path: path.to_path_buf(),
            line: number + 1,
            source,
        })
    };
    text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).map(line).collect()
}
