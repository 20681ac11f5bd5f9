//! Arguments that several commands have, with the names that users of lm-evaluation-harness have in their fingers.

use std::path::PathBuf;

use clap::Args;
use gac_harness::plan::Shard;
use gac_harness::tasks::Limit;

use crate::compute::Compute;
use crate::voting::VotingArgs;

/// What a command line says over a recipe.
#[derive(Args, Debug)]
pub(crate) struct RunSettings {
    /// First N documents of every task (of every subject, where a task has subjects); below 1, that share of them
    #[arg(long, short_alias = 'L', value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<Limit>,
    /// Documents by their numbers, in place of a limit: JSON {"TASK": [0, 7]}, or a file that holds it; shots are drawn
    /// for these alone
    #[arg(long, short_alias = 'E', value_name = "JSON|FILE", conflicts_with = "limit")]
    pub(crate) samples: Option<String>,
    /// Times that each document is asked, with a seed of its own each time, where tokens are drawn [default: once]
    #[arg(long, value_name = "K")]
    pub(crate) repeats: Option<usize>,
    /// Shots in front of every prompt [default: the task's own number]
    #[arg(long, short_alias = 'f', value_name = "K")]
    pub(crate) num_fewshot: Option<usize>,
    /// Generation settings over the tasks' own: `temperature=0.7,do_sample=True`, `max_gen_toks=N,until=TEXT`, or a
    /// JSON object
    #[arg(long, value_name = "SETTINGS")]
    pub(crate) gen_kwargs: Option<String>,
    /// Folder with task definitions of your own: *.toml, or *.yaml as lm-evaluation-harness has them (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) include_path: Vec<PathBuf>,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder for the results; a run there is gone on with [default: results/NAME-TIME, or where the same run was cut
    /// short]
    #[arg(long, short_alias = 'o', value_name = "DIR")]
    pub(crate) output_path: Option<PathBuf>,
    /// Only part I of N, from 0: of every task's documents each Nth; `gac merge` puts the parts together
    #[arg(long, value_name = "I/N")]
    pub(crate) shard: Option<Shard>,
    /// Documents that may fail (be too long for a model, say): with more the exit code is 2
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) allow_failed: usize,
    #[command(flatten)]
    pub(crate) samples_kept: SampleArgs,
    /// Folder with responses that are kept across runs: what a system was asked there already is not asked again, however
    /// it is scored now
    #[arg(long, short_alias = 'c', value_name = "DIR")]
    pub(crate) use_cache: Option<PathBuf>,
    /// Print the leaderboard (the plan, the sweep) as JSON
    #[arg(long)]
    pub(crate) json: bool,
    /// Write every step of generated responses into the sample records
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

/// What is kept and shown of samples.
#[derive(Args, Debug, Default)]
pub(crate) struct SampleArgs {
    /// Write the prompts into the sample records
    #[arg(long, short_alias = 's')]
    pub(crate) log_samples: bool,
    /// Show each task's first prompt and answer before anything is asked
    #[arg(long, short_alias = 'w')]
    pub(crate) write_out: bool,
    /// Keep prompts and responses, and print no scores
    #[arg(long, short_alias = 'x')]
    pub(crate) predict_only: bool,
}

/// Which models, and how they vote.
#[derive(Args, Debug, Default)]
pub(crate) struct SystemArgs {
    /// A model: a folder, or a hub id org/name[@revision]; several make an ensemble
    #[arg(long, short_alias = 'M', required = true, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// One weight per model [default: equal]
    #[arg(long, value_delimiter = ',', value_name = "W,W", allow_negative_numbers = true)]
    pub(crate) weights: Option<Vec<f64>>,
    /// The model that decides alone where it is sure
    #[arg(long, value_name = "MODEL")]
    pub(crate) gate: Option<String>,
    /// The models vote where the gate's certainty is at most this, 0 to 1
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f64>,

    /// A chat template by its name among a model's, or a file; one for all models, or one per model in order
    #[arg(long, value_name = "NAME|FILE")]
    pub(crate) chat_template: Vec<String>,
    /// What ends a model's reasoning in front of an answer (a text, or a token's id), which is not scored; empty: it does
    /// not reason; one for all models, or one per model in order [default: what a chat template names, with
    /// `--apply-chat-template`]
    #[arg(long, value_name = "TOKEN")]
    pub(crate) think_end_token: Vec<String>,

    /// Whether prompts begin with begin-of-text [default: as a model's files say]; one for all models, or one per
    /// model in order
    #[arg(long, visible_alias = "add-bos-token", value_delimiter = ',', value_name = "BOOL[,BOOL...]")]
    pub(crate) add_bos: Vec<bool>,

    #[command(flatten)]
    pub(crate) voting: VotingArgs,
}

/// What chat templates are told.
#[derive(Args, Debug, Default)]
pub(crate) struct ChatArgs {
    /// What chat templates are told by name: `{"enable_thinking": false}`
    #[arg(long, value_name = "JSON", value_parser = json_object)]
    pub(crate) chat_template_args: Option<JsonObject>,
}

/// A JSON object on a command line.
pub(crate) type JsonObject = serde_json::Map<String, serde_json::Value>;

fn json_object(text: &str) -> Result<JsonObject, String> {
    serde_json::from_str(text).map_err(|error| format!("not a JSON object: {error}"))
}
