//! Where the recordings are.

use std::fs;
use std::path::{Path, PathBuf};

use gac_harness::tasks::TaskDefinition;
use gac_harness::{DataSource, LoadedTask, TaskOptions, TaskRegistry};
use gac_needs::folder;
use serde_json::Value;

/// What a version of lm-evaluation-harness made of documents.
pub(crate) struct Recordings {
    /// The version.
    pub(crate) name: &'static str,
    /// Where prompts and, in `scoring`, scores are recorded.
    folder: PathBuf,
    /// The documents.
    data: PathBuf,
    /// What the names of our tasks end in.
    suffix: &'static str,
    tasks: TaskRegistry,
}

/// Release 0.4.13 on the real data sets.
pub(crate) fn release() -> Recordings {
    shared("0.4.13", "lm_eval_0.4.13", "")
}

/// The paper's commit on the real data sets.
pub(crate) fn papers_commit() -> Recordings {
    shared("9e6e240", "lm_eval_9e6e240", "@9e6e240")
}

fn shared(name: &'static str, folder: &str, suffix: &'static str) -> Recordings {
    let shared = folder!(shared);
    let (folder, data) = (shared.join("goldens").join(folder), shared.join("datasets"));
    Recordings { name, folder, data, suffix, tasks: TaskRegistry::built_in() }
}

/// Release 0.4.13 on documents of our own, in the repository: those of the miniature data sets, or those that
/// `scripts/lm_eval/goldens.py` made up.
pub(crate) fn own(miniature: bool) -> Recordings {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folder = root.join("tests/fixtures/lm_eval");
    let made_up = folder.join("data");
    let tasks = TaskRegistry::with_folders(&[made_up.join("own/tasks")]).unwrap();
    let data = if miniature { root.join("../../datasets/mini") } else { made_up };
    Recordings { name: "0.4.13, own documents", folder, data, suffix: "", tasks }
}

impl Recordings {
    /// Our name of a task.
    pub(crate) fn task(&self, name: &str) -> String {
        format!("{name}{}", self.suffix)
    }

    /// Names of the recordings, directly in the folder or in `under`.
    pub(crate) fn names(&self, under: &str) -> Vec<String> {
        let folder = self.folder.join(under);
        let mut names: Vec<String> = fs::read_dir(&folder)
            .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
            .map(|entry| entry.unwrap().file_name().into_string().unwrap())
            .filter_map(|name| name.strip_suffix(".jsonl").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    /// The lines of a recording.
    pub(crate) fn lines(&self, file: &str) -> Vec<Value> {
        let path = self.folder.join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Our task of this (our) name on the recordings' documents.
    pub(crate) fn load(&self, task: &str, options: &TaskOptions) -> LoadedTask {
        self.tasks.load(task, &DataSource::new(Some(self.data.clone())), options).unwrap()
    }

    /// The definition of our task of this (our) name.
    pub(crate) fn definition(&self, task: &str) -> &TaskDefinition {
        self.tasks.definition(task).unwrap()
    }
}

/// Subject and row of a recorded line.
pub(crate) fn key(line: &Value) -> (Option<String>, usize) {
    (line["subject"].as_str().map(str::to_owned), line["doc_id"].as_u64().unwrap() as usize)
}
