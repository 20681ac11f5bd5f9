//! The recipe file, as written.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use super::device::RecipeDevice;
use crate::tasks::Limit;

/// Models, systems, tasks and limits: one run, as a TOML file or a command line states it.
///
/// Nothing is decided or checked here; [`Plan::resolve`](super::Plan::resolve) does both. The command line builds the
/// same value from its flags, so that both ways meet the same rules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Recipe {
    /// The file it was read from. Relative paths in it start at that file's folder; without a file, at the current one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// Models by the name that systems call them.
    #[serde(default)]
    pub models: BTreeMap<String, ModelSpec>,
    /// What is evaluated, in the order of the leaderboard's rows.
    #[serde(default)]
    pub systems: Vec<SystemSpec>,
    /// What it is evaluated on, in the order of the leaderboard's columns.
    #[serde(default)]
    pub tasks: Vec<TaskSpec>,
    /// Folder laid out as the hub is; without it, data come from the hub.
    #[serde(alias = "data_dir")]
    pub data_dir: Option<PathBuf>,
    /// Documents per task (per subject, where a task has subjects), for tasks without their own limit.
    pub limit: Option<Limit>,
    /// What draws of tokens depend on, for generation settings that do not say.
    pub seed: Option<u64>,
    /// What draws of shots depend on; lm-evaluation-harness's default when absent.
    #[serde(alias = "fewshot_seed")]
    pub fewshot_seed: Option<u64>,
    /// Most samples in flight at once.
    #[serde(alias = "batch_size")]
    pub batch_size: Option<usize>,
    /// The run's folder.
    pub output: Option<PathBuf>,
    /// Whether sample records carry their prompts.
    #[serde(alias = "log_samples")]
    pub log_samples: Option<bool>,
    /// Whether sample records carry every step of a generated response.
    pub trace: Option<bool>,
}

/// A model: a local folder or a hub id, one of the two.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSpec {
    /// A local folder (or file).
    pub path: Option<PathBuf>,
    /// `org/name` or `org/name@revision` on the hub.
    pub hub: Option<String>,
    /// The type to compute in; as stored when absent.
    pub dtype: Option<Dtype>,
    /// Where it computes, a device or a list of them; the command line's `--device` when absent.
    pub device: Option<RecipeDevice>,
    /// Which of its chat templates is used, or a file with another.
    #[serde(alias = "chat_template")]
    pub chat_template: Option<String>,
    /// What its chat template is told by name, over what a system says.
    #[serde(default, alias = "chat_template_args")]
    pub chat_template_args: Map<String, Value>,
    /// Whether prompts begin with begin-of-text; as its files say when absent.
    #[serde(alias = "add_bos", alias = "add_bos_token")]
    pub add_bos: Option<bool>,
    /// What ends its reasoning in front of an answer; what its chat template names, where chats are made, when absent.
    #[serde(alias = "think_end_token")]
    pub think_end_token: Option<ThinkEndToken>,
}

/// What stands between a model's reasoning and its answer: lm-evaluation-harness's `think_end_token`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "a token's text, such as \"</think>\", or its id")]
pub enum ThinkEndToken {
    /// The token with this id in the model's vocabulary.
    Id(u32),
    /// This text, or the control symbol of this name; empty where the model does not reason.
    Text(String),
}

impl From<&str> for ThinkEndToken {
    /// A text of digits is an id, as in lm-evaluation-harness.
    fn from(text: &str) -> Self {
        text.parse().map_or_else(|_| Self::Text(text.to_owned()), Self::Id)
    }
}

/// One system: a single member is that model alone, several are a GaC ensemble.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SystemSpec {
    /// Its name in results.
    pub name: String,
    /// Names of models.
    pub members: Vec<String>,
    /// How members come to one answer; `gac` when absent.
    pub method: Option<MethodName>,
    /// Tokens per member that `unite` considers.
    pub top_k: Option<usize>,
    /// The least probability of a member under `geometric`.
    pub floor: Option<f64>,
    /// One weight per member, in any scale (so they may be scores); equal weights when absent.
    pub weights: Option<Vec<f64>>,
    /// What weights follow from, where they are not given.
    pub weight_by: Option<WeightBy>,
    /// The gating member (under `safe`: the drafter); every step is ensembled when absent.
    pub gate: Option<String>,
    /// The gate's threshold, 0 to 1.
    pub threshold: Option<f64>,
    /// What the gate's certainty is; its top probability when absent.
    pub gate_by: Option<GateBy>,
    /// How tokens are drawn; the most probable one is taken when absent.
    pub sampling: Option<SamplingSpec>,
    /// Whether prompts are chats, written down by each member's own template.
    pub chat_template: Option<bool>,
    /// What all members' chat templates are told by name: `{ enable_thinking = false }`.
    #[serde(default, alias = "chat_template_args")]
    pub chat_template_args: Map<String, Value>,
    /// A message in front of every chat.
    pub system_instruction: Option<String>,
    /// Whether the shots of a chat are turns, rather than all in one message; they are when absent.
    #[serde(alias = "fewshot_as_multiturn")]
    pub fewshot_as_multiturn: Option<bool>,
}

