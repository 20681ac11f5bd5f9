//! `gac sweep`: a gate's thresholds as an axis, over weights and methods as a grid.

use std::path::Path;

use clap::Args;
use gac_ensemble::{BatchLimits, EnsembleError, Threshold};
use gac_harness::plan::{Plan, PlanError, Recipe};
use gac_harness::sweep::{SWEEP_FILE, SweepEntry, SweepFile, SweepOptions, csv, sweep as sweep_task};
use gac_harness::{Document, LoadedTask, Request, Warning};
use gac_systems::{ModelStore, SpecError, SystemSpec};

use crate::Outcome;
use crate::commands::eval::{check, recipe};
use crate::commands::planning::{load_tasks, overrides, select_tasks};
use crate::failure::Failure;
use crate::printer::Printer;
use crate::progress::counter;
use crate::shared_args::{RunSettings, SystemArgs};
use crate::voting::MethodArg;

#[derive(Args, Debug)]
pub(crate) struct SweepArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,

    /// Tasks, groups and subtasks by name or pattern, as `mmlu_stem` or `arc_*` (`gac tasks list` shows all)
    #[arg(long, short_alias = 't', value_delimiter = ',', required = true, num_args = 1.., value_name = "A,B")]
    pub(crate) tasks: Vec<String>,

    /// The thresholds
    #[arg(
        long,
        value_delimiter = ',',
        value_name = "T,T",
        allow_negative_numbers = true,
        default_value = "0,0.1,0.2,0.3,0.4,0.5,0.6,0.7,0.8,0.9,1"
    )]
    pub(crate) thresholds: Vec<f64>,

    /// Weights to go over, one number per model: 1:1,2:1 [default: those of `--weights`]
    #[arg(long, value_delimiter = ',', value_name = "W:W,W:W")]
    pub(crate) grid_weights: Vec<Weights>,

    /// Methods to go over: gac, unite, geometric [default: that of `--method`]
    #[arg(long, value_delimiter = ',', value_name = "METHOD,METHOD")]
    pub(crate) grid_methods: Vec<MethodArg>,

    /// Also run every threshold alone, one document at a time, for its latency
    #[arg(long)]
    pub(crate) measure_latency: bool,

    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

/// Evaluates every threshold, weight and method on every task.
pub(crate) fn sweep(args: &SweepArgs, printer: &mut Printer) -> Outcome {
    let thresholds = thresholds(&args.thresholds)?;
    check(&args.system, args.system.voting.apply_chat_template)?;
    let plan = Plan::resolve(&grid(args)?, &overrides(&args.settings)?).map_err(in_words_of_flags)?;
    let mut plan = select_tasks(plan, &args.settings, printer)?;
    let tasks = load_tasks(&plan)?;
    let output = args.settings.output_path.as_deref();
    if let Some(folder) = output {
        std::fs::create_dir_all(folder).map_err(|source| cannot_write(folder, source))?;
    }
    let mut models = ModelStore::new(plan.models.clone(), args.settings.compute.device.clone(), plan.batch_size)
        .with_max_memory(args.settings.compute.max_memory);
    models.fix_times(&mut plan.systems, &[])?;
    let options = SweepOptions {
        thresholds,
        measure_latency: args.measure_latency,
        limits: BatchLimits::batch(plan.batch_size),
        chat: plan.systems.first().and_then(|system| system.settings.chat.clone()),
    };
    let mut file = SweepFile::new(Vec::new());
    for system in &plan.systems {
        let settings = models.settings(system)?;
        // Otherwise it would find the prompts computed that the one before had to compute.
        models.scheduler().forget_prompts();
        for task in &tasks {
            let is_choice = |document: &Document| matches!(document.request, Request::Choose { .. });
            if settings.thinks() && task.documents.iter().any(is_choice) {
                let warning = Warning::ThinkingChoices { system: &system.name, task: &task.name };
                printer.warning(&warning.to_string(), warning.hint().as_deref());
            }
            let bar = counter(printer, &title(&system.name, task), task.documents.len() * options.thresholds.len());
            let scheduler = models.scheduler();
            let report = sweep_task(&system.name, scheduler, &settings, task, &options, &mut || bar.inc(1));
            bar.finish_and_clear();
            file.sweeps.push(SweepEntry {
                system: system.name.clone(),
                task: task.name.clone(),
                task_version: task.version.clone(),
                num_fewshot: task.num_fewshot,
                report: report?,
            });
            // Everything so far is on the disk, whatever comes.
            if let Some(folder) = output {
                write(folder, &file)?;
            }
        }
    }
    if args.settings.json {
        printer.data(&format!("{}\n", serde_json::to_string_pretty(&file)?))?;
    } else {
        printer.data(&as_csv(&file))?;
    }
    if let Some(folder) = output {
        let folder = folder.display();
        printer.note(&format!("sweep: {folder}/{SWEEP_FILE}; `gac report {folder}` draws it"));
    }
    Ok(())
}

