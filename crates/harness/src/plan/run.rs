//! A recipe, resolved: what will be done.

use std::collections::BTreeSet;
use std::ops::Range;
use std::path::{Path, PathBuf};

use gac_systems::{DEFAULT_BATCH_SIZE, ModelPlan, SystemPlan, SystemsOverrides, SystemsPlan, any_path};
use serde::{Deserialize, Serialize};

use super::error::PlanError;
use super::recipe::{Recipe, TaskSpec};
use super::shard::Shard;
use crate::clock::Timestamp;
use crate::task::TaskGroup;
use crate::tasks::{DocumentPicks, GenerationOverrides, Limit};

/// What will be done: every default decided, every reference and every local path checked.
///
/// What only a task's definition knows (its number of shots, where the plan has none) is decided when it is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The recipe's name, or its file's without its ending; `eval` without a file.
    pub name: String,
    /// The recipe's file.
    #[serde(default, with = "any_path")]
    pub recipe: Option<PathBuf>,
    /// The models, by name.
    pub models: Vec<ModelPlan>,
    /// What is evaluated, in the order of the leaderboard's rows.
    pub systems: Vec<SystemPlan>,
    /// What it is evaluated on, in the order of the leaderboard's columns.
    pub tasks: Vec<TaskPlan>,
    /// Folders with task definitions of a user's own.
    #[serde(default, skip_serializing_if = "Vec::is_empty", with = "any_path")]
    pub include_path: Vec<PathBuf>,
    /// Folder laid out as the hub is; without it, data come from the hub.
    #[serde(default, with = "any_path")]
    pub data_dir: Option<PathBuf>,
    /// Most samples in flight at once.
    pub batch_size: usize,
    /// Whether sample records carry their prompts.
    pub log_samples: bool,
    /// Whether sample records carry every step of a generated response.
    #[serde(default)]
    pub trace: bool,
    /// Folder with responses that are kept across runs.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "any_path")]
    pub use_cache: Option<PathBuf>,
    /// Which part of the documents is evaluated; all of them when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard: Option<Shard>,
    /// The run's folder.
    #[serde(with = "any_path")]
    pub output: PathBuf,
}

/// A task of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskPlan {
    /// lm-evaluation-harness's name, of a task, a group or a subtask; before
    /// [`select_tasks`](Plan::select_tasks), a pattern of names too.
    pub name: String,
    /// Shots in front of every prompt; the task's own number when absent.
    pub num_fewshot: Option<usize>,
    /// Documents to evaluate (per subject, where the task has subjects); all when absent.
    pub limit: Option<Limit>,
    /// Times that each document is asked, where tokens are drawn.
    #[serde(default = "once", skip_serializing_if = "is_once")]
    pub repeats: usize,
    /// Documents to evaluate by their numbers, by (sub)task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<DocumentPicks>,
    /// Generation settings instead of the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_kwargs: Option<GenerationOverrides>,
    /// What draws of shots depend on; lm-evaluation-harness's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fewshot_seed: Option<u64>,
    /// The groups that it was asked for as a part of, the outermost first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<TaskGroup>,
}

fn once() -> usize {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_once(repeats: &usize) -> bool {
    *repeats == 1
}

/// What a command line says over a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Documents per task, over every limit of the recipe.
    pub limit: Option<Limit>,
    /// Times that each document is asked, over every number of the recipe.
    pub repeats: Option<usize>,
    /// Shots of every task.
    pub num_fewshot: Option<usize>,
    /// Generation settings of every task that generates.
    pub gen_kwargs: Option<GenerationOverrides>,
    /// Folders with task definitions of a user's own, relative to the current one.
    pub include_path: Vec<PathBuf>,
    /// The run's folder, relative to the current one.
    pub output: Option<PathBuf>,
    /// The data folder, relative to the current one.
    pub data_dir: Option<PathBuf>,
    /// Most samples in flight at once.
    pub batch_size: Option<usize>,
    /// Whether sample records carry their prompts.
    pub log_samples: Option<bool>,
    /// Whether sample records carry every step of a generated response.
    pub trace: Option<bool>,
    /// Folder with responses that are kept across runs, relative to the current one.
    pub use_cache: Option<PathBuf>,
    /// Which part of the documents is evaluated.
    pub shard: Option<Shard>,
    /// What is said of all models and systems.
    pub systems: SystemsOverrides,
}

