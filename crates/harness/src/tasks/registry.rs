//! The tasks there are: built in, and users' own.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use glob::Pattern;
use include_dir::{Dir, File, include_dir};

use super::TaskError;
use super::categories::CATEGORIES;
use super::definition::{TaskDefinition, TaskKind};
use super::extend::{Source, resolve};
use super::load::{TaskOptions, load};
use super::outline::TaskOutline;
use super::rows::TaskRows;
use super::sections::needs;
use super::selection::{Selection, is_pattern, matching, named, names, parts};
use super::yaml::YamlTasks;
use crate::data::{DataSource, Dataset, Needs};
use crate::task::{LoadedTask, MetricKey};

/// The definitions that ship: a protocol's in a folder of its name, the release's directly under `tasks/`.
static DEFINITIONS: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/tasks");

static BUILT_IN: LazyLock<TaskRegistry> = LazyLock::new(|| {
    let protocols = DEFINITIONS.dirs().filter(|folder| !folder.path().ends_with(CATEGORIES));
    let folders = std::iter::once(&DEFINITIONS).chain(protocols);
    let sources = folders.flat_map(|folder| {
        let mut files: Vec<_> = folder.files().collect();
        files.sort_by_key(|file| file.path());
        files
    });
    let text = |file: &File| file.contents_utf8().expect("built-in definitions are UTF-8").to_owned();
    let sources = sources.map(|file| (file.path().to_owned(), text(file))).collect();
    TaskRegistry::default().with(sources).expect("built-in definitions are right; a test loads each of them")
});

/// All tasks that can be asked for.
#[derive(Clone, Debug, Default)]
pub struct TaskRegistry {
    sources: Vec<Source>,
    pub(super) tasks: Vec<TaskDefinition>,
    pub(super) yaml: YamlTasks,
}

/// A task in a list.
#[derive(Clone, Debug, serde::Serialize)]
pub struct TaskInfo<'a> {
    /// Its name.
    pub name: &'a str,
    /// One line about it.
    pub title: &'a str,
    /// The data set's hub id.
    pub dataset: &'a str,
    /// The data set's configuration; a template of `subject` where each subject has its own.
    pub config: &'a str,
    /// Whether a system continues the prompt or scores choices.
    pub kind: TaskKind,
    /// Shots unless asked otherwise.
    pub num_fewshot: usize,
    /// The metric that stands in leaderboards.
    pub primary: &'a MetricKey,
}

impl TaskRegistry {
    /// The built-in tasks.
    pub fn built_in() -> Self {
        BUILT_IN.clone()
    }

    /// The built-in tasks, those of every `*.toml` file in `folders`, and those of lm-evaluation-harness's form of every
    /// `*.yaml` file in and under them. The latter go before built-in ones of their names, as in lm-evaluation-harness.
    ///
    /// # Errors
    /// When a folder or file cannot be read, a `*.toml` file is no definition, or its name is taken. A `*.yaml` file that
    /// is no task, or none that can be had here, is an error when it is asked for.
    pub fn with_folders(folders: &[PathBuf]) -> Result<Self, TaskError> {
        let mut sources = Vec::new();
        for folder in folders {
            sources.extend(files(folder)?);
        }
        let mut registry = Self::built_in().with(sources)?;
        for folder in folders {
            let read = YamlTasks::read(folder);
            let (yaml, tasks) = read.map_err(|source| TaskError::File { path: folder.clone(), source })?;
            registry.add_yaml(yaml, tasks);
        }
        Ok(registry)
    }

    fn with(mut self, files: Vec<(PathBuf, String)>) -> Result<Self, TaskError> {
        let first = self.sources.len();
        for (path, text) in files {
            let source = Source::parse(path, &text)?;
            if let Some(other) = self.sources.iter().find(|other| other.name == source.name) {
                return Err(TaskError::NameTaken {
                    name: source.name,
                    path: source.path,
                    other: (other.path.clone(), self.sources.iter().position(|s| s.name == other.name) < Some(first)),
                });
            }
            self.sources.push(source);
        }
        for source in &self.sources[first..] {
            let definition = resolve(source, &self.sources)?;
            definition.check()?;
            self.tasks.push(definition);
        }
        Ok(self)
    }

