//! `gac export`: a run in another format.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::{Args, ValueEnum};
use gac_harness::export;
use gac_harness::results::{StoredRun, write_atomic};

use crate::Outcome;
use crate::failure::Failure;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// A folder for lm-eval's files, a file for parquet [default: RUN/lm-eval, RUN/samples.parquet]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

/// Formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// lm-evaluation-harness's `results_*.json` and `samples_*.jsonl`, a folder per system
    LmEval,
    /// All samples as one table
    Parquet,
}

/// Writes a run in another format.
pub(crate) fn export(args: &ExportArgs, printer: &mut Printer) -> Outcome {
    let run = StoredRun::read(&args.run)?;
    match args.format {
        ExportFormat::LmEval => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("lm-eval"));
            let files = export::lm_eval(&run)?;
            for file in &files {
                write(&folder.join(&file.path), file.text.as_bytes())?;
            }
            printer.note(&format!("{} files in {}", files.len(), folder.display()));
        }
        ExportFormat::Parquet => {
            let path = args.output.clone().unwrap_or_else(|| args.run.join("samples.parquet"));
            let mut bytes = Vec::new();
            export::parquet(&run, &mut bytes)?;
            write(&path, &bytes)?;
            printer.note(&format!("{}", path.display()));
        }
    }
    Ok(())
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write_atomic(path, bytes));
    Ok(written.with_context(|| format!("failed to write `{}`", path.display()))?)
}
