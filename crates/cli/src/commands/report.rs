//! `gac report`: a run as one page.

use std::path::PathBuf;

use anyhow::Context;
use clap::Args;
use gac_harness::report;
use gac_harness::results::{StoredRun, write_atomic};

use crate::Outcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ReportArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// The page [default: RUN/report.html]
    #[arg(short, long, value_name = "FILE.html")]
    pub(crate) output: Option<PathBuf>,
}

/// Writes a run's report.
pub(crate) fn report(args: &ReportArgs, printer: &mut Printer) -> Outcome {
    let run = StoredRun::read(&args.run)?;
    let page = report::report(&run)?;
    let output = args.output.clone().unwrap_or_else(|| args.run.join("report.html"));
    write_atomic(&output, page.as_bytes()).with_context(|| format!("failed to write `{}`", output.display()))?;
    printer.note(&format!("report: {} ({} bytes)", output.display(), page.len()));
    Ok(())
}
