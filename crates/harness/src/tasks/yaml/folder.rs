//! A folder of tasks' files: what each name stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::file::{YamlConfig, YamlReader, texts};
use super::translate::definition;
use crate::task::GroupWeighting;
use crate::tasks::definition::TaskDefinition;

/// Settings of groups; whatever else a group says is said to its tasks.
const OF_GROUPS: [&str; 6] = ["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"];

/// The tasks, groups and tags of folders of lm-evaluation-harness's form.
#[derive(Clone, Debug, Default)]
pub(in crate::tasks) struct YamlTasks {
    /// Why a task cannot be had, with its file.
    pub(in crate::tasks) refused: BTreeMap<String, (PathBuf, String)>,
    /// What a group or a tag is made of.
    pub(in crate::tasks) groups: BTreeMap<String, YamlGroup>,
}

/// A group or a tag.
#[derive(Clone, Debug, Default)]
pub(in crate::tasks) struct YamlGroup {
    /// The names of what it is made of. A task with settings of its group's is `GROUP::TASK`.
    pub(in crate::tasks) members: Vec<String>,
    /// How its figure is made of its tasks'; none where it has no figure.
    pub(in crate::tasks) weighting: Option<GroupWeighting>,
}

/// A file of a task or a group.
struct Entry {
    path: PathBuf,
    config: YamlConfig,
}

impl YamlTasks {
    /// Reads all `*.yaml` files under `folder`. Of tasks of one name the first counts. A file that is neither a task nor a
    /// group is passed over, as lm-evaluation-harness does: others may include it.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub(in crate::tasks) fn read(folder: &Path) -> std::io::Result<(Self, Vec<TaskDefinition>)> {
        let mut paths = Vec::new();
        walk(folder, &mut paths)?;
        paths.sort();
        let mut reader = YamlReader::default();
        let (mut tasks, mut groups): (BTreeMap<String, Entry>, BTreeMap<String, Entry>) = Default::default();
        let mut tags: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for path in paths {
            let config = match reader.load(&path) {
                Ok(config) => config,
                Err(reason) => {
                    tracing::debug!(reason, "passed over a file");
                    continue;
                }
            };
            let named = |key: &str| config.get(key).and_then(Json::as_str).map(str::to_owned);
            // A task in Python may say a group, too.
            let (entries, name) = match (config.contains_key("class"), named("group"), named("task")) {
                (true, _, Some(task)) | (false, None, Some(task)) => (&mut tasks, task),
                (false, Some(group), _) => (&mut groups, group),
                _ => continue,
            };
            if entries.contains_key(&name) {
                tracing::warn!(name, file = %path.display(), "passed over a second task of this name");
                continue;
            }
            for tag in texts(config.get("tag").cloned().unwrap_or_default()) {
                tags.entry(tag).or_default().insert(name.clone());
            }
            entries.insert(name, Entry { path, config });
        }
        let mut folder = Folder { tasks: &tasks, groups: &groups, read: Self::default(), definitions: Vec::new() };
        for (name, entry) in &tasks {
            folder.add(name, &entry.path, &entry.config);
        }
        for (name, members) in tags {
            folder.read.groups.insert(name, YamlGroup { members: members.into_iter().collect(), weighting: None });
        }
        for (name, entry) in &groups {
            folder.group(name, entry, &YamlConfig::new());
        }
        Ok((folder.read, folder.definitions))
    }

    /// Adds those of another folder, which go before these.
    pub(in crate::tasks) fn extend(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.groups.extend(other.groups);
    }
}

/// A folder being read.
struct Folder<'a> {
    tasks: &'a BTreeMap<String, Entry>,
    groups: &'a BTreeMap<String, Entry>,
    read: YamlTasks,
    definitions: Vec<TaskDefinition>,
}

