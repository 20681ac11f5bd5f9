//! What can be wrong with a task.

use std::path::PathBuf;

use crate::data::DataError;
use crate::python::PatternError;

/// A task could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// No task has this name.
    #[error("unknown task `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The task whose name is nearest.
        nearest: Option<String>,
    },
    /// Its data could not be read.
    #[error("failed to load the data of task `{task}`")]
    Data {
        /// The task.
        task: String,
        /// Why.
        #[source]
        source: DataError,
    },
    /// lm-evaluation-harness's task file could not be used.
    #[error("failed to read lm-evaluation-harness's task file {} of task `{task}`", path.display())]
    HarnessFile {
        /// The task.
        task: String,
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The evaluated split has no rows.
    #[error("task `{task}` has no documents: split `{split}` of `{dataset}` is empty")]
    Empty {
        /// The task.
        task: String,
        /// The data set.
        dataset: String,
        /// The split.
        split: String,
    },
    /// There are too few rows to take shots from.
    #[error("{task} has {available} rows to take few-shot examples from, but {needed} are needed for {shots} shots")]
    TooFewShots {
        /// The task or subtask.
        task: String,
        /// Rows there are.
        available: usize,
        /// Rows needed.
        needed: usize,
        /// Shots asked for.
        shots: usize,
    },
    /// A row does not fit the task's templates.
    #[error("{task}: row {row} of split `{split}` does not fit the task: {reason}")]
    Row {
        /// The task or subtask.
        task: String,
        /// The split.
        split: String,
        /// Row number, from 0 (within the subject, where the task has subjects).
        row: usize,
        /// What is wrong.
        reason: String,
    },
    /// A file with a definition, or a folder of them, could not be read.
    #[error("failed to read task definitions from {}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A file is no definition.
    #[error("{} is no task definition", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// A file names no task.
    #[error("{} is no task definition: it has no `name`", path.display())]
    NoName {
        /// The file.
        path: PathBuf,
    },
    /// Two definitions have the same name.
    #[error("{} defines task `{name}`, which {} already", path.display(), taken(other))]
    NameTaken {
        /// The name.
        name: String,
        /// The second file.
        path: PathBuf,
        /// The first file, and whether it is built in.
        other: (PathBuf, bool),
    },
    /// The definition itself is wrong.
    #[error("the definition of task `{task}` is wrong: {reason}")]
    Definition {
        /// The task.
        task: String,
        /// What is wrong.
        reason: String,
    },
    /// A pattern of the definition is no regular expression.
    #[error("the definition of task `{task}` is wrong")]
    Pattern {
        /// The task.
        task: String,
        /// Which.
        #[source]
        source: PatternError,
    },
}

impl TaskError {
    /// A way out, where one is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Unknown { nearest: Some(nearest), .. } => {
                Some(format!("did you mean `{nearest}`? `gac tasks list` shows all"))
            }
            Self::Unknown { nearest: None, .. } => Some("`gac tasks list` shows all".to_owned()),
            Self::Data { source, .. } => source.hint(),
            Self::HarnessFile { task, .. } => {
                Some(format!("`gac data fetch {task}` fetches it, to `--data-dir` if given"))
            }
            Self::TooFewShots { .. } => Some("`--num-fewshot` asks for fewer".to_owned()),
            Self::Parse { .. } | Self::NoName { .. } => {
                Some("`gac tasks show gsm8k` prints a definition with all its parts".to_owned())
            }
            Self::NameTaken { .. } => Some("a task may say `extends = \"NAME\"` under a name of its own".to_owned()),
            Self::Empty { .. }
            | Self::Row { .. }
            | Self::File { .. }
            | Self::Definition { .. }
            | Self::Pattern { .. } => None,
        }
    }
}

fn taken((path, built_in): &(PathBuf, bool)) -> String {
    if *built_in { "is built-in".to_owned() } else { format!("{} does", path.display()) }
}
