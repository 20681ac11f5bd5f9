//! `gac export`: a run in another format.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use gac_harness::results::{SampleRecord, StoredRun, write_atomic};
use gac_harness::tasks::TaskRows;
use gac_harness::{DataSource, TaskRegistry, export};

use crate::Outcome;
use crate::commands::rerun;
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
            let files = export::lm_eval(&run, &rows(&run, printer))?;
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

/// The documents' rows of every task whose data are on this machine; of others a warning.
fn rows(run: &StoredRun, printer: &mut Printer) -> BTreeMap<String, TaskRows> {
    let plan = rerun::plan(&run.manifest, None);
    let data = DataSource::new(plan.data_dir);
    let mut all = BTreeMap::new();
    for task in &run.manifest.tasks {
        let name = &task.name;
        let rows = TaskRegistry::with_folders(&plan.include_path).and_then(|registry| registry.rows(name, &data));
        let rows = match rows {
            Ok(rows) => rows,
            Err(error) => {
                let failure = Failure::from(error);
                let text = format!("`doc` has no fields of the documents of `{name}`: {}", failure.message());
                printer.warning(&text, failure.hint().as_deref());
                continue;
            }
        };
        let samples = run.systems.iter().flat_map(|system| &system.tasks).filter(|done| done.entry.name == *name);
        let is_other =
            |sample: &&SampleRecord| rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash).is_none();
        let others = samples.flat_map(|done| &done.samples).filter(is_other).count();
        if others > 0 {
            let text =
                format!("`doc` has no fields for {others} samples of `{name}`: the data hold other documents now");
            printer.warning(&text, None);
        }
        all.insert(name.clone(), rows);
    }
    all
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let written = path.parent().map_or(Ok(()), fs::create_dir_all).and_then(|()| write_atomic(path, bytes));
    written.map_err(|source| Failure::cannot_write(path, source, "name another place with `-o`"))
}
