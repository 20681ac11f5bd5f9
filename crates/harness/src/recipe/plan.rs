//! A recipe, resolved: what will be done.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

use gac_inference::TemplateChoice;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device::RecipeDevice;
use super::error::PlanError;
use super::file::{Dtype, ModelSpec, Recipe, TaskSpec, ThinkEndToken};
use super::settings::SettingError;
use super::system::SystemPlan;
use crate::any_path;
use crate::clock::Timestamp;
use crate::tasks::{DocumentPicks, GenerationOverrides, Limit};

/// Samples in flight at once, where nobody says otherwise.
pub const DEFAULT_BATCH_SIZE: usize = 64;

/// What will be done: every default decided, every reference and every local path checked.
///
/// What only a task's definition knows (its number of shots, where the plan has none) is decided when it is loaded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The recipe's file name without its ending; `eval` without a file.
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
    /// The run's folder.
    #[serde(with = "any_path")]
    pub output: PathBuf,
}

/// A model of a plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelPlan {
    /// The name that systems call it.
    pub name: String,
    /// Where it comes from.
    pub source: ModelSource,
    /// The type to compute in; as stored when absent.
    pub dtype: Option<Dtype>,
    /// Where it computes; where the run says when absent.
    #[serde(default)]
    pub device: Option<RecipeDevice>,
    /// Which chat template it uses; its usual one when absent.
    #[serde(default, skip_serializing_if = "Option::is_none", with = "any_path")]
    pub chat_template: Option<TemplateChoice>,
    /// What its chat template is told by name, over what a system says.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub chat_template_args: Map<String, Value>,
    /// Whether prompts begin with begin-of-text; as its files say when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub add_bos: Option<bool>,
    /// What ends its reasoning; what its chat template names, where chats are made, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub think_end_token: Option<ThinkEndToken>,
}

/// Where a model comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModelSource {
    /// A local folder (or file).
    Path(#[serde(with = "any_path")] PathBuf),
    /// `org/name` or `org/name@revision` on the hub.
    Hub(String),
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
    /// Documents to evaluate by their numbers, by (sub)task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub samples: Option<DocumentPicks>,
    /// Generation settings instead of the task's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gen_kwargs: Option<GenerationOverrides>,
    /// What draws of shots depend on; lm-evaluation-harness's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fewshot_seed: Option<u64>,
}

/// What a command line says over a recipe.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Overrides {
    /// Documents per task, over every limit of the recipe.
    pub limit: Option<Limit>,
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
    /// The type every model computes in.
    pub dtype: Option<Dtype>,
    /// Whether sample records carry their prompts.
    pub log_samples: Option<bool>,
    /// Whether sample records carry every step of a generated response.
    pub trace: Option<bool>,
    /// What all chat templates are told by name, over what the recipe says of systems.
    pub chat_template_args: Map<String, Value>,
}

/// The models and systems of a recipe, without tasks: enough to ask them something.
#[derive(Clone, Debug, PartialEq)]
pub struct Systems {
    /// The models, by name.
    pub models: Vec<ModelPlan>,
    /// The systems, in order.
    pub systems: Vec<SystemPlan>,
}

impl Systems {
    /// Checks everything a recipe says about models and systems.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn resolve(recipe: &Recipe, overrides: &Overrides) -> Result<Self, PlanError> {
        let known: Vec<String> = recipe.models.keys().cloned().collect();
        let mut systems = systems(recipe, &known)?;
        tell_templates(&mut systems, &overrides.chat_template_args)?;
        let folder = recipe.folder();
        let models = recipe.models.iter().map(|(name, spec)| model(name, spec, folder, overrides.dtype));
        Ok(Self { systems, models: models.collect::<Result<_, _>>()? })
    }
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
        let folder = recipe.folder();
        let name = recipe
            .path
            .as_deref()
            .and_then(Path::file_stem)
            .map_or_else(|| "eval".to_owned(), |stem| stem.to_string_lossy().into_owned());

        let Systems { models, systems } = Systems::resolve(recipe, overrides)?;
        let tasks = tasks(recipe, overrides)?;

        let data_dir = overrides.data_dir.clone().or_else(|| recipe.data_dir.as_ref().map(|dir| folder.join(dir)));
        if let Some(path) = data_dir.as_ref().filter(|path| !path.is_dir()) {
            return Err(PlanError::MissingPath { what: "the data folder".to_owned(), path: path.clone() });
        }
        let batch_size = overrides.batch_size.or(recipe.batch_size).unwrap_or(DEFAULT_BATCH_SIZE);
        if batch_size == 0 {
            return Err(PlanError::Zero { what: "the batch size".to_owned() });
        }
        let output = overrides
            .output
            .clone()
            .or_else(|| recipe.output.as_ref().map(|output| folder.join(output)))
            .unwrap_or_else(|| Path::new("results").join(format!("{name}-{}", now.compact())));

        Ok(Self {
            name,
            recipe: recipe.path.clone(),
            models,
            systems,
            tasks,
            include_path: overrides.include_path.clone(),
            data_dir,
            batch_size,
            log_samples: overrides.log_samples.or(recipe.log_samples).unwrap_or(false),
            trace: overrides.trace.or(recipe.trace).unwrap_or(false),
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

    /// The model called `name`.
    pub fn model(&self, name: &str) -> Option<&ModelPlan> {
        self.models.iter().find(|model| model.name == name)
    }
}

impl fmt::Display for ModelSource {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Path(path) => path.display().fmt(formatter),
            Self::Hub(id) => id.fmt(formatter),
        }
    }
}

