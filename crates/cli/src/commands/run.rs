//! `gac run`: a recipe.

use std::path::Path;

use gac_harness::identity::{DataFiles, HashCache, TaskFile, data_files, task_files};
use gac_harness::recipe::{Overrides, Plan, Recipe, SelectedTasks, TaskPlan};
use gac_harness::report::{Leaderboard, Row};
use gac_harness::results::{GitState, Manifest, Provenance, unfinished_run};
use gac_harness::tasks::{DocumentPicks, DocumentPicksError, GenerationOverrides};
use gac_harness::{DataSource, LoadedTask, ModelStore, RunSummary, TaskError, TaskOptions, TaskRegistry, report};
use gac_inference::DeviceList;

use crate::Outcome;
use crate::args::{RunArgs, RunSettings};
use crate::commands::dry_run::dry_run;
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Progress;

/// Runs a recipe file.
pub(crate) fn run(args: &RunArgs, printer: &mut Printer) -> Outcome {
    let recipe = Recipe::load(&args.recipe)?;
    if args.dry_run {
        let plan = plan(&recipe, &args.settings, printer)?;
        return dry_run(&plan, &args.settings.compute, args.probe, args.settings.json, printer);
    }
    execute(&recipe, &args.settings, printer)
}

/// What a recipe and flags say is to be done.
pub(crate) fn plan(recipe: &Recipe, settings: &RunSettings, printer: &mut Printer) -> Result<Plan, Failure> {
    let plan = Plan::resolve(recipe, &overrides(settings)?)?;
    select_tasks(plan, settings, printer)
}

/// A plan with names of tasks in place of patterns, and with the documents that flags pick.
pub(crate) fn select_tasks(plan: Plan, settings: &RunSettings, printer: &mut Printer) -> Result<Plan, Failure> {
    let picks = settings.samples.as_deref().map(picks).transpose()?;
    let registry = TaskRegistry::with_folders(&plan.include_path)?;
    let SelectedTasks { plan, not_picked } =
        plan.select_tasks(&registry, picks.as_ref()).map_err(|error| match &error {
            // lm-evaluation-harness's ways to see what there is.
            TaskError::Unknown { name, .. } if name == "list" || name.starts_with("list_") => Failure::with_hint(
                error,
                "`gac tasks list` lists the tasks, with `--subtasks` their groups and subtasks too",
            ),
            _ => error.into(),
        })?;
    if let [first, ..] = &not_picked[..] {
        let text = match not_picked.len() {
            1 => format!("`--samples` picks no documents of `{first}`: all are evaluated"),
            count => {
                format!("`--samples` picks no documents of {count} (sub)tasks, `{first}` the first: all are evaluated")
            }
        };
        printer.warning(&text, None);
    }
    Ok(plan)
}

/// The documents that `--samples` picks: in a JSON text or in a file.
fn picks(given: &str) -> Result<DocumentPicks, Failure> {
    let is_text = given.trim_start().starts_with(['{', '[']);
    let wrong = |error: anyhow::Error| Failure::with_hint(error, SAMPLES_HINT);
    let text = if is_text {
        given.to_owned()
    } else {
        std::fs::read_to_string(given)
            .map_err(|error| wrong(anyhow::Error::from(error).context(format!("failed to read `{given}`"))))?
    };
    let place = if is_text { "`--samples`".to_owned() } else { format!("`{given}`") };
    text.parse().map_err(|error: DocumentPicksError| wrong(anyhow::anyhow!("{place} picks no documents: {error}")))
}

const SAMPLES_HINT: &str = r#"`--samples` takes a JSON object of (sub)tasks and documents' numbers, as {"mmlu_anatomy": [0, 7]}, or a file that holds one"#;

/// Resolves a recipe, loads its tasks, runs it and prints the leaderboard.
pub(crate) fn execute(recipe: &Recipe, settings: &RunSettings, printer: &mut Printer) -> Outcome {
    let mut plan = plan(recipe, settings, printer)?;
    if settings.output_path.is_none()
        && recipe.output.is_none()
        && let Some(unfinished) = unfinished_run(&plan)
    {
        printer.note(&format!("going on with `{}`, which was cut short", unfinished.display()));
        plan.output = unfinished;
    }
    let compute = &settings.compute;
    let summary = execute_plan(&plan, (&compute.device, compute.max_memory), settings.json, printer)?;
    check_failed(&summary.leaderboard, settings.allow_failed)
}

