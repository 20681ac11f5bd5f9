//! The command line: its commands, and how it is read.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::{Args, Parser, Subcommand};

use crate::commands::compare::CompareArgs;
use crate::commands::data::DataArgs;
use crate::commands::eval::EvalArgs;
use crate::commands::explain::ExplainArgs;
use crate::commands::export::ExportArgs;
use crate::commands::gate::GateArgs;
use crate::commands::generate::GenerateArgs;
use crate::commands::import::ImportArgs;
use crate::commands::import_config::ImportConfigArgs;
use crate::commands::leaderboard::LeaderboardArgs;
use crate::commands::manual::{CompletionsArgs, ManArgs};
use crate::commands::merge::MergeArgs;
use crate::commands::models::ModelsArgs;
use crate::commands::plan::PlanArgs;
use crate::commands::report::ReportArgs;
use crate::commands::rerun::RerunArgs;
use crate::commands::run::RunArgs;
use crate::commands::score::ScoreArgs;
use crate::commands::serve::ServeArgs;
use crate::commands::sweep::SweepArgs;
use crate::commands::tasks::TasksArgs;
use crate::commands::track::TrackArgs;
use crate::commands::vocab::VocabArgs;
use crate::failure::Failure;

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
    /// Put the shards of a run together
    Merge(MergeArgs),
    /// Evaluate one model, or one ensemble of several
    Eval(EvalArgs),
    /// Compare a run with another: what changed, and whether that is chance
    Compare(CompareArgs),
    /// Judge a run by a policy: GO, NO-GO, or INCONCLUSIVE where the documents cannot tell
    Gate(GateArgs),
    /// Add a run's scores to a history, which a report shows over commits
    Track(TrackArgs),
    /// How many documents it takes to tell a drop
    Plan(PlanArgs),
    /// Runs as one table: terminal, markdown, CSV, JSON, LaTeX or HTML
    Leaderboard(LeaderboardArgs),
    /// A run as one self-contained HTML page: tables, charts, every sample
    Report(ReportArgs),
    /// A run in another tool's format
    Export(ExportArgs),
    /// Continue prompts
    Generate(GenerateArgs),
    /// Log-probabilities of given tokens or texts
    Score(ScoreArgs),
    /// Serve models and ensembles over HTTP
    Serve(Box<ServeArgs>),
    /// A run of lm-evaluation-harness as a run to compare, judge and show
    Import(ImportArgs),
    /// The configuration of the published GaC's server as a recipe
    ImportConfig(ImportConfigArgs),
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
