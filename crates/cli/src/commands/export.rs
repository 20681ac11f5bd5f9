//! `gac export`: a run in another format.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gac_harness::export::{self, LmEvalSources, LmEvalTask};
use gac_harness::frames::{self, DataFrame};
use gac_harness::report::{self, Leaderboard};
use gac_harness::results::{SampleRecord, StoredRun, StoredSystem, SystemResults};
use gac_harness::stats::Bootstrap;
use gac_harness::tasks::TaskRows;
use gac_harness::{DataSource, TaskRegistry};
use gac_inference::{DeviceList, ModelFacts, ModelSource};
use gac_systems::{ModelOrigin, ModelStore, write_atomic};

use crate::commands::planning::options;
use crate::commands::rerun;
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
    /// A folder for lm-eval's files and frames, a file for parquet [default: RUN/lm-eval, RUN/frames,
    /// RUN/samples.parquet]
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
    /// `samples.parquet`, `scores.parquet` (the leaderboard) and `subjects.parquet`, for notebooks
    Frames,
}

/// Writes a run in another format.
pub(crate) fn export(args: &ExportArgs, printer: &mut Printer) -> CommandOutcome {
    let run = StoredRun::read(&args.run)?;
    match args.format {
        ExportFormat::LmEval => {
            let folder = args.output.clone().unwrap_or_else(|| args.run.join("lm-eval"));
            let files = export::lm_eval(&run, &sources(&run, printer))?;
            for file in &files {
                write(&folder.join(&file.path), file.text.as_bytes())?;
            }
            printer.note(&format!("{} files in {}", files.len(), folder.display()));
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

/// What the run's folder does not hold, as far as it is on this machine; of the rest a warning.
fn sources(run: &StoredRun, printer: &mut Printer) -> LmEvalSources {
    let plan = rerun::plan(&run.manifest, None);
    let registry = match TaskRegistry::with_folders(&plan.include_path) {
        Ok(registry) => registry,
        Err(error) => {
            warn(printer, "the run's own task definitions are not here", error);
            TaskRegistry::built_in()
        }
    };
    let data = DataSource::new(plan.data_dir.clone());
    let mut sources = LmEvalSources::default();
    for entry in &run.manifest.tasks {
        let name = &entry.name;
        let mut task = LmEvalTask { outline: registry.outline(name).ok(), ..LmEvalTask::default() };
        match registry.rows(name, &data) {
            Ok(rows) => {
                let others = others(run, name, &rows);
                if others > 0 {
                    let text = format!(
                        "`doc` has no fields for {others} samples of `{name}`: the data hold other documents now"
                    );
                    printer.warning(&text, None);
                }
                task.rows = rows;
                let settings = plan.tasks.iter().find(|task| task.name == *name).map(options).unwrap_or_default();
                task.loaded = registry.load(name, &data, &settings).ok();
            }
            Err(error) => warn(printer, &format!("`doc` has no fields of the documents of `{name}`"), error),
        }
        sources.tasks.insert(name.clone(), task);
    }
    for model in &plan.models {
        let source = match &model.source {
            ModelOrigin::Path(path) => ModelSource::local(path),
            ModelOrigin::Hub(id) => ModelSource::parse(id),
            ModelOrigin::Server(_) => {
                printer
                    .warning(&format!("model `{}` is on a server: what its files say is left out", model.name), None);
                continue;
            }
        };
        let here = source.and_then(|source| {
            let is_here = source.missing().is_empty();
            if is_here { ModelFacts::read(&source).map(Some) } else { Ok(None) }
        });
        match here {
            Ok(Some(facts)) => {
                sources.models.insert(model.name.clone(), facts);
            }
            Ok(None) => printer.warning(
                &format!("model `{}` is not on this machine: what its files say is left out", model.name),
                None,
            ),
            Err(error) => warn(printer, &format!("what the files of model `{}` say is left out", model.name), error),
        }
    }
    let mut store = ModelStore::new(plan.models.clone(), DeviceList::default(), plan.batch_size);
    for system in &plan.systems {
        let members = || system.members.iter().all(|name| sources.models.contains_key(name));
        if members() {
            match store.chat_templates(system) {
                Ok(templates) => {
                    sources.templates.insert(system.name.clone(), templates);
                }
                Err(error) => {
                    warn(printer, &format!("chats of system `{}` are written as plain text", system.name), error);
                }
            }
        }
    }
    sources
}

fn warn(printer: &mut Printer, what: &str, error: impl Into<anyhow::Error>) {
    let failure = Failure::from(error);
    printer.warning(&format!("{what}: {}", failure.message()), failure.hint().as_deref());
}

/// Samples of a task whose documents are not those of the data.
fn others(run: &StoredRun, task: &str, rows: &TaskRows) -> usize {
    let samples = run.systems.iter().flat_map(|system| &system.tasks).filter(|done| done.entry.name == task);
    let is_other =
        |sample: &&SampleRecord| rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash).is_none();
    samples.flat_map(|done| &done.samples).filter(is_other).count()
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
