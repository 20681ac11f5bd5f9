//! From a recipe and flags to a plan, with its tasks.

use std::collections::BTreeSet;

use gac_harness::data::Dataset;
use gac_harness::plan::{Overrides, Plan, Recipe, SelectedTasks, TaskPlan};
use gac_harness::tasks::{DocumentPicks, DocumentPicksError, GenerationOverrides};
use gac_harness::{DataSource, LoadedTask, TaskError, TaskOptions, TaskRegistry};

use gac_systems::SystemsOverrides;

use crate::failure::Failure;
use crate::printer::Printer;
use crate::shared_args::RunSettings;

/// A plan with all tasks that there are: those that `--include-path` adds are read once.
pub(crate) struct Planned {
    pub(crate) plan: Plan,
    pub(crate) registry: TaskRegistry,
}

/// A plan's tasks with their documents, and what these come from.
pub(crate) struct PlannedTasks {
    pub(crate) loaded: Vec<LoadedTask>,
    /// Splits of data sets.
    pub(crate) splits: Vec<(Dataset, String)>,
    /// Files of lm-evaluation-harness.
    pub(crate) task_files: BTreeSet<String>,
}

/// What a recipe and flags say is to be done.
pub(crate) fn plan(recipe: &Recipe, settings: &RunSettings, printer: &mut Printer) -> Result<Planned, Failure> {
    let plan = Plan::resolve(recipe, &overrides(settings)?)?;
    select_tasks(plan, settings, printer)
}

/// A plan with names of tasks in place of patterns, and with the documents that flags pick.
pub(crate) fn select_tasks(plan: Plan, settings: &RunSettings, printer: &mut Printer) -> Result<Planned, Failure> {
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
    Ok(Planned { plan, registry })
}

impl Planned {
    /// A plan whose tasks are named already.
    pub(crate) fn of(plan: Plan) -> Result<Self, Failure> {
        let registry = TaskRegistry::with_folders(&plan.include_path)?;
        Ok(Self { plan, registry })
    }

    /// The plan's tasks, with their documents.
    pub(crate) fn load_tasks(&self) -> Result<PlannedTasks, Failure> {
        let Self { plan, registry } = self;
        let data = DataSource::new(plan.data_dir.clone());
        let mut tasks = PlannedTasks { loaded: Vec::new(), splits: Vec::new(), task_files: BTreeSet::new() };
        for of_task in &plan.tasks {
            let mut task = registry.load(&of_task.name, &data, &options(of_task))?;
            if let Some(shard) = plan.shard {
                shard.divide(&mut task)?;
            }
            task.repeat(of_task.repeats);
            task.groups.clone_from(&of_task.groups);
            tasks.splits.extend(registry.splits(&task.name, task.num_fewshot > 0)?);
            tasks.task_files.extend(registry.task_files(&task.name)?);
            tasks.loaded.push(task);
        }
        Ok(tasks)
    }
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

/// What flags say over a recipe.
pub(crate) fn overrides(settings: &RunSettings) -> Result<Overrides, Failure> {
    let gen_kwargs = settings.gen_kwargs.as_deref().map(str::parse::<GenerationOverrides>).transpose();
    Ok(Overrides {
        limit: settings.limit,
        repeats: settings.repeats,
        num_fewshot: settings.num_fewshot,
        gen_kwargs: gen_kwargs?,
        include_path: settings.include_path.clone(),
        output: settings.output_path.clone(),
        data_dir: settings.data_dir.clone(),
        batch_size: settings.compute.batch_size(),
        log_samples: (settings.samples_kept.log_samples || settings.samples_kept.predict_only).then_some(true),
        trace: settings.trace.then_some(true),
        use_cache: settings.use_cache.clone(),
        shard: settings.shard,
        systems: SystemsOverrides {
            dtype: settings.compute.dtype(),
            compute: settings.compute.products_in,
            chat_template_args: settings.chat.chat_template_args.clone().unwrap_or_default(),
        },
    })
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
