//! `gac models`: what can be run.

use crate::Outcome;
use crate::args::{ModelsArgs, ModelsCommand};
use crate::printer::Printer;

/// Lists the architectures, one `model_type` a line.
pub(crate) fn models(args: &ModelsArgs, printer: &mut Printer) -> Outcome {
    let ModelsCommand::List { json } = args.command;
    let architectures: Vec<&str> = gac_inference::architectures().collect();
    let text = if json { serde_json::to_string_pretty(&architectures)? } else { architectures.join("\n") };
    printer.data(&format!("{text}\n"))?;
    Ok(())
}