fn title(system: &str, task: &LoadedTask) -> String {
    format!("{system}: {}", task.name)
}

/// The threshold that a sweep's systems have is our own: who gave none should not read of one.
fn in_words_of_flags(error: PlanError) -> Failure {
    let PlanError::Systems(SpecError::ThresholdWithoutGate { members, .. }) = &error else { return error.into() };
    let hint = match &members[..] {
        [_] => "add models with `--model`, and name the one that gates with `--gate`".to_owned(),
        _ => format!("name the model that gates with `--gate`: `{}`", members.join("`, `")),
    };
    Failure::with_hint(anyhow::anyhow!("a sweep needs a gate, for thresholds to hold its certainty against"), hint)
}

/// Ascending, each once.
fn thresholds(given: &[f64]) -> Result<Vec<Threshold>, Failure> {
    let mut thresholds =
        given.iter().map(|&value| Threshold::new(value)).collect::<Result<Vec<_>, _>>().map_err(EnsembleError::from)?;
    thresholds.sort_by(|a, b| a.get().total_cmp(&b.get()));
    thresholds.dedup();
    Ok(thresholds)
}

/// One system per weights and method. The threshold stands for those that are swept.
fn grid(args: &SweepArgs) -> Result<Recipe, Failure> {
    let mut base = recipe(&args.system, &args.tasks)?;
    let Some(one) = base.specs.systems.pop() else { return Ok(base) };
    let one = SystemSpec { threshold: one.threshold.or(Some(1.0)), name: one.members.join(" + "), ..one };
    let weights: Vec<Option<Vec<f64>>> = if args.grid_weights.is_empty() {
        vec![one.weights.clone()]
    } else {
        args.grid_weights.iter().map(|Weights(weights)| Some(weights.clone())).collect()
    };
    let methods = if args.grid_methods.is_empty() {
        vec![one.method]
    } else {
        args.grid_methods.iter().map(|method| Some(method.name())).collect()
    };
    for method in &methods {
        for weights in &weights {
            let mut name = one.name.clone();
            if let Some(method) = method {
                name = format!("{name}, {}", method.name());
            }
            if let Some(weights) = weights {
                let shown: Vec<String> = weights.iter().map(ToString::to_string).collect();
                name = format!("{name}, {}", shown.join(":"));
            }
            base.specs.systems.push(SystemSpec { name, method: *method, weights: weights.clone(), ..one.clone() });
        }
    }
    Ok(base)
}

/// One weight per model, as `2:1`.
#[derive(Clone, Debug)]
pub(crate) struct Weights(Vec<f64>);

impl std::str::FromStr for Weights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weights = text.split(':').map(|part| part.trim().parse::<f64>()).collect::<Result<Vec<_>, _>>();
        // One number alone is one of several with commas between.
        let weights = weights.ok().filter(|weights| weights.len() > 1);
        weights.map(Self).ok_or_else(|| format!("`{text}` is not one number per model with `:` between, as 2:1"))
    }
}

fn as_csv(file: &SweepFile) -> String {
    csv(file.sweeps.iter().flat_map(|entry| &entry.report.points))
}

fn write(folder: &Path, file: &SweepFile) -> Result<(), Failure> {
    let json = serde_json::to_string_pretty(file)? + "\n";
    for (name, text) in [(SWEEP_FILE, json), ("sweep.csv", as_csv(file))] {
        let path = folder.join(name);
        gac_systems::write_atomic(&path, text.as_bytes()).map_err(|source| cannot_write(&path, source))?;
    }
    Ok(())
}

fn cannot_write(path: &Path, source: std::io::Error) -> Failure {
    Failure::cannot_write(path, source, "choose an `--output-path` that can be written to")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_sorted_and_each_is_once() {
        let values: Vec<f64> = thresholds(&[0.9, 0.1, 0.9]).unwrap().iter().map(|t| t.get()).collect();
        assert_eq!(values, [0.1, 0.9]);
        assert!(thresholds(&[1.5]).is_err());
    }

    #[test]
    fn weights_of_a_grid_are_numbers_with_colons() {
        assert_eq!("2:1".parse::<Weights>().unwrap().0, [2.0, 1.0]);
        assert!("2,1".parse::<Weights>().is_err() && "2".parse::<Weights>().is_err());
    }
}