impl Plan {
    /// Decides every default and checks everything a recipe says.
    ///
    /// Without an output, the run's folder is `results/<name>-<YYYYMMDD-HHMMSS>` (UTC) in the current folder.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(recipe: &Recipe, overrides: &Overrides) -> Result<Self, PlanError> {
        Self::resolve_at(recipe, overrides, Timestamp::now())
    }

    /// [`resolve`](Self::resolve), with the time that the default output folder is named after.
    ///
    /// # Errors
    /// As [`resolve`](Self::resolve).
    pub fn resolve_at(recipe: &Recipe, overrides: &Overrides, now: Timestamp) -> Result<Self, PlanError> {
        let folder = recipe.specs.folder();
        let stem = recipe.specs.path.as_deref().and_then(Path::file_stem);
        let name = recipe.name.clone().or_else(|| Some(stem?.to_string_lossy().into_owned()));
        let name = name.unwrap_or_else(|| "eval".to_owned());

        let SystemsPlan { models, systems } = SystemsPlan::resolve(&recipe.specs, &overrides.systems)?;
        let tasks = tasks(recipe, overrides)?;

        let data_dir = overrides.data_dir.clone().or_else(|| recipe.data_dir.as_ref().map(|dir| folder.join(dir)));
        if let Some(path) = data_dir.as_ref().filter(|path| !path.is_dir()) {
            return Err(PlanError::NoData { path: path.clone() });
        }
        let batch_size = overrides.batch_size.or(recipe.batch_size).unwrap_or(DEFAULT_BATCH_SIZE);
        if batch_size == 0 {
            return Err(PlanError::NoBatch);
        }
        let output = overrides
            .output
            .clone()
            .or_else(|| recipe.output.as_ref().map(|output| folder.join(output)))
            .unwrap_or_else(|| {
                // The shards of a run may start at the same moment.
                let part = overrides.shard.map(|shard| format!("-shard-{}-of-{}", shard.index(), shard.count()));
                Path::new("results").join(format!("{name}-{}{}", now.compact(), part.unwrap_or_default()))
            });

        Ok(Self {
            name,
            recipe: recipe.specs.path.clone(),
            models,
            systems,
            tasks,
            include_path: overrides.include_path.clone(),
            data_dir,
            batch_size,
            log_samples: overrides.log_samples.or(recipe.log_samples).unwrap_or(false),
            trace: overrides.trace.or(recipe.trace).unwrap_or(false),
            use_cache: overrides.use_cache.clone(),
            shard: overrides.shard,
            output,
        })
    }

    /// The same plan, but for the times that chats tell: those are found out when a run begins.
    #[must_use]
    pub fn without_times(mut self) -> Self {
        for chat in self.systems.iter_mut().filter_map(|system| system.settings.chat.as_mut()) {
            chat.time = None;
        }
        self
    }

    /// The systems in the order in which they are run, by their places: those of an axis together, the others one by one.
    /// With a batch size of 1, by which latencies are measured, all are run one by one.
    pub fn groups(&self) -> Vec<Range<usize>> {
        let together = |a: &SystemPlan, b: &SystemPlan| self.batch_size > 1 && a.differs_in_threshold_from(b);
        let mut start = 0;
        let groups = self.systems.chunk_by(together).map(|group| {
            start += group.len();
            start - group.len()..start
        });
        groups.collect()
    }

    /// The model called `name`.
    pub fn model(&self, name: &str) -> Option<&ModelPlan> {
        self.models.iter().find(|model| model.name == name)
    }
}

fn tasks(recipe: &Recipe, overrides: &Overrides) -> Result<Vec<TaskPlan>, PlanError> {
    if recipe.tasks.is_empty() {
        return Err(PlanError::NoTasks);
    }
    let mut seen = BTreeSet::new();
    let mut tasks = Vec::with_capacity(recipe.tasks.len());
    for TaskSpec { name, num_fewshot, limit, repeats } in &recipe.tasks {
        if name.trim().is_empty() {
            return Err(PlanError::EmptyName);
        }
        if !seen.insert(name) {
            return Err(PlanError::Duplicate { name: name.clone() });
        }
        let repeats = overrides.repeats.or(*repeats).or(recipe.repeats).unwrap_or(1);
        if repeats == 0 {
            return Err(PlanError::NoRepeats);
        }
        tasks.push(TaskPlan {
            repeats,
            name: name.clone(),
            num_fewshot: overrides.num_fewshot.or(*num_fewshot),
            limit: overrides.limit.or(*limit).or(recipe.limit),
            samples: None,
            gen_kwargs: overrides.gen_kwargs.clone().map(|settings| settings.with_seed(recipe.seed)),
            fewshot_seed: recipe.fewshot_seed,
            groups: Vec::new(),
        });
    }
    Ok(tasks)
}
