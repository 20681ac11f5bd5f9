//! A folder of tasks' files: what each name stands for.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::file::{Config, YamlReader, texts};
use super::translate::definition;
use crate::tasks::definition::TaskDefinition;

/// Settings of groups; whatever else a group says is said to its tasks.
const OF_GROUPS: [&str; 6] = ["group", "group_alias", "task", "aggregate_metric_list", "metadata", "tag"];

/// The tasks, groups and tags of folders of lm-evaluation-harness's form.
#[derive(Clone, Debug, Default)]
pub(in crate::tasks) struct YamlTasks {
    /// Why a task cannot be had, with its file.
    pub(in crate::tasks) refused: BTreeMap<String, (PathBuf, String)>,
    /// What a group or a tag is made of.
    pub(in crate::tasks) groups: BTreeMap<String, Vec<Member>>,
}

/// A part of a group.
#[derive(Clone, Debug)]
pub(in crate::tasks) enum Member {
    /// What has this name.
    Named(String),
    /// A task with settings of the group's.
    Own(Box<TaskDefinition>),
    /// A task with settings of the group's that cannot be had: its name, and why.
    Refused(String, String),
}

/// A file of a task or a group.
struct Entry {
    path: PathBuf,
    config: Config,
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
        let mut read = Self::default();
        let mut definitions = Vec::new();
        for (name, entry) in &tasks {
            match definition(name, &entry.path, &entry.config) {
                Ok(found) => definitions.push(found),
                Err(reason) => {
                    read.refused.insert(name.clone(), (entry.path.clone(), reason));
                }
            }
        }
        for (name, members) in tags {
            read.groups.insert(name, members.into_iter().map(Member::Named).collect());
        }
        let files = Files { tasks: &tasks, groups: &groups };
        for (name, entry) in &groups {
            read.groups.insert(name.clone(), files.members(name, entry, &Config::new()));
        }
        Ok((read, definitions))
    }

    /// Adds those of another folder, which go before these.
    pub(in crate::tasks) fn extend(&mut self, other: Self) {
        self.refused.extend(other.refused);
        self.groups.extend(other.groups);
    }
}

struct Files<'a> {
    tasks: &'a BTreeMap<String, Entry>,
    groups: &'a BTreeMap<String, Entry>,
}

impl Files<'_> {
    /// What a group is made of, where `said` is said to its tasks by a group around it.
    fn members(&self, group: &str, entry: &Entry, said: &Config) -> Vec<Member> {
        let own = entry.config.iter().filter(|(name, _)| !OF_GROUPS.contains(&name.as_str()));
        let said: Config = own.chain(said).map(|(name, value)| (name.clone(), value.clone())).collect();
        let items = match entry.config.get("task") {
            Some(Json::Array(items)) => items.clone(),
            Some(name @ Json::String(_)) => vec![name.clone()],
            _ => Vec::new(),
        };
        items.iter().flat_map(|item| self.item(group, entry, item, &said)).collect()
    }

    fn item(&self, group: &str, entry: &Entry, item: &Json, said: &Config) -> Vec<Member> {
        let fields = match item {
            Json::String(name) => Config::from_iter([("task".to_owned(), name.clone().into())]),
            Json::Object(fields) => fields.clone(),
            other => return vec![Member::Refused(group.to_owned(), format!("it has the part {other}"))],
        };
        if let Some(name) = fields.get("group").and_then(Json::as_str) {
            let mut said = said.clone();
            if let Some(known) = self.groups.get(name) {
                said.extend(
                    fields.iter().filter(|(key, _)| *key != "group").map(|(key, value)| (key.clone(), value.clone())),
                );
                return if has_settings(&said) {
                    self.members(name, known, &said)
                } else {
                    vec![Member::Named(name.to_owned())]
                };
            }
            let inline = Entry { path: entry.path.clone(), config: fields.clone() };
            return self.members(name, &inline, &said);
        }
        let Some(name) = fields.get("task").and_then(Json::as_str) else {
            return vec![Member::Refused(group.to_owned(), "it has a part with neither `task` nor `group`".to_owned())];
        };
        let mut settings = said.clone();
        settings
            .extend(fields.iter().filter(|(key, _)| *key != "task").map(|(key, value)| (key.clone(), value.clone())));
        if !has_settings(&settings) {
            return vec![Member::Named(name.to_owned())];
        }
        if let Some(known) = self.groups.get(name) {
            return self.members(name, known, &settings);
        }
        let (name, path, config) = match self.tasks.get(name) {
            Some(base) => {
                let mut config = base.config.clone();
                config.extend(settings);
                (name.to_owned(), &base.path, config)
            }
            None => (format!("{group}::{name}"), &entry.path, settings),
        };
        vec![match definition(&name, path, &config) {
            Ok(own) => Member::Own(Box::new(own)),
            Err(reason) => Member::Refused(name, reason),
        }]
    }
}

/// Whether anything is said that makes another task of a task.
fn has_settings(said: &Config) -> bool {
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
