//! Where the recordings are.

use std::fs;
use std::path::{Path, PathBuf};

use gac_harness::DataSource;
use serde_json::Value;

/// The folder with recordings and data; `None` (and a note) where there is none.
pub(crate) fn shared() -> Option<PathBuf> {
    let folder = std::env::var_os("GAC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    if folder.join("goldens").is_dir() && folder.join("datasets").is_dir() {
        return Some(folder);
    }
    eprintln!("skipped: no goldens under {}", folder.display());
    None
}

/// The lines of a recording of release 0.4.13.
pub(crate) fn lines(shared: &Path, file: &str) -> Vec<Value> {
    let path = shared.join("goldens/lm_eval_0.4.13").join(file);
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
