//! `gac import`: a run of lm-evaluation-harness as a run of ours.

use std::path::PathBuf;

use clap::Args;
use gac_harness::MetricKey;
use gac_harness::import::{self, ImportOptions, LmEvalRun};

use crate::outcome::CommandOutcome;
use crate::printer::Printer;

#[derive(Args, Debug)]
pub(crate) struct ImportArgs {
    /// What lm-evaluation-harness wrote to its `--output_path` with `--log_samples`, a folder
    pub(crate) source: PathBuf,
    /// Folder for the run
    #[arg(long, short_alias = 'o', value_name = "DIR")]
    pub(crate) output_path: PathBuf,
    /// The system's name [default: the model's]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// The field of documents whose value those share that are no independent evidence, such as `passage`: gates count
    /// them as one group
    #[arg(long, value_name = "FIELD")]
    pub(crate) group_by: Option<String>,
    /// The metric that a task is compared by [default: its first that is better when higher] (repeatable)
    #[arg(long, value_name = "TASK=METRIC,FILTER", value_parser = metric)]
    pub(crate) metric: Vec<(String, MetricKey)>,
}

/// Writes the run.
pub(crate) fn import(args: &ImportArgs, printer: &mut Printer) -> CommandOutcome {
    let run = LmEvalRun::read(&args.source)?;
    let options = ImportOptions {
        name: args.name.clone(),
        group_by: args.group_by.clone(),
        metrics: args.metric.iter().cloned().collect(),
    };
    let summary = import::import(&run, &args.output_path, &options)?;
    for differing in &summary.differing {
        printer.warning(&format!("another score than lm-evaluation-harness reports: {differing}"), None);
    }
    let documents: usize = summary.tasks.iter().map(|(_, documents)| documents).sum();
    let (tasks, folder) = (summary.tasks.len(), args.output_path.display());
    printer.note(&format!("results: {folder} (`{}`, {tasks} tasks, {documents} documents)", summary.system));
    Ok(())
}

fn metric(text: &str) -> Result<(String, MetricKey), String> {
    let parts = text.split_once('=').and_then(|(task, key)| Some((task, key.split_once(',')?)));
    let (task, (metric, filter)) = parts.ok_or("it is TASK=METRIC,FILTER, such as `gsm8k=exact_match,strict-match`")?;
    Ok((task.to_owned(), MetricKey { metric: metric.to_owned(), filter: filter.to_owned() }))
}