    /// All tasks: built-in ones by protocol and name, then users' own.
    pub fn list(&self) -> Vec<TaskInfo<'_>> {
        self.tasks
            .iter()
            .map(|task| TaskInfo {
                name: &task.name,
                title: &task.title,
                dataset: &task.dataset.id,
                config: &task.dataset.config,
                kind: task.kind,
                num_fewshot: task.fewshot.built_in.unwrap_or(task.fewshot.default),
                primary: &task.primary,
            })
            .collect()
    }

    /// The names of a task's groups and subtasks, by which they can be asked for alone.
    ///
    /// # Errors
    /// When no task has this name.
    pub fn parts(&self, name: &str) -> Result<Vec<String>, TaskError> {
        Ok(parts(self.definition(name)?).into_iter().map(|(name, _)| name).collect())
    }

    /// The definition of a task, or of the task that a group or subtask is of.
    ///
    /// # Errors
    /// When nothing has this name.
    pub fn definition(&self, name: &str) -> Result<&TaskDefinition, TaskError> {
        Ok(self.find(name)?.definition)
    }

    /// The task, group or subtask of this name.
    pub(super) fn find(&self, name: &str) -> Result<Selection<'_>, TaskError> {
        let found = self.named(name)?;
        match <[_; 1]>::try_from(found) {
            Ok([one]) => Ok(one),
            Err(several) => Err(TaskError::Several {
                name: name.to_owned(),
                names: several.into_iter().map(|selection| selection.name).collect(),
            }),
        }
    }

    /// The tasks, groups and subtasks that a name, tag or pattern (of Python's `fnmatch`) stands for; never nothing.
    pub(crate) fn named(&self, name: &str) -> Result<Vec<Selection<'_>>, TaskError> {
        if let Some(task) = self.tasks.iter().find(|task| task.name == name) {
            return Ok(vec![Selection::whole(task)]);
        }
        if self.yaml.groups.contains_key(name) {
            let mut found = Vec::new();
            self.add_members(name, &mut Vec::new(), &mut found)?;
            return Ok(found);
        }
        if let Some((path, reason)) = self.yaml.refused.get(name) {
            return Err(TaskError::Refused { name: name.to_owned(), path: path.clone(), reason: reason.clone() });
        }
        let found = named(&self.tasks, name);
        if !found.is_empty() {
            return Ok(found);
        }
        if !is_pattern(name) {
            return Err(TaskError::Unknown { name: name.to_owned(), nearest: self.nearest(name).into_iter().next() });
        }
        let pattern = Pattern::new(name)
            .map_err(|error| TaskError::NamePattern { pattern: name.to_owned(), reason: error.msg.to_owned() })?;
        let found = matching(&self.tasks, &pattern);
        if found.is_empty() {
            return Err(TaskError::NoMatch { pattern: name.to_owned(), nearest: self.nearest(name) });
        }
        Ok(found)
    }

    /// How a task, group or subtask is made of groups and subtasks.
    ///
    /// # Errors
    /// When nothing has this name.
    pub fn outline(&self, name: &str) -> Result<TaskOutline, TaskError> {
        Ok(TaskOutline::new(&self.find(name)?))
    }

    /// Loads a task's documents and builds their prompts.
    ///
    /// # Errors
    /// When no task has this name, its data cannot be read, or its rows do not fit it.
    pub fn load(&self, name: &str, data: &DataSource, options: &TaskOptions) -> Result<LoadedTask, TaskError> {
        load(&self.find(name)?, data, options)
    }

    /// The rows of a task's documents with all of their columns, from data that are on this machine.
    ///
    /// # Errors
    /// When no task has this name, or its data are not here or cannot be read.
    pub fn rows(&self, name: &str, data: &DataSource) -> Result<TaskRows, TaskError> {
        TaskRows::read(&self.find(name)?, data)
    }

    /// What tasks read; all tasks for no names.
    ///
    /// # Errors
    /// When no task has one of these names.
    pub fn needs(&self, names: &[String]) -> Result<Needs, TaskError> {
        let mut selected = Vec::new();
        if names.is_empty() {
            selected.extend(self.tasks.iter().map(Selection::whole));
        }
        for name in names {
            selected.extend(self.named(name)?);
        }
        let mut all = Needs::default();
        for selection in &selected {
            let Needs { splits, sources } = needs(selection)?;
            all.splits.extend(splits);
            all.sources.extend(sources);
        }
        Ok(all)
    }

    /// The splits that a task reads: its documents', and its shots' if it has any.
    ///
    /// # Errors
    /// When no task has this name.
    pub fn splits(&self, name: &str, with_shots: bool) -> Result<Vec<(Dataset, String)>, TaskError> {
        let selection = self.find(name)?;
        let is_read = |split: &String| with_shots || *split == selection.definition.split;
        Ok(needs(&selection)?.splits.into_iter().filter(|(_, split)| is_read(split)).collect())
    }

    /// The files of lm-evaluation-harness that a task reads shots and descriptions from, by their place in a data folder.
    ///
    /// # Errors
    /// When no task has this name.
    pub fn task_files(&self, name: &str) -> Result<BTreeSet<String>, TaskError> {
        Ok(needs(&self.find(name)?)?.sources)
    }

    /// The names most like `name` (a pattern: like its letters), at most three, the nearest first.
    fn nearest(&self, name: &str) -> Vec<String> {
        let letters = name.replace(['*', '?', '[', ']', '!'], "");
        let all = self.tasks.iter().flat_map(names);
        // Another protocol is only meant by who says one.
        let mut near: Vec<(f64, String)> = all
            .filter(|known| known.contains('@') <= name.contains('@'))
            .map(|known| (strsim::jaro_winkler(&known, &letters), known))
            .filter(|(similarity, _)| *similarity > 0.75)
            .collect();
        near.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        near.truncate(3);
        near.into_iter().map(|(_, name)| name).collect()
    }
}

