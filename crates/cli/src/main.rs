//! `gac`: evaluates language models and their GaC ensembles.

mod args;
mod commands;
mod compute;
mod failure;
mod hints;
mod lm_eval;
mod members;
mod named;
mod outcome;
mod printer;
mod progress;
mod shared_args;
mod voting;

use std::io::IsTerminal;
use std::process::ExitCode;

use args::{Cli, Command};
use clap::{CommandFactory, Parser};
use printer::Printer;

/// The system's allocator gives the buffers of a forward pass back to the kernel, and gets them page by page again.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const COULD_NOT: u8 = 2;

fn main() -> ExitCode {
    let arguments = lm_eval::joined(args::with_dashes(std::env::args_os()));
    let cli = match Cli::try_parse_from(&arguments) {
        Ok(cli) => cli,
        Err(error) => match lm_eval::explain(&error, &arguments).or_else(|| args::not_text(&error, &arguments)) {
            Some(failure) => {
                Printer::new(false).failure(&failure);
                return ExitCode::from(COULD_NOT);
            }
            None => error.exit(),
        },
    };
    start_log(cli.global.verbose);
    let mut printer = Printer::new(cli.global.quiet);
    let outcome = match cli.command {
        Command::Compare(args) => match commands::compare::compare(&args, &mut printer) {
            Ok(check) => return ExitCode::from(check.code()),
            Err(failure) => Err(failure),
        },
        Command::Gate(args) => match commands::gate::gate(&args, &mut printer) {
            Ok(check) => return ExitCode::from(check.code()),
            Err(failure) => Err(failure),
        },
        Command::Track(args) => commands::track::track(&args, &mut printer),
        Command::Plan(args) => commands::plan::plan(&args, &mut printer),
        Command::Leaderboard(args) => commands::leaderboard::leaderboard(&args, &mut printer),
        Command::Completions(args) => commands::manual::completions(&args, Cli::command(), &mut printer),
        Command::Man(args) => commands::manual::man(&args, Cli::command(), &mut printer),
        Command::Report(args) => commands::report::report(&args, &mut printer),
        Command::Export(args) => commands::export::export(&args, &mut printer),
        Command::Merge(args) => commands::merge::merge(&args, &mut printer),
        Command::Rerun(args) => commands::rerun::rerun(&args, &mut printer),
        Command::Run(args) => commands::run::run(&args, &mut printer),
        Command::Eval(args) => commands::eval::eval(&args, &mut printer),
        Command::Generate(args) => commands::generate::generate(&args, &mut printer),
        Command::Score(args) => commands::score::score(&args, &mut printer),
        Command::Serve(args) => commands::serve::serve(&args, cli.global.verbose > 0, &mut printer),
        Command::Import(args) => commands::import::import(&args, &mut printer),
        Command::ImportConfig(args) => commands::import_config::import_config(&args, &mut printer),
        Command::Sweep(args) => commands::sweep::sweep(&args, &mut printer),
        Command::Explain(args) => commands::explain::explain(&args, &mut printer),
        Command::Vocab(args) => commands::vocab::vocab(&args, &mut printer),
        Command::Models(args) => commands::models::models(&args, &mut printer),
        Command::Tasks(args) => commands::tasks::tasks(&args, &mut printer),
        Command::Data(args) => match commands::data::data(&args, &mut printer) {
            Ok(check) => return ExitCode::from(check.code()),
            Err(failure) => Err(failure),
        },
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) if failure.is_broken_pipe() => ExitCode::SUCCESS,
        Err(failure) => {
            printer.failure(&failure);
            ExitCode::from(COULD_NOT)
        }
    }
}

/// Messages of the libraries go to stderr: warnings, and with `-v` more. `GAC_LOG` takes tracing's directives.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => "warn",
        1 => "info",
        2 => "debug",
        _ => "trace",
    };
    let filter = tracing_subscriber::EnvFilter::try_from_env("GAC_LOG").unwrap_or_else(|_| {
        tracing_subscriber::EnvFilter::new(format!(
            "gac={level},gac_harness={level},gac_systems={level},gac_ensemble={level},gac_inference={level},gac_serve={level}"
        ))
    });
    let colours = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .without_time()
        .with_ansi(colours)
        .init();
}
