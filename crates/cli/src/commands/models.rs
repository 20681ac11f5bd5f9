//! `gac models`: what can be run.

use clap::{Args, Subcommand};
use gac_inference::{Backend, model_types};
use serde::Serialize;

use crate::outcome::CommandOutcome;
use crate::printer::Printer;

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

/// A line of the list.
#[derive(Serialize)]
struct ArchitectureRow {
    model_type: &'static str,
    backend: Backend,
}

/// Lists the architectures, one `model_type` a line, with what computes it.
pub(crate) fn models(args: &ModelsArgs, printer: &mut Printer) -> CommandOutcome {
    let ModelsCommand::List { json } = args.command;
    let architectures: Vec<ArchitectureRow> =
        model_types().into_iter().map(|(model_type, backend)| ArchitectureRow { model_type, backend }).collect();
    if json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&architectures)?))?;
        return Ok(());
    }
    let widest = architectures.iter().map(|architecture| architecture.model_type.len()).max().unwrap_or(0);
    for ArchitectureRow { model_type, backend } in &architectures {
        printer.data(&format!("{model_type:<widest$}  {backend}\n"))?;
    }
    Ok(())
}
