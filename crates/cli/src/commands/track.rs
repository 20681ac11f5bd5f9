//! `gac track`: a run's scores into a history.

use std::path::PathBuf;

use clap::Args;
use gac_harness::history::History;
use gac_harness::results::StoredRun;

use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct TrackArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// The history, a CSV file; it is made where there is none
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) history: PathBuf,
    /// The commit that the run is of [default: the one of the recipe's repository when it ran]
    #[arg(long, value_name = "COMMIT")]
    pub(crate) commit: Option<String>,
}

/// Adds the run; the same run again takes the place of what is there.
pub(crate) fn track(args: &TrackArgs, printer: &mut Printer) -> CommandOutcome {
    let mut history = History::read(&args.history)?;
    history.add(&StoredRun::read(&args.run)?, args.commit.as_deref())?;
    history.write(&args.history)?;
    printer.note(&format!("history: {} ({} runs)", args.history.display(), history.runs().len()));
    Ok(())
}
