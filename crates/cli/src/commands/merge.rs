//! `gac merge`: the shards of a run as one run.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use gac_harness::plan::Plan;
use gac_harness::results::{GitState, Provenance, StoredRun};
use gac_harness::{Shards, Timestamp, Tolerance, report};
use gac_inference::remote::without_passwords;

use crate::commands::planning::Planned;
use crate::commands::rerun;
use crate::commands::run::check_failed;
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::progress::Progress;

#[derive(Args, Debug)]
pub(crate) struct MergeArgs {
    /// The shards, folders of `gac run --shard`
    #[arg(required = true, value_name = "SHARD")]
    pub(crate) shards: Vec<PathBuf>,
    /// Folder for the merged run [default: results/NAME-TIME]
    #[arg(long, short_alias = 'o', value_name = "DIR")]
    pub(crate) output_path: Option<PathBuf>,
    /// What may be amiss: missing shards, documents in several shards (the first counts), different models or settings
    #[arg(long, value_delimiter = ',', value_name = "WHAT,WHAT")]
    pub(crate) allow: Vec<Allowed>,
    /// Documents that may have failed: with more the exit code is 2
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub(crate) allow_failed: usize,
    /// Print the leaderboard as JSON
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Allowed {
    Gaps,
    Overlaps,
    Settings,
}

/// Writes the run that shards make, and prints its leaderboard. No model is asked.
pub(crate) fn merge(args: &MergeArgs, printer: &mut Printer) -> CommandOutcome {
    let runs = args.shards.iter().map(|folder| StoredRun::read(folder)).collect::<Result<Vec<_>, _>>()?;
    let allows = |what| args.allow.contains(&what);
    let tolerance = Tolerance {
        gaps: allows(Allowed::Gaps),
        overlaps: allows(Allowed::Overlaps),
        settings: allows(Allowed::Settings),
    };
    let shards = Shards::new(runs, tolerance)?;
    let manifest = shards.manifest();
    let name = &manifest.plan.name;
    let default = || PathBuf::from("results").join(format!("{name}-{}", Timestamp::now().compact()));
    let output = args.output_path.clone().unwrap_or_else(default);
    let planned = Planned::of(Plan { shard: None, ..rerun::plan(manifest, Some(output)) })?;
    let provenance = Provenance {
        build: option_env!("GAC_BUILD_COMMIT").map(str::to_owned),
        command: std::env::args_os().map(|word| without_passwords(&word.to_string_lossy())).collect(),
        device: None,
        data: manifest.data.clone(),
        task_files: manifest.task_files.clone(),
        git: GitState::around(".".as_ref()),
    };
    let summary =
        shards.merge(&planned.plan, planned.load_tasks()?.loaded, &mut Progress::new(printer), &provenance)?;
    let leaderboard = &summary.leaderboard;
    let text = if args.json { report::json(leaderboard) } else { report::terminal(leaderboard, printer.width()) };
    printer.data(&text)?;
    printer.note(&format!("results: {}", summary.folder.display()));
    check_failed(leaderboard, args.allow_failed).map_err(|failure| {
        Failure::with_hint(
            anyhow::anyhow!("{}", failure.message()),
            "run their shards again, and merge into another folder",
        )
    })
}