/// How members come to one answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MethodName {
    /// Weighted average of token probabilities.
    #[default]
    Gac,
    /// Weighted average over the union of each member's most probable tokens.
    Unite,
    /// Weighted geometric mean with a floor.
    Geometric,
    /// `gac`, where verification asks for it.
    Safe,
    /// `unite`, where verification asks for it.
    SafeUnite,
    /// Majority of the members' own answers.
    Vote,
    /// The answer of the member that is surest of its own.
    BestOf,
}

impl MethodName {
    /// The name in recipes and on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Gac => "gac",
            Self::Unite => "unite",
            Self::Geometric => "geometric",
            Self::Safe => "safe",
            Self::SafeUnite => "safe-unite",
            Self::Vote => "vote",
            Self::BestOf => "best-of",
        }
    }
}

/// What weights follow from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WeightBy {
    /// Each member's perplexity on the prompt.
    PromptPerplexity,
}

/// What a gate's certainty is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GateBy {
    /// The probability of its most probable token.
    #[default]
    TopProbability,
    /// One minus its entropy over the largest possible one.
    Entropy,
    /// The distance between its two most probable tokens.
    Margin,
}

/// How tokens are drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct SamplingSpec {
    /// 1 when absent; 0 is greedy.
    pub temperature: Option<f64>,
    /// Share of probability to draw from.
    #[serde(alias = "top_p")]
    pub top_p: Option<f64>,
    /// Tokens to draw from.
    #[serde(alias = "top_k")]
    pub top_k: Option<usize>,
    /// Least share of the most probable token's probability.
    #[serde(alias = "min_p")]
    pub min_p: Option<f64>,
    /// What every sample's draws depend on; 0 when absent.
    pub seed: Option<u64>,
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
}

/// The type a model computes in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dtype {
    /// 32-bit floating point.
    #[serde(alias = "float32")]
    F32,
    /// 16-bit brain floating point.
    #[serde(alias = "bfloat16")]
    Bf16,
    /// IEEE half precision.
    #[serde(alias = "float16")]
    F16,
    /// Linear layers quantised to 8 bits and a scale per 32 weights.
    #[serde(rename = "q8_0")]
    Q8_0,
    /// Linear layers quantised to about 4.5 bits per weight.
    #[serde(rename = "q4_k")]
    Q4K,
}

impl Recipe {
    /// Reads a recipe file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a recipe: then with the line and the column.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        let text =
            std::fs::read_to_string(path).map_err(|source| RecipeError::Read { path: path.to_path_buf(), source })?;
        Self::parse(&text, path)
    }

    /// Parses the text of a recipe that lies, or would lie, at `path`.
    ///
    /// # Errors
    /// When the text is not TOML, or has a key that recipes do not know.
    pub fn parse(text: &str, path: &Path) -> Result<Self, RecipeError> {
        match toml::from_str::<Self>(text) {
            Ok(recipe) => Ok(Self { path: Some(path.to_path_buf()), ..recipe }),
            Err(error) => {
                let (line, column) = position(text, error.span());
                let message = error.message().trim().replace('\n', ", ");
                Err(RecipeError::Parse { path: path.to_path_buf(), line, column, message })
            }
        }
    }
}

impl Recipe {
    /// Where its relative paths start.
    pub(super) fn folder(&self) -> &Path {
        self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }
}

/// Line and column of where `span` starts, counted from one, columns in characters.
fn position(text: &str, span: Option<Range<usize>>) -> (usize, usize) {
    let before = text.get(..span.map_or(0, |span| span.start)).unwrap_or(text);
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// A recipe file could not be used.
#[derive(Debug, thiserror::Error)]
pub enum RecipeError {
    /// The file cannot be read.
    #[error("failed to read recipe `{}`", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not a recipe.
    #[error("recipe `{}`, line {line}, column {column}: {message}", path.display())]
    Parse {
        /// The file.
        path: PathBuf,
        /// Counted from one.
        line: usize,
        /// Counted from one, in characters.
        column: usize,
        /// What is wrong there.
        message: String,
    },
}

impl RecipeError {
    /// The way out, for a `hint:` line.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                Some("a recipe is a TOML file; `recipes/mini.toml` is an example".to_owned())
            }
            Self::Parse { .. } => Some("`recipes/mini.toml` shows every part of a recipe".to_owned()),
            Self::Read { .. } => None,
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
        }

        struct NameOrTable;

        impl<'de> Visitor<'de> for NameOrTable {
            type Value = TaskSpec;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a task's name or a table { name, num-fewshot, limit }")
            }

            fn visit_str<E>(self, name: &str) -> Result<TaskSpec, E> {
                Ok(TaskSpec { name: name.to_owned(), ..TaskSpec::default() })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<TaskSpec, A::Error> {
                let table = Table::deserialize(MapAccessDeserializer::new(map))?;
                Ok(TaskSpec { name: table.name, num_fewshot: table.num_fewshot, limit: table.limit })
            }
        }

        deserializer.deserialize_any(NameOrTable)
    }
}
