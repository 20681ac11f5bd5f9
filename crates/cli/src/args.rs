//! Command-line arguments, with the names that users of lm-evaluation-harness have in their fingers.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};
use gac_harness::tasks::Limit;

use crate::commands::compare::CompareArgs;
use crate::commands::export::ExportArgs;
use crate::commands::leaderboard::LeaderboardArgs;
use crate::commands::manual::{CompletionsArgs, ManArgs};
use crate::commands::report::ReportArgs;
use crate::commands::rerun::RerunArgs;
use crate::commands::sweep::Weights;
use crate::compute::Compute;
use crate::failure::Failure;
use crate::voting::{MethodArg, VotingArgs};

/// Evaluate language models and their GaC ensembles.
#[derive(Parser, Debug)]
#[command(name = "gac", version, about, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Args, Debug)]
pub(crate) struct Global {
    /// No progress and no warnings on stderr
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// More messages on stderr (-vv, -vvv: still more)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// Run a recipe: systems x tasks, with a leaderboard
    Run(RunArgs),
    /// Do what a run's manifest says once more
    Rerun(RerunArgs),
    /// Evaluate one model, or one ensemble of several
    Eval(EvalArgs),
    /// Compare a run with another: what changed, and whether that is chance
    Compare(CompareArgs),
    /// Runs as one table: terminal, markdown, CSV, JSON, LaTeX or HTML
    Leaderboard(LeaderboardArgs),
    /// A run as one self-contained HTML page: tables, charts, every sample
    Report(ReportArgs),
    /// A run in another format: lm-evaluation-harness's, or parquet
    Export(ExportArgs),
    /// Continue prompts
    Generate(GenerateArgs),
    /// Log-probabilities of given tokens or texts
    Score(ScoreArgs),
    /// Every threshold of a gate at about the price of one run, over weights and methods as a grid
    Sweep(SweepArgs),
    /// Show a trace: what was voted on, and where the ensemble overruled the gate
    Explain(ExplainArgs),
    /// What models' vocabularies have in common
    Vocab(VocabArgs),
    /// What can be evaluated
    Tasks(TasksArgs),
    /// The data that tasks read
    Data(DataArgs),
    /// Which models can be run
    Models(ModelsArgs),
    /// Print a shell's completions
    Completions(CompletionsArgs),
    /// Print the manual page
    Man(ManArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The recipe, a TOML file
    pub(crate) recipe: PathBuf,
    /// Tell what would be done, and do nothing but a short probe for the estimate of time
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Documents per task in that probe; 0: none
    #[arg(long, value_name = "N", default_value_t = 4, requires = "dry_run")]
    pub(crate) probe: usize,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

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
    /// Shots in front of every prompt [default: the task's own number]
    #[arg(long, short_alias = 'f', value_name = "K")]
    pub(crate) num_fewshot: Option<usize>,
    /// Generation settings over the tasks' own: `temperature=0.7,do_sample=True`, `max_gen_toks=N,until=TEXT`, or a
    /// JSON object
    #[arg(long, value_name = "SETTINGS")]
    pub(crate) gen_kwargs: Option<String>,
    /// Folder with task definitions of your own, *.toml (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) include_path: Vec<PathBuf>,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder for the results; a run there is gone on with [default: results/NAME-TIME, or where the same run was cut
    /// short]
    #[arg(long, short_alias = 'o', value_name = "DIR")]
    pub(crate) output_path: Option<PathBuf>,
    /// Documents that may fail (be too long for a model, say): with more the exit code is 2
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) allow_failed: usize,
    /// Write the prompts into the sample records
    #[arg(long, short_alias = 's')]
    pub(crate) log_samples: bool,
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

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Tasks, groups and subtasks by name or pattern, as `mmlu_stem` or `arc_*` (`gac tasks list` shows all)
    #[arg(long, short_alias = 't', value_delimiter = ',', required = true, num_args = 1.., value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,

    /// Tasks, groups and subtasks by name or pattern, as `mmlu_stem` or `arc_*` (`gac tasks list` shows all)
    #[arg(long, short_alias = 't', value_delimiter = ',', required = true, num_args = 1.., value_name = "A,B")]
    pub(crate) tasks: Vec<String>,

    /// The thresholds
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "T,T",
        allow_negative_numbers = true,
        default_value = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"
    )]
    pub(crate) thresholds: Vec<f64>,

    /// Weights to go over, one number per model: 1:1,2:1 [default: those of `--weights`]
    #[arg(long, value_delimiter = ',', value_name = "W:W,W:W")]
    pub(crate) grid_weights: Vec<Weights>,

    /// Methods to go over: gac, unite, geometric [default: that of `--method`]
    #[arg(long, value_delimiter = ',', value_name = "METHOD,METHOD")]
    pub(crate) grid_methods: Vec<MethodArg>,

    /// Also run every threshold alone, one document at a time, for its latency
    #[arg(long)]
    pub(crate) measure_latency: bool,

    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

#[derive(Args, Debug)]
pub(crate) struct ExplainArgs {
    /// JSON lines written with `--trace`
    #[arg(value_name = "TRACE")]
    pub(crate) trace: PathBuf,

    /// The line to show, from 1
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub(crate) line: usize,

    /// Tell of every step, not only of those that were voted on
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Args, Debug)]
pub(crate) struct VocabArgs {
    /// The models: folders, or hub ids org/name[@revision]
    #[arg(required = true, value_name = "MODEL")]
    pub(crate) models: Vec<String>,