/// Refuses more failed documents than are allowed.
pub(crate) fn check_failed(leaderboard: &Leaderboard, allowed: usize) -> Outcome {
    let failed: usize = leaderboard.rows.iter().map(Row::all_failed).sum();
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

/// Runs a plan and prints the leaderboard.
pub(crate) fn execute_plan(
    plan: &Plan,
    (device, max_memory): (&DeviceList, Option<u64>),
    json: bool,
    printer: &mut Printer,
) -> Result<RunSummary, Failure> {
    let tasks = load_tasks(plan)?;
    let provenance = provenance(plan, &tasks, device)?;
    let mut models = ModelStore::new(plan.models.clone(), device.clone(), plan.batch_size).with_max_memory(max_memory);
    let mut plan = plan.clone();
    // A run that is gone on with tells the time that it began with.
    let before = Manifest::read(&plan.output).ok();
    models.fix_times(&mut plan, before.as_ref().map(|manifest| &manifest.plan))?;
    let summary = gac_harness::run_with(&plan, &tasks, &mut models, &mut Progress::new(printer), &provenance)?;
    let leaderboard = &summary.leaderboard;
    printer.data(&if json { report::json(leaderboard) } else { report::terminal(leaderboard, printer.width()) })?;
    printer.note(&format!("results: {}", summary.folder.display()));
    Ok(summary)
}

/// The files that tasks read.
pub(crate) struct ReadFiles {
    /// Their documents, and their shots where they have any.
    pub(crate) data: Vec<DataFiles>,
    /// Where shots and descriptions of lm-evaluation-harness's own come from.
    pub(crate) task_files: Vec<TaskFile>,
}

/// Finds and hashes the files that tasks read.
pub(crate) fn read_files(plan: &Plan, tasks: &[LoadedTask]) -> Result<ReadFiles, Failure> {
    let registry = TaskRegistry::with_folders(&plan.include_path)?;
    let (mut splits, mut places) = (Vec::new(), Vec::new());
    for task in tasks {
        splits.extend(registry.splits(&task.name, task.num_fewshot > 0)?);
        places.extend(registry.task_files(&task.name)?);
    }
    let splits = splits.iter().map(|(dataset, split)| (dataset, split.as_str()));
    let source = DataSource::new(plan.data_dir.clone());
    let mut cache = HashCache::of_user();
    let data = data_files(splits, &source, &mut cache)?;
    let task_files = task_files(places, &source, &mut cache)?;
    cache.save();
    Ok(ReadFiles { data, task_files })
}

/// What is known of a run besides its plan.
fn provenance(plan: &Plan, tasks: &[LoadedTask], device: &DeviceList) -> Result<Provenance, Failure> {
    let ReadFiles { data, task_files } = read_files(plan, tasks)?;
    let folder = plan.recipe.as_deref().and_then(Path::parent).unwrap_or(Path::new("."));
    Ok(Provenance {
        build: option_env!("GAC_BUILD_COMMIT").map(str::to_owned),
        command: std::env::args_os().map(|arg| arg.to_string_lossy().into_owned()).collect(),
        device: Some(device.to_string()),
        data,
        task_files,
        git: GitState::around(folder),
    })
}

pub(crate) fn overrides(settings: &RunSettings) -> Result<Overrides, Failure> {
    let gen_kwargs = settings.gen_kwargs.as_deref().map(str::parse::<GenerationOverrides>).transpose();
    Ok(Overrides {
        limit: settings.limit,
        num_fewshot: settings.num_fewshot,
        gen_kwargs: gen_kwargs.map_err(|error| {
            let hint = error.hint();
            Failure::with_hint(error, hint)
        })?,
        include_path: settings.include_path.clone(),
        output: settings.output_path.clone(),
        data_dir: settings.data_dir.clone(),
        batch_size: settings.compute.batch_size(),
        dtype: settings.compute.dtype(),
        log_samples: settings.log_samples.then_some(true),
        trace: settings.trace.then_some(true),
        chat_template_args: settings.chat.chat_template_args.clone().unwrap_or_default(),
    })
}

pub(crate) fn load_tasks(plan: &Plan) -> Result<Vec<LoadedTask>, Failure> {
    let data = DataSource::new(plan.data_dir.clone());
    let registry = TaskRegistry::with_folders(&plan.include_path)?;
    plan.tasks.iter().map(|task| Ok(registry.load(&task.name, &data, &options(task))?)).collect()
}

/// What a plan asks of a task.
pub(crate) fn options(task: &TaskPlan) -> TaskOptions {
    TaskOptions {
        num_fewshot: task.num_fewshot,
        limit: task.limit,
        samples: task.samples.clone(),
        fewshot_seed: task.fewshot_seed,
        generation: task.gen_kwargs.clone(),
    }
}
