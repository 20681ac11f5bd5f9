//! What can be wrong with a task.

use std::path::PathBuf;

use crate::data::DataError;
use crate::python::PatternError;

/// Settings that ask for draws and do not say how.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`do_sample` is true, and the temperature 0")]
pub struct NoTemperature;

/// A task could not be loaded.
#[derive(Debug, thiserror::Error)]
pub enum TaskError {
    /// No task has this name.
    #[error("unknown task `{name}`")]
    Unknown {
        /// The name asked for.
        name: String,
        /// The task, group or subtask whose name is nearest.
        nearest: Option<String>,
    },
    /// No name fits a pattern.
    #[error("no task's name fits `{pattern}`{}", near(nearest))]
    NoMatch {
        /// The pattern.
        pattern: String,
        /// Names like it, the nearest one first.
        nearest: Vec<String>,
    },
    /// A pattern that is none.
    #[error("`{pattern}` is no pattern of names: {reason}")]
    NamePattern {
        /// What was given.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// A name stands for several tasks where one is wanted.
    #[error("`{name}` stands for {} tasks, and one is wanted here", names.len())]
    Several {
        /// The tag or pattern.
        name: String,
        /// What it stands for.
        names: Vec<String>,
    },
    /// The same documents are asked for twice.
    #[error("task `{task}` is asked for twice with different settings, once as a part of `{other}`")]
    TwoSettings {
        /// The task, group or subtask.
        task: String,
        /// What has all of its documents.
        other: String,
    },
    /// Documents of a task that is not evaluated are picked.
    #[error("documents of `{name}` are picked, which is none of the tasks that are evaluated")]
    PickedElsewhere {
        /// The name.
        name: String,
        /// The tasks and subtasks that are.
        tasks: Vec<String>,
    },
    /// A document that is not there is picked.
    #[error("document {id} of `{task}` is picked, which has the documents 0 to {}", documents.saturating_sub(1))]
    NoDocument {
        /// The task or subtask.
        task: String,
        /// The number asked for.
        id: usize,
        /// How many documents there are.
        documents: usize,
    },
    /// Generation settings that ask for draws and do not say how.
    #[error("the generation settings of task `{task}` make no sense")]
    Decoding {
        /// The task.
        task: String,
        /// What is wrong.
        #[source]
        source: NoTemperature,
    },
    /// The data have no rows of a subject.
    #[error("`{task}` has no documents: split `{split}` of `{dataset}` has none of `{}`", subjects.join("`, `"))]
    NoSubject {
        /// The task.
        task: String,
        /// The data set.
        dataset: String,
        /// The split.
        split: String,
        /// The subjects asked for.
        subjects: Vec<String>,
        /// The subjects there are.
        available: Vec<String>,
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
    #[error("{} does not fit task `{task}`: {reason}", place_of_row(*row, split, file.as_ref()))]
    Row {
        /// The task or subtask.
        task: String,
        /// The split.
        split: String,
        /// Row number, from 0 (within the subject, where the task has subjects).
        row: usize,
        /// The file, and the row in it, from 0; none where there is no file.
        file: Option<(PathBuf, usize)>,
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
    /// A task of lm-evaluation-harness's form that cannot be had here.
    #[error("task `{name}` of {} cannot be evaluated: {reason}", path.display())]
    Refused {
        /// Its name.
        name: String,
        /// Its file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// A group or tag with parts that cannot be had here.
    #[error("`{group}` has {} that cannot be evaluated; the first is `{name}`: {reason}", parts(*refused, *members))]
    RefusedParts {
        /// The group or tag.
        group: String,
        /// Parts that cannot be had.
        refused: usize,
        /// All of its parts.
        members: usize,
        /// One of them.
        name: String,
        /// Why.
        reason: String,
    },
    /// A group that is a part of itself.
    #[error("the group `{group}` is a part of itself")]
    GroupInItself {
        /// The group.
        group: String,
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

fn parts(refused: usize, members: usize) -> String {
    format!("{refused} of {members} part{}", if members == 1 { "" } else { "s" })
}

fn near(names: &[String]) -> String {
    if names.is_empty() { String::new() } else { format!("; near it are `{}`", names.join("`, `")) }
}

fn place_of_row(row: usize, split: &str, file: Option<&(PathBuf, usize)>) -> String {
    match file {
        Some((file, row)) => format!("row {row} (from 0) of `{}`", file.display()),
        None => format!("row {row} (from 0) of split `{split}`"),
    }
}

fn taken((path, built_in): &(PathBuf, bool)) -> String {
    if *built_in { "is built-in".to_owned() } else { format!("{} does", path.display()) }
}
