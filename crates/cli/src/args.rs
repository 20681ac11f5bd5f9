//! Command-line arguments, with the names that users of lm-evaluation-harness have in their fingers.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use gac_inference::DeviceSpec;

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
    /// Evaluate one model, or one ensemble of several
    Eval(EvalArgs),
    /// Continue prompts
    Generate(GenerateArgs),
    /// Log-probabilities of given tokens or texts
    Score(ScoreArgs),
    /// What can be evaluated
    Tasks(TasksArgs),
    /// The data that tasks read
    Data(DataArgs),
}

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The recipe, a TOML file
    pub(crate) recipe: PathBuf,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

/// What a command line says over a recipe.
#[derive(Args, Debug)]
pub(crate) struct RunSettings {
    /// First N documents of every task (of every subject, where a task has subjects)
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
    /// Shots in front of every prompt [default: the task's own number]
    #[arg(long, value_name = "K")]
    pub(crate) num_fewshot: Option<usize>,
    /// Generation settings over the tasks' own: `max_gen_toks=N,until=TEXT`, or a JSON object
    #[arg(long, value_name = "SETTINGS")]
    pub(crate) gen_kwargs: Option<String>,
    /// Folder with task definitions of your own, *.toml (repeatable)
    #[arg(long, value_name = "DIR")]
    pub(crate) include_path: Vec<PathBuf>,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Folder for the results [default: results/NAME-TIME]
    #[arg(long, value_name = "DIR")]
    pub(crate) output_path: Option<PathBuf>,
    /// Write the prompts into the sample records
    #[arg(long)]
    pub(crate) log_samples: bool,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

/// How models are run.
#[derive(Args, Debug)]
pub(crate) struct Compute {
    /// Most samples in flight at once
    #[arg(long, value_name = "N")]
    pub(crate) batch_size: Option<usize>,
    /// Type that weights are rounded to [default: as stored; the CPU computes in f32]
    #[arg(long)]
    pub(crate) dtype: Option<DtypeArg>,
    /// Device: cpu, cuda:N or metal
    #[arg(long, default_value = "cpu")]
    pub(crate) device: DeviceSpec,
}

/// Names of weight types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum DtypeArg {
    #[value(alias = "float32")]
    F32,
    #[value(alias = "bfloat16")]
    Bf16,
    #[value(alias = "float16")]
    F16,
}

/// Which models, and how they vote.
#[derive(Args, Debug)]
pub(crate) struct SystemArgs {
    /// A model: a folder, or a hub id org/name[@revision]; several make an ensemble
    #[arg(long, required = true, value_name = "MODEL")]
    pub(crate) model: Vec<String>,
    /// One weight per model [default: equal]
    #[arg(long, value_delimiter = ',', value_name = "W,W", allow_negative_numbers = true)]
    pub(crate) weights: Option<Vec<f64>>,
    /// The model that decides alone where it is sure
    #[arg(long, value_name = "MODEL")]
    pub(crate) gate: Option<String>,
    /// The models vote where the gate's top probability is at most this
    #[arg(long, value_name = "T", allow_negative_numbers = true)]
    pub(crate) threshold: Option<f64>,
}

#[derive(Args, Debug)]
pub(crate) struct EvalArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// Tasks by name (`gac tasks list` shows all)
    #[arg(long, value_delimiter = ',', required = true, value_name = "A,B")]
    pub(crate) tasks: Vec<String>,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// JSON lines {"prompt": "..."}
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
    #[command(flatten)]
    pub(crate) compute: Compute,
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
    /// First N documents (of every subject, where the task has subjects), each with the shots it has in a full run
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<usize>,
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
    /// JSON lines `{"task", "subject", "doc_id", "response"}`, or with `"lls"` for `"response"`
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) responses: PathBuf,
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
        let Some(text) = arg.to_str().filter(|text| flags && text.starts_with("--")) else { return arg };
        if text == "--" {
            flags = false;
        }
        let (name, value) = text.split_once('=').map_or((text, None), |(name, value)| (name, Some(value)));
        let name = name.replace('_', "-");
        match value {
            Some(value) => format!("{name}={value}").into(),
            None => name.into(),
        }
    })
    .collect()
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