impl Folder<'_> {
    fn add(&mut self, name: &str, path: &Path, config: &YamlConfig) {
        match definition(name, path, config) {
            Ok(found) => self.definitions.push(found),
            Err(reason) => self.refuse(name, path, reason),
        }
    }

    fn refuse(&mut self, name: &str, path: &Path, reason: String) {
        self.read.refused.insert(name.to_owned(), (path.to_owned(), reason));
    }

    /// Adds a group, where `said` is said to its tasks by a group around it.
    fn group(&mut self, group: &str, entry: &Entry, said: &YamlConfig) {
        let members = self.members(group, entry, said);
        let weighting = weighting(entry.config.get("aggregate_metric_list"));
        self.read.groups.insert(group.to_owned(), YamlGroup { members, weighting });
    }

    fn members(&mut self, group: &str, entry: &Entry, said: &YamlConfig) -> Vec<String> {
        let own = entry.config.iter().filter(|(name, _)| !OF_GROUPS.contains(&name.as_str()));
        let said: YamlConfig = own.chain(said).map(|(name, value)| (name.clone(), value.clone())).collect();
        let items = match entry.config.get("task") {
            Some(Json::Array(items)) => items.clone(),
            Some(name @ Json::String(_)) => vec![name.clone()],
            _ => Vec::new(),
        };
        items.iter().flat_map(|item| self.member(group, entry, item, &said)).collect()
    }

    fn member(&mut self, group: &str, entry: &Entry, item: &Json, said: &YamlConfig) -> Vec<String> {
        let fields = match item {
            Json::String(name) => YamlConfig::from_iter([("task".to_owned(), name.clone().into())]),
            Json::Object(fields) => fields.clone(),
            _ => YamlConfig::new(),
        };
        let named = |key: &str| fields.get(key).and_then(Json::as_str);
        let with = |key: &str| {
            let own = fields.iter().filter(|(name, _)| *name != key);
            said.iter().chain(own).map(|(name, value)| (name.clone(), value.clone())).collect::<YamlConfig>()
        };
        if let Some(name) = named("group") {
            let settings = with("group");
            let own = format!("{group}::{name}");
            match self.groups.get(name) {
                Some(_) if !has_settings(&settings) => return vec![name.to_owned()],
                Some(known) => self.group(&own, known, &settings),
                None => self.group(&own, &Entry { path: entry.path.clone(), config: fields.clone() }, said),
            }
            return vec![own];
        }
        let Some(name) = named("task") else {
            let name = format!("{group}::?");
            self.refuse(&name, &entry.path, format!("{item} has neither `task` nor `group`"));
            return vec![name];
        };
        let settings = with("task");
        if !has_settings(&settings) {
            return vec![name.to_owned()];
        }
        let own = format!("{group}::{name}");
        if let Some(known) = self.groups.get(name) {
            self.group(&own, known, &settings);
            return vec![own];
        }
        let none = YamlConfig::new();
        let (path, config) = match self.tasks.get(name) {
            Some(base) => (&base.path, base.config.iter().chain(&settings)),
            None => (&entry.path, settings.iter().chain(&none)),
        };
        let config: YamlConfig = config.map(|(name, value)| (name.clone(), value.clone())).collect();
        self.add(&own, path, &config);
        vec![own]
    }
}

/// How a group says that its figure is made. Its metrics are its tasks' primary ones here, and one way stands for all.
fn weighting(listed: Option<&Json>) -> Option<GroupWeighting> {
    let first = match listed? {
        Json::Array(listed) => listed.first()?,
        one => one,
    };
    let is_by_size = first.get("weight_by_size").and_then(Json::as_bool).unwrap_or(true);
    Some(if is_by_size { GroupWeighting::BySize } else { GroupWeighting::Equal })
}

/// Whether anything is said that makes another task of a task.
fn has_settings(said: &YamlConfig) -> bool {
    said.keys().any(|name| {
        !matches!(name.as_str(), "task_alias" | "group_alias" | "aggregate_metric_list" | "metadata" | "tag")
    })
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let (path, name) = (entry.path(), entry.file_name());
        if path.is_dir() {
            if !["__pycache__", ".ipynb_checkpoints"].iter().any(|ignored| name == *ignored) {
                walk(&path, files)?;
            }
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}