    /// As JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// JSON lines {"prompt": "..."} or {"messages": [..], "tools": [..]}; messages are a chat, written down by each
    /// model's own template
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) prompts: PathBuf,
    /// JSON lines, one per prompt, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
    /// Most tokens per prompt
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_new_tokens: usize,
    /// End where this text appears (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub(crate) until: Vec<String>,
    /// Write every step
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    /// The model: a folder, or a hub id org/name[@revision]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: String,
    /// JSON lines {"tokens": [..]}, {"text": ".."} or {"context": "..", "continuation": ".."}
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) input: PathBuf,
    /// JSON lines, one per input line, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
    /// Whether texts begin with begin-of-text [default: as the model's files say]
    #[arg(long, visible_alias = "add-bos-token", value_name = "BOOL")]
    pub(crate) add_bos: Option<bool>,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

#[derive(Args, Debug)]
pub(crate) struct ModelsArgs {
    #[command(subcommand)]
    pub(crate) command: ModelsCommand,
}

#[derive(Subcommand, Debug)]
pub(crate) enum ModelsCommand {
    /// List the architectures (`model_type` in config.json), and whether the native decoder or candle-transformers runs them
    List {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct TasksArgs {
    #[command(subcommand)]
    pub(crate) command: TasksCommand,
    /// Folder with task definitions of your own, *.toml (repeatable)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) include_path: Vec<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum TasksCommand {
    /// List the tasks with what they are
    List {
        /// With their groups and subtasks, which can be evaluated alone
        #[arg(long)]
        subtasks: bool,
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Print a task's definition, as TOML
    Show {
        /// The task's name; `@9e6e240`, `@deepen` or `@unite` after it picks a protocol
        task: String,
    },
    /// Write every document's prompt
    Render(RenderArgs),
    /// Score saved responses, without a model
    Score(RescoreArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RenderArgs {
    /// The task's name
    pub(crate) task: String,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Shots in front of every prompt [default: the task's own number]
    #[arg(long, value_name = "N")]
    pub(crate) num_fewshot: Option<usize>,
    /// First N documents (of every subject, where the task has subjects), each with the shots it has in a full run;
    /// below 1, that share of them
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<Limit>,
    /// JSON lines, one per document, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct RescoreArgs {
    /// The task's name
    pub(crate) task: String,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// JSON lines `{"task", "subject", "doc_id", "response"}`, or with `"lls"` for `"response"`; a run's samples.jsonl too
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) responses: PathBuf,
    /// What ends the reasoning that responses begin with; a response without it is no answer
    #[arg(long, value_name = "TOKEN", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) think_end_token: Option<String>,
    /// JSON lines, one per response, in order, then the aggregates
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
}

#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
    /// Folder with task definitions of your own, *.toml (repeatable)
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) include_path: Vec<PathBuf>,
}

#[derive(Subcommand, Debug)]
pub(crate) enum DataCommand {
    /// Fetch what tasks read, once; runs are offline afterwards
    Fetch(DataSelection),
    /// Check every file's checksum and rows; exit code 1 says that a file is refused, or missing for a named task
    Verify(DataSelection),
}

#[derive(Args, Debug)]
pub(crate) struct DataSelection {
    /// Tasks by name [default: all]
    #[arg(value_name = "TASK")]
    pub(crate) tasks: Vec<String>,
    /// Folder laid out as the hub is [default: the hub's cache]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
}

/// Underscores in flag names become dashes: `--num_fewshot` is `--num-fewshot`. Values are left alone.
pub(crate) fn with_dashes(args: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut flags = true;
    args.map(|arg| {
        if !flags || !arg.as_encoded_bytes().starts_with(b"--") {
            return arg;
        }
        flags = arg != "--";
        named_with_dashes(arg)
    })
    .collect()
}

/// The value may be a path that is no text.
#[cfg(unix)]
fn named_with_dashes(arg: OsString) -> OsString {
    use std::os::unix::ffi::OsStringExt;
    let mut bytes = arg.into_vec();
    let name = bytes.iter().position(|&byte| byte == b'=').unwrap_or(bytes.len());
    bytes[..name].iter_mut().filter(|byte| **byte == b'_').for_each(|byte| *byte = b'-');
    OsString::from_vec(bytes)
}

#[cfg(not(unix))]
fn named_with_dashes(arg: OsString) -> OsString {
    let Some(text) = arg.to_str() else { return arg };
    let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
    format!("{}{value}", name.replace('_', "-")).into()
}

/// Names the argument that has to be text and is none, where that is what `error` objects to.
pub(crate) fn not_text(error: &clap::Error, arguments: &[OsString]) -> Option<Failure> {
    let objects = |error: &clap::Error| error.kind() == ErrorKind::InvalidUtf8;
    if !objects(error) {
        return None;
    }
    // Paths of files need not be text: the one that is meant is the one without which nothing is objected to.
    let mut arguments = arguments.to_vec();
    for place in 0..arguments.len() {
        if arguments[place].to_str().is_some() {
            continue;
        }
        let text = arguments[place].to_string_lossy().into_owned();
        arguments[place] = OsString::from(&text);
        if !Cli::try_parse_from(&arguments).is_err_and(|error| objects(&error)) {
            let error = anyhow::anyhow!("the argument `{text}` is not UTF-8");
            return Some(Failure::with_hint(
                error,
                "files for input and output may be named like that; a model is named by text, such as a link to its folder",
            ));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn underscores_are_dashes_in_names_but_not_in_values() {
        let args = ["gac", "--num_fewshot", "5", "--output_path=a_b", "x_y", "--", "--keep_this"];
        let dashed = with_dashes(args.iter().map(OsString::from));
        assert_eq!(dashed, ["gac", "--num-fewshot", "5", "--output-path=a_b", "x_y", "--", "--keep_this"]);
    }
}