/// The `*.toml` files of a folder, in alphabetical order.
fn files(folder: &Path) -> Result<Vec<(PathBuf, String)>, TaskError> {
    let failed = |path: &Path, source| TaskError::File { path: path.to_owned(), source };
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(|source| failed(folder, source))? {
        let path = entry.map_err(|source| failed(folder, source))?.path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            paths.push(path);
        }
    }
    paths.sort();
    let read = |path: PathBuf| match fs::read_to_string(&path) {
        Ok(text) => Ok((path, text)),
        Err(source) => Err(failed(&path, source)),
    };
    paths.into_iter().map(read).collect()
}

/// All built-in tasks.
pub fn task_names() -> Vec<TaskInfo<'static>> {
    BUILT_IN.list()
}

/// A built-in task's definition.
///
/// # Errors
/// When no task has this name.
pub fn task_definition(name: &str) -> Result<&'static TaskDefinition, TaskError> {
    BUILT_IN.definition(name)
}

/// Loads a built-in task's documents and builds their prompts.
///
/// # Errors
/// As [`TaskRegistry::load`].
pub fn load_task(name: &str, data: &DataSource, options: &TaskOptions) -> Result<LoadedTask, TaskError> {
    BUILT_IN.load(name, data, options)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            fs::write(folder.path().join(name), text).unwrap();
        }
        folder
    }

    fn include(files: &[(&str, &str)]) -> Result<TaskRegistry, TaskError> {
        TaskRegistry::with_folders(&[folder(files).path().to_owned()])
    }

    #[test]
    fn an_unknown_task_suggests_the_nearest() {
        let error = task_definition("gms8k").unwrap_err();
        assert_eq!(error.to_string(), "unknown task `gms8k`");
        let nearest = |error| match error {
            TaskError::Unknown { nearest, .. } => nearest,
            other => panic!("{other}"),
        };
        assert_eq!(nearest(error).as_deref(), Some("gsm8k"));
        assert_eq!(nearest(task_definition("qqq").unwrap_err()), None);
    }

    #[test]
    fn every_built_in_definition_is_right() {
        for task in task_names() {
            task_definition(task.name).unwrap().check().unwrap();
        }
        for name in ["mmlu", "gsm8k", "gsm8k_cot", "arc_easy", "arc_challenge", "piqa", "triviaqa", "nq_open"] {
            task_definition(&format!("{name}@9e6e240")).unwrap();
        }
        for name in ["mmlu", "arc_challenge", "piqa", "gsm8k", "triviaqa", "nq_open"] {
            for protocol in ["deepen", "unite"] {
                task_definition(&format!("{name}@{protocol}")).unwrap();
            }
        }
    }

    #[test]
    fn a_definition_that_is_shown_defines_the_same_task() {
        for task in task_names() {
            let shown = task_definition(task.name).unwrap().to_toml().unwrap();
            let own = shown.replace(&format!("name = \"{}\"", task.name), "name = \"mine\"");
            let registry = include(&[("mine.toml", &own)]).unwrap();
            let again = registry.definition("mine").unwrap().to_toml().unwrap();
            assert_eq!(again, own, "{}", task.name);
        }
    }

    #[test]
    fn a_users_task_may_extend_a_built_in_one() {
        let mine = "name = \"mine\"\nextends = \"gsm8k\"\n[fewshot]\ndefault = 2\n[generation]\nmax_gen_toks = 9\n";
        let registry = include(&[("mine.toml", mine), ("notes.txt", "no task")]).unwrap();
        let task = registry.definition("mine").unwrap();
        assert_eq!((task.fewshot.default, task.fewshot.split.as_deref()), (2, Some("train")));
        assert_eq!(task.generation.as_ref().unwrap().max_gen_toks, Some(9));
        assert_eq!(task.generation.as_ref().unwrap().until.len(), 3, "what is not said stays");
        assert_eq!(registry.list().len(), task_names().len() + 1);
    }

    #[test]
    fn a_name_that_is_taken_is_refused() {
        let error = include(&[("mine.toml", "name = \"gsm8k\"\nextends = \"gsm8k_cot\"\n")]).unwrap_err();
        assert!(error.to_string().contains("task `gsm8k`"), "{error}");
        assert!(error.to_string().contains("built-in"), "{error}");
    }

    #[test]
    fn a_wrong_definition_names_its_file_and_what_is_wrong() {
        let unknown_key = "name = \"mine\"\nextends = \"gsm8k\"\n[prompt]\ntxt = \"Q\"\n";
        let message = |files: &[(&str, &str)]| {
            let error = include(files).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
            format!("{error}: {cause}")
        };
        let said = message(&[("mine.toml", unknown_key)]);
        assert!(said.contains("mine.toml") && said.contains("txt"), "{said}");
        let said = message(&[("mine.toml", "name = \"mine\"\nextends = \"zorb\"\n")]);
        assert!(said.contains("extends `zorb`"), "{said}");
        let said =
            message(&[("a.toml", "name = \"a\"\nextends = \"b\"\n"), ("b.toml", "name = \"b\"\nextends = \"a\"\n")]);
        assert!(said.contains("extends itself"), "{said}");
        let said = message(&[("mine.toml", "name = \"mine\"\nextends = \"gsm8k\"\n[primary]\nfilter = \"none\"\n")]);
        assert!(said.contains("`exact_match,none`"), "{said}");
    }
}
