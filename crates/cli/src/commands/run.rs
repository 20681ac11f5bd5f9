//! `gac run`: a recipe.

use gac_harness::recipe::{Overrides, Plan, Recipe};
use gac_harness::tasks::GenerationOverrides;
use gac_harness::{DataSource, LoadedTask, ModelStore, TaskOptions, TaskRegistry, report};

use crate::Outcome;
use crate::args::{RunArgs, RunSettings};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::Progress;

/// Runs a recipe file.
pub(crate) fn run(args: &RunArgs, printer: &mut Printer) -> Outcome {
    let recipe = Recipe::load(&args.recipe)?;
    execute(&recipe, &args.settings, printer)
}

/// Resolves a recipe, loads its tasks, runs it and prints the leaderboard.
pub(crate) fn execute(recipe: &Recipe, settings: &RunSettings, printer: &mut Printer) -> Outcome {
    let plan = Plan::resolve(recipe, &overrides(settings)?)?;
    let tasks = load_tasks(&plan, &TaskRegistry::with_folders(&settings.include_path)?)?;
    let mut models = ModelStore::new(plan.models.clone(), settings.compute.device, plan.batch_size);
    let summary = gac_harness::run(&plan, &tasks, &mut models, &mut Progress::new(printer))?;
    printer.data(&report::terminal(&summary.leaderboard, printer.width()))?;
    printer.note(&format!("results: {}", summary.folder.display()));
    Ok(())
}

fn overrides(settings: &RunSettings) -> Result<Overrides, Failure> {
    let gen_kwargs = settings.gen_kwargs.as_deref().map(str::parse::<GenerationOverrides>).transpose();
    Ok(Overrides {
        gen_kwargs: gen_kwargs.map_err(|error| {
            let hint = error.hint();
            Failure::with_hint(error, hint)
        })?,
        limit: settings.limit,
        num_fewshot: settings.num_fewshot,
        output: settings.output_path.clone(),
        data_dir: settings.data_dir.clone(),
        batch_size: settings.compute.batch_size,
        dtype: settings.compute.dtype.map(Into::into),
        log_samples: settings.log_samples.then_some(true),
    })
}

fn load_tasks(plan: &Plan, registry: &TaskRegistry) -> Result<Vec<LoadedTask>, Failure> {
    let data = DataSource::new(plan.data_dir.clone());
    plan.tasks
        .iter()
        .map(|task| {
            let options =
                TaskOptions { num_fewshot: task.num_fewshot, limit: task.limit, generation: task.gen_kwargs.clone() };
            Ok(registry.load(&task.name, &data, &options)?)
        })
        .collect()
}
