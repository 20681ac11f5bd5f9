//! Where the recordings are.

use std::fs;
use std::path::Path;

use gac_harness::DataSource;
use serde_json::Value;

/// A version of lm-evaluation-harness.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) name: &'static str,
    /// Its folder of recordings.
    folder: &'static str,
    /// What the names of our tasks end in.
    suffix: &'static str,
}

pub(crate) const VERSIONS: [Version; 2] = [
    Version { name: "0.4.13", folder: "lm_eval_0.4.13", suffix: "" },
    Version { name: "9e6e240", folder: "lm_eval_9e6e240", suffix: "@9e6e240" },
];

impl Version {
    pub(crate) fn task(self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }
}

/// Names of the recordings of a version, directly in its folder or in `under`.
pub(crate) fn recordings(shared: &Path, version: Version, under: &str) -> Vec<String> {
    let folder = shared.join("goldens").join(version.folder).join(under);
    let mut names: Vec<String> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
        .collect();
    names.sort();
    names
}

/// The lines of a recording.
pub(crate) fn lines(shared: &Path, version: Version, file: &str) -> Vec<Value> {
    let path = shared.join("goldens").join(version.folder).join(file);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

pub(crate) fn data(shared: &Path) -> DataSource {
    DataSource::new(Some(shared.join("datasets")))
}

/// Subject and row of a recorded line.
pub(crate) fn key(line: &Value) -> (Option<String>, usize) {
    (line["subject"].as_str().map(str::to_owned), line["doc_id"].as_u64().unwrap() as usize)
}
