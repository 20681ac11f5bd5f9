//! Models and systems, as a recipe file states them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use gac_ensemble::{Certainty, ControlSymbols, Weighting};
use gac_inference::{ComputeType, Dtype, deserialize_named_option};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::device::RecipeDevice;
use super::draft::DraftTokens;
use super::method::Combination;
use super::server::ServerUrls;
use super::toml_file::{RecipeError, read_toml};
use super::values::{Values, lists, names};

/// Models and systems, as a TOML file or a command line states them. Other keys of a recipe are for others to read.
///
/// Nothing is decided or checked here; [`SystemsPlan::resolve`](crate::SystemsPlan::resolve) does both.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct SystemsSpec {
    /// The file it was read from. Relative paths in it start at that file's folder; without a file, at the current one.
    #[serde(skip)]
    pub path: Option<PathBuf>,
    /// Models by the name that systems call them.
    #[serde(default)]
    pub models: BTreeMap<String, ModelSpec>,
    /// The systems, in order.
    #[serde(default)]
    pub systems: Vec<SystemSpec>,
}

impl SystemsSpec {
    /// Reads the models and systems of a recipe file.
    ///
    /// # Errors
    /// When the file cannot be read, or is not a recipe: then with the line and the column.
    pub fn load(path: &Path) -> Result<Self, RecipeError> {
        Ok(Self { path: Some(path.to_path_buf()), ..read_toml(path)? })
    }

    /// Where its relative paths start.
    pub fn folder(&self) -> &Path {
        self.path.as_deref().and_then(Path::parent).unwrap_or(Path::new(""))
    }
}

/// A model: a local folder, a hub id or servers, one of the three.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct ModelSpec {
    /// A local folder (or file).
    pub path: Option<PathBuf>,
    /// `org/name` or `org/name@revision` on the hub.
    pub hub: Option<String>,
    /// The address of a server that has it, or several: replicas.
    pub url: Option<ServerUrls>,
    /// The model's name on its servers; needed where they have several.
    pub name: Option<String>,
    /// Where the tokenizer of a model on servers is, a folder, a GGUF file or a hub id; by default where the server says
    /// that it has the model from.
    pub tokenizer: Option<String>,
    /// The environment variable that holds the servers' key.
    #[serde(alias = "api_key_env")]
    pub api_key_env: Option<String>,
    /// Most probable tokens that servers tell of each distribution, before more is asked for.
    pub logprobs: Option<usize>,
    /// The type to compute in; as stored when absent.
    pub dtype: Option<Dtype>,
    /// The type that its linear layers multiply in, on the CPU; f32 when absent.
    pub compute: Option<ComputeType>,
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
    /// How members come to one answer; `gac` when absent. Several make a system of each.
    #[serde(default, deserialize_with = "names")]
    pub method: Option<Values<Combination>>,
    /// Tokens per member that `unite` considers.
    pub top_k: Option<usize>,
    /// The least probability of a member under `geometric`.
    pub floor: Option<f64>,
    /// How far `proxy` moves its first member by what the second has over the third.
    pub alpha: Option<f64>,
    /// How many hypotheses `abe` follows at once.
    pub beam: Option<usize>,
    /// One weight per member, in any scale (so they may be scores); equal weights when absent. Several lists make a system
    /// of each.
    #[serde(default, deserialize_with = "lists")]
    pub weights: Option<Values<Vec<f64>>>,
    /// What weights follow from, where they are not given.
    #[serde(default, deserialize_with = "deserialize_named_option")]
    pub weight_by: Option<Weighting>,
    /// The gating member (under `safe`: the drafter); every step is ensembled when absent.
    pub gate: Option<String>,
    /// The gate's threshold, 0 to 1.
    pub threshold: Option<f64>,
    /// Several thresholds: a system of each, all decoded together at about the price of one.
    pub thresholds: Option<Vec<f64>>,
    /// What the gate's certainty is; its top probability when absent.
    #[serde(default, deserialize_with = "deserialize_named_option")]
    pub gate_by: Option<Certainty>,
    /// What proposes tokens ahead, for the members to verify several in one forward: `prompt`, repeats of the prompt and of
    /// the response. Answers are the same with and without.
    pub draft: Option<String>,
    /// How many tokens are proposed at once, `auto` when absent: as many as are worth it.
    #[serde(alias = "draft_tokens")]
    pub draft_tokens: Option<DraftTokens>,
    /// Whether special tokens other than the end of a text or turn may win a vote (`keep`) or not (`drop`); they may when
    /// absent.
    #[serde(default, deserialize_with = "deserialize_named_option", alias = "special_tokens")]
    pub special_tokens: Option<ControlSymbols>,
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
