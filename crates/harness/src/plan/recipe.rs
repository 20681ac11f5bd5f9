//! The recipe file, as written.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use gac_systems::{ModelSpec, RecipeError, SystemSpec, SystemsSpec, parse_toml, read_toml};
use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};

use crate::tasks::Limit;

/// Models, systems, tasks and limits: one run, as a TOML file or a command line states it.
///
/// Nothing is decided or checked here; [`Plan::resolve`](super::Plan::resolve) does both. The command line builds the
/// same value from its flags, so that both ways meet the same rules.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recipe {
    /// The run's name, where it is not that of the recipe's file.
    pub name: Option<String>,
    /// Models, and what is evaluated, in the order of the leaderboard's rows.
    pub specs: SystemsSpec,
    /// What it is evaluated on, in the order of the leaderboard's columns.
    pub tasks: Vec<TaskSpec>,
    /// Folder laid out as the hub is; without it, data come from the hub.
    pub data_dir: Option<PathBuf>,
    /// Documents per task (per subject, where a task has subjects), for tasks without their own limit.
    pub limit: Option<Limit>,
    /// Times that each document is asked by tasks that do not say; once when absent.
    pub repeats: Option<usize>,
    /// What draws of tokens depend on, for generation settings that do not say.
    pub seed: Option<u64>,
    /// What draws of shots depend on; lm-evaluation-harness's default when absent.
    pub fewshot_seed: Option<u64>,
    /// Most samples in flight at once.
    pub batch_size: Option<usize>,
    /// The run's folder.
    pub output: Option<PathBuf>,
    /// Whether sample records carry their prompts.
    pub log_samples: Option<bool>,
    /// Whether sample records carry every step of a generated response.
    pub trace: Option<bool>,
}

/// Every key that a recipe may have.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct RecipeKeys {
    name: Option<String>,
    #[serde(default)]
    models: BTreeMap<String, ModelSpec>,
    #[serde(default)]
    systems: Vec<SystemSpec>,
    #[serde(default)]
    tasks: Vec<TaskSpec>,
    #[serde(alias = "data_dir")]
    data_dir: Option<PathBuf>,
    limit: Option<Limit>,
    repeats: Option<usize>,
    seed: Option<u64>,
    #[serde(alias = "fewshot_seed")]
    fewshot_seed: Option<u64>,
    #[serde(alias = "batch_size")]
    batch_size: Option<usize>,
    output: Option<PathBuf>,
    #[serde(alias = "log_samples")]
    log_samples: Option<bool>,
    trace: Option<bool>,
}

/// A task: a plain name, or a table with settings of its own.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TaskSpec {
    /// lm-evaluation-harness's name.
    pub name: String,
    /// Shots in front of every prompt; the task's own number when absent.
    pub num_fewshot: Option<usize>,
    /// Documents to evaluate; the recipe's limit when absent.
    pub limit: Option<Limit>,
    /// Times that each document is asked; the recipe's number when absent.
    pub repeats: Option<usize>,
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a recipe: then with the line and the column.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        Ok(Self::of(read_toml(path)?, path))
    }

    /// Parses the text of a recipe that lies, or would lie, at `path`.
    ///
    /// # Errors
    /// When the text is not TOML, or has a key that recipes do not know.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        Ok(Self::of(parse_toml(text, path)?, path))
    }

    fn of(written: RecipeKeys, path: &Path) -> Self {
        let RecipeKeys {
            name,
            models,
            systems,
            tasks,
            data_dir,
            limit,
            repeats,
            seed,
            fewshot_seed,
            batch_size,
            output,
            ..
        } = written;
        Self {
            name,
            specs: SystemsSpec { path: Some(path.to_path_buf()), models, systems },
            tasks,
            data_dir,
            limit,
            repeats,
            seed,
            fewshot_seed,
            batch_size,
            output,
            log_samples: written.log_samples,
            trace: written.trace,
        }
    }
}

// An untagged enum would lose the place of an unknown key; this keeps it.
impl<'de> Deserialize<'de> for TaskSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        struct Table {
            name: String,
            #[serde(alias = "num_fewshot")]
            num_fewshot: Option<usize>,
            limit: Option<Limit>,
            repeats: Option<usize>,
        }

        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = TaskSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a task's name or a table { name, num-fewshot, limit, repeats }")
            }

            fn visit_str<E>(self, name: &str) -> Result<TaskSpec, E> {
                Ok(TaskSpec { name: name.to_owned(), ..TaskSpec::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TaskSpec, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                let Table { name, num_fewshot, limit, repeats } = table;
                Ok(TaskSpec { name, num_fewshot, limit, repeats })
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}
