//! `gac sweep`: a recipe with axes from flags, its thresholds decoded together.

use clap::Args;
use gac_harness::plan::{Plan, PlanError, Recipe};
use gac_harness::report::Sweep;
use gac_harness::results::StoredRun;
use gac_systems::{Combination, SpecError, Values};

use crate::commands::eval::{check, recipe};
use crate::commands::planning::{overrides, select_tasks};
use crate::commands::run::{check_failed, execute_plan, or_unfinished};
use crate::failure::Failure;
use crate::named::named;
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::shared_args::{RunSettings, SystemArgs};

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
    pub(crate) grid_weights: Vec<GridWeights>,

    /// Methods to go over: gac, unite, geometric [default: that of `--method`]
    #[arg(long, value_delimiter = ',', value_name = "METHOD,METHOD", value_parser = named::<Combination>())]
    pub(crate) grid_methods: Vec<Combination>,

    /// Run every threshold by itself, one document at a time, for its latency: as `--batch-size 1`
    #[arg(long)]
    pub(crate) measure_latency: bool,

    #[command(flatten)]
    pub(crate) settings: RunSettings,
}

/// Runs every threshold, weight and method on every task: a recipe with axes.
pub(crate) fn sweep(args: &SweepArgs, printer: &mut Printer) -> CommandOutcome {
    check(&args.system, args.system.voting.apply_chat_template)?;
    let mut overrides = overrides(&args.settings)?;
    if args.measure_latency {
        overrides.batch_size = Some(1);
    }
    let plan = Plan::resolve(&axes(args)?, &overrides).map_err(in_words_of_flags)?;
    let mut planned = select_tasks(plan, &args.settings, printer)?;
    planned.plan = or_unfinished(planned.plan, &args.settings, printer);
    let compute = &args.settings.compute;
    let tasks = planned.load_tasks()?;
    let summary = execute_plan(&planned.plan, &tasks, (&compute.device, compute.max_memory), printer)?;
    if let Some(sweep) = Sweep::of(&StoredRun::read(&summary.folder)?) {
        let json = || serde_json::to_string_pretty(&sweep).map(|json| json + "\n");
        printer.data(&if args.settings.json { json()? } else { sweep.csv() })?;
    }
    let folder = summary.folder.display();
    printer.note(&format!("results: {folder}; `gac report {folder}` draws them"));
    check_failed(&summary.leaderboard, args.settings.allow_failed)
}

/// Who gave no threshold should not read of one.
fn in_words_of_flags(error: PlanError) -> Failure {
    let PlanError::Systems(SpecError::ThresholdWithoutGate { members, .. }) = &error else { return error.into() };
    let hint = match &members[..] {
        [_] => "add models with `--model`, and name the one that gates with `--gate`".to_owned(),
        _ => format!("name the model that gates with `--gate`: `{}`", members.join("`, `")),
    };
    Failure::with_hint(anyhow::anyhow!("a sweep needs a gate, for thresholds to hold its certainty against"), hint)
}

/// The recipe that flags state: their one system, with an axis for each setting that is gone over.
fn axes(args: &SweepArgs) -> Result<Recipe, Failure> {
    let mut recipe = Recipe { name: Some("sweep".to_owned()), ..recipe(&args.system, &args.tasks)? };
    for system in &mut recipe.specs.systems {
        system.name = system.members.join(" + ");
        system.threshold = None;
        system.thresholds = Some(ascending(&args.thresholds));
        if let Some(Values::One(method)) = system.method {
            system.method = Some(Values::Each(vec![method]));
        }
        if let Some(Values::One(weights)) = &system.weights {
            system.weights = Some(Values::Each(vec![weights.clone()]));
        }
        if !args.grid_methods.is_empty() {
            system.method = Some(Values::Each(args.grid_methods.clone()));
        }
        if !args.grid_weights.is_empty() {
            let lists = args.grid_weights.iter().map(|GridWeights(weights)| weights.clone());
            system.weights = Some(Values::Each(lists.collect()));
        }
    }
    Ok(recipe)
}

/// Each once.
fn ascending(thresholds: &[f64]) -> Vec<f64> {
    let mut thresholds = thresholds.to_vec();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    thresholds
}

/// One weight per model, as `2:1`.
#[derive(Clone, Debug)]
pub(crate) struct GridWeights(Vec<f64>);

impl std::str::FromStr for GridWeights {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let weights = text.split(':').map(|part| part.trim().parse::<f64>()).collect::<Result<Vec<_>, _>>();
        // One number alone is one of several with commas between.
        let weights = weights.ok().filter(|weights| weights.len() > 1);
        weights.map(Self).ok_or_else(|| format!("`{text}` is not one number per model with `:` between, as 2:1"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_are_sorted_and_each_is_once() {
        assert_eq!(ascending(&[0.9, 0.1, 0.9]), [0.1, 0.9]);
    }

    #[test]
    fn weights_of_a_grid_are_numbers_with_colons() {
        assert_eq!("2:1".parse::<GridWeights>().unwrap().0, [2.0, 1.0]);
        assert!("2,1".parse::<GridWeights>().is_err() && "2".parse::<GridWeights>().is_err());
    }
}
