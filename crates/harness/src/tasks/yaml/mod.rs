//! Tasks as lm-evaluation-harness writes them: YAML files that include one another, groups and tags.
//!
//! Source: lm-evaluation-harness 0.4.13, `lm_eval/tasks/_yaml_loader.py`, `_index.py`, `_factory.py`,
//! `lm_eval/config/task.py`.

mod file;
mod folder;
mod functions;
mod scoring;
mod settings;
mod translate;

pub(super) use folder::{YamlGroup, YamlTasks};