fn systems(recipe: &Recipe, known: &[String]) -> Result<Vec<SystemPlan>, PlanError> {
    if recipe.systems.is_empty() {
        return Err(PlanError::Empty { what: "systems" });
    }
    let mut seen = BTreeSet::new();
    let mut systems = Vec::with_capacity(recipe.systems.len());
    for spec in &recipe.systems {
        let system = SystemPlan::resolve(spec, known)?;
        if !seen.insert(system.name.clone()) {
            return Err(PlanError::Duplicate { what: "system", name: system.name });
        }
        systems.push(system);
    }
    Ok(systems)
}

/// Adds arguments to those of all systems whose prompts are chats.
fn tell_templates(systems: &mut [SystemPlan], arguments: &Map<String, Value>) -> Result<(), PlanError> {
    let mut told = arguments.is_empty();
    for chat in systems.iter_mut().filter_map(|system| system.settings.chat.as_mut()) {
        chat.arguments.extend(arguments.clone());
        told = true;
    }
    match systems.first() {
        Some(system) if !told => {
            Err(PlanError::Setting { system: system.name.clone(), source: SettingError::ArgumentsWithoutChat })
        }
        _ => Ok(()),
    }
}

fn tasks(recipe: &Recipe, overrides: &Overrides) -> Result<Vec<TaskPlan>, PlanError> {
    if recipe.tasks.is_empty() {
        return Err(PlanError::Empty { what: "tasks" });
    }
    let mut seen = BTreeSet::new();
    let mut tasks = Vec::with_capacity(recipe.tasks.len());
    for TaskSpec { name, num_fewshot, limit } in &recipe.tasks {
        if name.trim().is_empty() {
            return Err(PlanError::EmptyName { what: "task" });
        }
        if !seen.insert(name) {
            return Err(PlanError::Duplicate { what: "task", name: name.clone() });
        }
        tasks.push(TaskPlan {
            name: name.clone(),
            num_fewshot: overrides.num_fewshot.or(*num_fewshot),
            limit: overrides.limit.or(*limit).or(recipe.limit),
            samples: None,
            gen_kwargs: overrides.gen_kwargs.clone().map(|settings| settings.with_seed(recipe.seed)),
            fewshot_seed: recipe.fewshot_seed,
        });
    }
    Ok(tasks)
}

fn model(name: &str, spec: &ModelSpec, folder: &Path, dtype: Option<Dtype>) -> Result<ModelPlan, PlanError> {
    let source = match (&spec.path, &spec.hub) {
        (Some(path), None) => {
            let path = folder.join(path);
            if !path.exists() {
                return Err(PlanError::MissingPath { what: format!("model `{name}`"), path });
            }
            ModelSource::Path(path)
        }
        (None, Some(id)) if id.is_empty() || id.contains(char::is_whitespace) || id.starts_with(['.', '/']) => {
            return Err(PlanError::HubId { name: name.to_owned(), id: id.clone() });
        }
        (None, Some(id)) => ModelSource::Hub(id.clone()),
        (None, None) => return Err(PlanError::ModelSource { name: name.to_owned(), found: "neither" }),
        (Some(_), Some(_)) => return Err(PlanError::ModelSource { name: name.to_owned(), found: "both" }),
    };
    Ok(ModelPlan {
        name: name.to_owned(),
        source,
        dtype: dtype.or(spec.dtype),
        device: spec.device.clone(),
        chat_template: spec.chat_template.as_deref().map(|text| template(name, text, folder)).transpose()?,
        chat_template_args: spec.chat_template_args.clone(),
        add_bos: spec.add_bos,
        think_end_token: spec.think_end_token.clone(),
    })
}

/// A file where `text` names one, else a template's name.
fn template(model: &str, text: &str, folder: &Path) -> Result<TemplateChoice, PlanError> {
    let path = folder.join(text);
    if path.is_file() {
        return Ok(TemplateChoice::File(path));
    }
    if text.contains(['/', '.']) {
        return Err(PlanError::MissingPath { what: format!("the chat template of model `{model}`"), path });
    }
    Ok(TemplateChoice::Name(text.to_owned()))
}
