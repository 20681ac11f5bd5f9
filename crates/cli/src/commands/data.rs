//! `gac data`: what tasks read, fetched and checked.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use gac_harness::data::{FileState, NeededFile, Standing};
use gac_harness::{DataSource, TaskRegistry};

use crate::failure::Failure;
use crate::outcome::Check;
use crate::printer::Printer;
use crate::progress::counter;

#[derive(Args, Debug)]
pub(crate) struct DataArgs {
    #[command(subcommand)]
    pub(crate) command: DataCommand,
    /// Folder with task definitions of your own: *.toml, or *.yaml as lm-evaluation-harness has them (repeatable)
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

/// Fetches or checks data.
pub(crate) fn data(args: &DataArgs, printer: &mut Printer) -> Result<Check, Failure> {
    let registry = TaskRegistry::with_folders(&args.include_path)?;
    match &args.command {
        DataCommand::Fetch(selection) => fetch(&registry, selection, printer),
        DataCommand::Verify(selection) => verify(&registry, selection, printer),
    }
}

/// Fetches file after file; one that is there is left alone, so that a broken fetch goes on where it ended.
fn fetch(registry: &TaskRegistry, selection: &DataSelection, printer: &mut Printer) -> Result<Check, Failure> {
    let files = registry.needs(&selection.tasks)?.files();
    let data = DataSource::new(selection.data_dir.clone());
    let bar = counter(printer, "fetching", files.len());
    let mut fetched = 0;
    let mut failures: Vec<Failure> = Vec::new();
    for file in &files {
        bar.set_message(file.name.clone());
        match file.fetch(&data) {
            Ok(is_new) => fetched += usize::from(is_new),
            // A data set that cannot be had, a gated one say, does not keep the others back.
            Err(error) => failures.push(error.into()),
        }
        bar.inc(1);
    }
    bar.finish_and_clear();
    let there = files.len() - fetched - failures.len();
    printer.note(&format!("{fetched} of {} files fetched, {there} were there", files.len()));
    let Some(last) = failures.pop() else { return Ok(Check::Fine) };
    for failure in &failures {
        printer.warning(&failure.message(), failure.hint().as_deref());
    }
    Err(last)
}

/// Tells how every file stands. A file may be missing, unless the task that needs it was named.
fn verify(registry: &TaskRegistry, selection: &DataSelection, printer: &mut Printer) -> Result<Check, Failure> {
    let files = registry.needs(&selection.tasks)?.files();
    let data = DataSource::new(selection.data_dir.clone());
    let bar = counter(printer, "checking", files.len());
    let mut missing = 0;
    let mut refused = 0;
    for file in &files {
        let standing = file.standing(&data);
        bar.inc(1);
        let (verdict, more) = describe(&standing);
        missing += usize::from(matches!(standing, Standing::Missing));
        refused += usize::from(matches!(standing, Standing::Refused(_)));
        bar.suspend(|| printer.data(&line(file, verdict, &more)))?;
    }
    bar.finish_and_clear();
    let there = files.len() - missing - refused;
    printer.note(&format!("{there} files there, {missing} missing, {refused} refused"));
    let says_no = refused > 0 || (missing > 0 && !selection.tasks.is_empty());
    Ok(if says_no { Check::SaidNo } else { Check::Fine })
}

fn line(file: &NeededFile, verdict: &str, more: &str) -> String {
    let space = if more.is_empty() { "" } else { "  " };
    format!("{verdict:<8}  {}{space}{more}\n", file.name)
}

/// A verdict in one word, and what there is to say.
fn describe(standing: &Standing) -> (&'static str, String) {
    match standing {
        Standing::Missing => ("missing", String::new()),
        Standing::Refused(error) => {
            let cause = std::error::Error::source(error).map_or_else(String::new, |cause| format!(": {cause}"));
            ("refused", format!("{error}{cause}"))
        }
        Standing::There { state, rows, expected_rows, .. } => {
            let known = match state {
                FileState::Hub => "hub",
                FileState::Rebuilt => "rebuilt",
                FileState::Source => "source",
                FileState::Other => "other",
            };
            let rows = match (rows, expected_rows) {
                (Some(rows), Some(expected)) if rows != expected => format!("{rows} rows, {expected} expected"),
                (Some(rows), _) => format!("{rows} rows"),
                (None, _) => String::new(),
            };
            (known, rows)
        }
    }
}
