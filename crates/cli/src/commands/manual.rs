//! `gac completions` and `gac man`: the command line, for shells and readers.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub(crate) shell: Shell,
}

#[derive(Args, Debug)]
pub(crate) struct ManArgs {
    /// Write a page per command into this folder instead
    #[arg(long, value_name = "DIR")]
    pub(crate) output: Option<PathBuf>,
}

/// Prints a shell's completions of a command line.
pub(crate) fn completions(args: &CompletionsArgs, mut line: Command, printer: &mut Printer) -> CommandOutcome {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut line, "gac", &mut script);
    printer.data(&String::from_utf8_lossy(&script))?;
    Ok(())
}

/// Prints the manual page of a command line, or writes all of them.
pub(crate) fn man(args: &ManArgs, line: Command, printer: &mut Printer) -> CommandOutcome {
    if let Some(folder) = &args.output {
        std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(line, folder))
            .with_context(|| format!("failed to write `{}`", folder.display()))?;
    } else {
        let mut page = Vec::new();
        clap_mangen::Man::new(line).render(&mut page)?;
        printer.data(&String::from_utf8_lossy(&page))?;
    }
    Ok(())
}
