//! `gac run`: a recipe.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use clap::Args;
use gac_harness::identity::{DataFiles, TaskFile, data_files, task_files};
use gac_harness::plan::{Plan, Recipe};
use gac_harness::report::{Leaderboard, SystemRow};
use gac_harness::results::{GitState, Manifest, Provenance, unfinished_run};
use gac_harness::{DataSource, LoadedTask, RunSummary, report};
use gac_inference::DeviceList;
use gac_inference::remote::without_passwords;
use gac_systems::{HashCache, ModelStore};

use crate::commands::dry_run::dry_run;
use crate::commands::planning::{PlannedTasks, plan};
use crate::failure::Failure;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::progress::Progress;
use crate::shared_args::RunSettings;

#[derive(Args, Debug)]
pub(crate) struct RunArgs {
    /// The recipe, a TOML file
    pub(crate) recipe: PathBuf,
    /// Tell what would be done, and do nothing but a short probe for the estimate of time
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Documents per task in that probe; 0: none
    #[arg(long, value_name = "N", default_value_t = 4, requires = "dry_run")]
    pub(crate) probe: usize,
    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

/// Runs a recipe file.
pub(crate) fn run(args: &RunArgs, printer: &mut Printer) -> CommandOutcome {
    let recipe = Recipe::load(&args.recipe)?;
    if args.dry_run {
        let planned = plan(&recipe, &args.settings, printer)?;
        return dry_run(&planned, &args.settings.compute, args.probe, args.settings.json, printer);
    }
    execute(&recipe, &args.settings, printer)
}

/// Resolves a recipe, loads its tasks, runs it and prints the leaderboard.
pub(crate) fn execute(recipe: &Recipe, settings: &RunSettings, printer: &mut Printer) -> CommandOutcome {
    let mut planned = plan(recipe, settings, printer)?;
    if recipe.output.is_none() {
        planned.plan = or_unfinished(planned.plan, settings, printer);
    }
    let compute = &settings.compute;
    let tasks = planned.load_tasks()?;
    if settings.samples_kept.write_out {
        for task in &tasks.loaded {
            printer.note(&first_prompt(task));
        }
    }
    let summary = execute_plan(&planned.plan, &tasks, (&compute.device, compute.max_memory), printer)?;
    if settings.samples_kept.predict_only {
        printer.note(&format!("responses: {}", summary.folder.display()));
    } else {
        print_leaderboard(&summary, settings.json, printer)?;
    }
    check_failed(&summary.leaderboard, settings.allow_failed)
}

/// The plan, or the same one that was cut short where flags name no folder.
pub(crate) fn or_unfinished(mut plan: Plan, settings: &RunSettings, printer: &mut Printer) -> Plan {
    if settings.output_path.is_none()
        && let Some(unfinished) = unfinished_run(&plan)
    {
        printer.note(&format!("going on with `{}`, which was cut short", unfinished.display()));
        plan.output = unfinished;
    }
    plan
}

/// Refuses more failed documents than are allowed.
pub(crate) fn check_failed(leaderboard: &Leaderboard, allowed: usize) -> CommandOutcome {
    let failed: usize = leaderboard.rows.iter().map(SystemRow::all_failed).sum();
    if failed <= allowed {
        return Ok(());
    }
    let documents = if failed == 1 { "document" } else { "documents" };
    let error = match allowed {
        0 => anyhow::anyhow!("{failed} {documents} failed"),
        _ => anyhow::anyhow!("{failed} {documents} failed, more than the {allowed} that may"),
    };
    let hint =
        format!("the same command again asks them once more; `--allow-failed {failed}` accepts that they failed");
    Err(Failure::with_hint(error, hint))
}

/// Runs a plan.
pub(crate) fn execute_plan(
    plan: &Plan,
    tasks: &PlannedTasks,
    (device, max_memory): (&DeviceList, Option<u64>),
    printer: &mut Printer,
) -> Result<RunSummary, Failure> {
    let provenance = provenance(plan, tasks, device)?;
    let mut models = ModelStore::new(plan.models.clone(), device.clone(), plan.batch_size).with_max_memory(max_memory);
    let mut plan = plan.clone();
    // A run that is gone on with tells the time that it began with.
    let before = Manifest::read(&plan.output).ok();
    let before = before.as_ref().map_or(&[][..], |manifest| &manifest.plan.systems);
    models.fix_times(&mut plan.systems, before)?;
    Ok(gac_harness::run_with(&plan, &tasks.loaded, &mut models, &mut Progress::new(printer), &provenance)?)
}

/// What a task asks first, and what is right.
fn first_prompt(task: &LoadedTask) -> String {
    let Some(document) = task.documents.first() else { return format!("{}: no documents", task.name) };
    let mut shown = format!("{}, first prompt:\n{}\n", task.name, document.request.prompt());
    for (context, continuation) in document.request.choices() {
        // Where choices are parts of the question, each has a prompt of its own.
        let asked = if context == document.request.prompt() { "" } else { context };
        // Writing to a string cannot fail.
        let _ = writeln!(shown, "choice: {asked}{continuation:?}");
    }
    if let Some(no_answer) = document.request.no_answer() {
        let _ = writeln!(shown, "no answer: {no_answer:?}");
    }
    let _ = write!(shown, "right: {}", document.target);
    shown
}

/// Prints what a run came to.
pub(crate) fn print_leaderboard(summary: &RunSummary, json: bool, printer: &mut Printer) -> CommandOutcome {
    let leaderboard = &summary.leaderboard;
    printer.data(&if json { report::json(leaderboard) } else { report::terminal(leaderboard, printer.width()) })?;
    printer.note(&format!("results: {}", summary.folder.display()));
    Ok(())
}

/// The files that tasks read.
pub(crate) struct ReadFiles {
    /// Their documents, and their shots where they have any.
    pub(crate) data: Vec<DataFiles>,
    /// Where shots and descriptions of lm-evaluation-harness's own come from.
    pub(crate) task_files: Vec<TaskFile>,
}

/// Finds and hashes the files that tasks read.
pub(crate) fn read_files(plan: &Plan, tasks: &PlannedTasks) -> Result<ReadFiles, Failure> {
    let splits = tasks.splits.iter().map(|(dataset, split)| (dataset, split.as_str()));
    let source = DataSource::new(plan.data_dir.clone());
    let mut cache = HashCache::of_user();
    let data = data_files(splits, &source, &mut cache)?;
    let task_files = task_files(tasks.task_files.iter().cloned(), &source, &mut cache)?;
    cache.save();
    Ok(ReadFiles { data, task_files })
}

/// What is known of a run besides its plan.
fn provenance(plan: &Plan, tasks: &PlannedTasks, device: &DeviceList) -> Result<Provenance, Failure> {
    let ReadFiles { data, task_files } = read_files(plan, tasks)?;
    let folder = plan.recipe.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(Provenance {
        build: option_env!("GAC_BUILD_COMMIT").map(str::to_owned),
        command: std::env::args_os().map(|word| without_passwords(&word.to_string_lossy())).collect(),
        device: Some(device.to_string()),
        data,
        task_files,
        git: GitState::around(folder),
    })
}
