//! `gac export`: a run in another format.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gac_harness::export::{self, ExportedFile};
use gac_harness::frames::{self, DataFrame};
use gac_harness::report::{self, Leaderboard};
use gac_harness::results::{StoredRun, StoredSystem, SystemResults};
use gac_harness::stats::Bootstrap;
use gac_systems::write_atomic;

use super::sources::{of_tasks, of_tasks_and_models};
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    /// The run, a folder
    pub(crate) run: PathBuf,
    /// The format
    #[arg(long, value_enum)]
    pub(crate) format: ExportFormat,
    /// A folder for several files, else a file [default: in RUN, `lm-eval`, `inspect`, `mlruns`, `wandb`, `frames`,
    /// `samples.parquet`, `run-card.json`]
    #[arg(short, long, value_name = "PATH")]
    pub(crate) output: Option<PathBuf>,
}

/// Formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ExportFormat {
    /// lm-evaluation-harness's `results_*.json` and `samples_*.jsonl`, a folder per system
    LmEval,
    /// inspect_ai's logs, an `.eval` per system and task, for `inspect view`
    Inspect,
    /// MLflow's file store, a run per system, for `mlflow server` or `mlflow migrate-filestore`
    Mlflow,
    /// W&B's offline runs, one per system, for `wandb sync`
    Wandb,
    /// What was run, on what, by which rules, and what came of it: one JSON-LD document with hashes
    Card,
    /// All samples as one table
    Parquet,
    /// `samples.parquet`, `scores.parquet` (the leaderboard) and `subjects.parquet`, for notebooks
    Frames,
}

/// Writes a run in another format.
pub(crate) fn export(args: &ExportArgs, printer: &mut Printer) -> CommandOutcome {
    let run = StoredRun::read(&args.run)?;
    match args.format {
        ExportFormat::LmEval => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("lm-eval"));
            let files = export::lm_eval(&run, &of_tasks_and_models(&run, printer))?;
            write_all(&folder, &files, printer)?;
        }
        ExportFormat::Inspect => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("inspect"));
            let sources = of_tasks(&run, printer);
            for (task, count) in export::unknown_prompts(&run, &sources) {
                let text = format!(
                    "the prompts of {count} samples of `{task}` are left out: they were not logged, and the data here are not what was asked"
                );
                printer.warning(&text, Some("runs with `--log-samples` keep them"));
            }
            let mut count = 0;
            for file in export::inspect(&run, &sources) {
                let file = file?;
                write(&folder.join(&file.path), &file.bytes)?;
                count += 1;
            }
            printer.note(&format!("{count} files in {}", folder.display()));
        }
        ExportFormat::Mlflow => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("mlruns"));
            // MLflow writes down where artifacts are.
            let absolute = std::path::absolute(&folder)
                .map_err(|source| Failure::cannot_write(&folder, source, "name another place with `-o`"))?;
            let files = export::mlflow(&run, &card(&run)?, &absolute)?;
            write_all(&folder, &files, printer)?;
        }
        ExportFormat::Wandb => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("wandb"));
            write_all(&folder, &export::wandb(&run), printer)?;
        }
        ExportFormat::Card => {
            let path = args.output.clone().unwrap_or_else(|| args.run.join("run-card.json"));
            write(&path, card(&run)?.as_bytes())?;
            printer.note(&format!("{}", path.display()));
        }
        ExportFormat::Parquet => {
            let path = args.output.clone().unwrap_or_else(|| args.run.join("samples.parquet"));
            write_frame(&path, &frames::samples(&run)?)?;
            printer.note(&format!("{}", path.display()));
        }
        ExportFormat::Frames => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("frames"));
            let results: Vec<SystemResults> = run.systems.iter().map(StoredSystem::results).collect();
            let mut leaderboard = Leaderboard::new(&results)?;
            // What cannot be compared has no difference to show.
            let _ = leaderboard.compare(&results, Bootstrap::default());
            let parts = results.iter().map(|system| (&*system.system, system.tasks.iter().collect()));
            write_frame(&folder.join("samples.parquet"), &frames::samples(&run)?)?;
            write_frame(&folder.join("scores.parquet"), &report::scores(&leaderboard)?)?;
            write_frame(&folder.join("subjects.parquet"), &frames::aggregates(parts)?)?;
            printer.note(&format!("3 files in {}", folder.display()));
        }
    }
    Ok(())
}

/// A run's card as it is written.
fn card(run: &StoredRun) -> Result<String, Failure> {
    let card = export::card(run, &export::result_files(run)?);
    Ok(serde_json::to_string_pretty(&card)? + "\n")
}

fn write_all(folder: &Path, files: &[ExportedFile], printer: &mut Printer) -> Result<(), Failure> {
    for file in files {
        write(&folder.join(&file.path), &file.bytes)?;
    }
    printer.note(&format!("{} files in {}", files.len(), folder.display()));
    Ok(())
}

fn write_frame(path: &Path, frame: &DataFrame) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    frames::write_parquet(frame, &mut bytes)?;
    write(path, &bytes)
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write_atomic(path, bytes));
    written.map_err(|source| Failure::cannot_write(path, source, "name another place with `-o`"))
}
