//! A sweep's points lined up as curves over the threshold, tasks pooled.

use super::thresholds::{Sweep, SweepPoint};
use crate::report::estimate::Estimate;

/// One line of a sweep's charts: a system over all tasks, or one task of the only system.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Curve {
    /// What tells it from the other lines.
    pub(crate) name: String,
    /// By threshold, ascending.
    pub(crate) spots: Vec<Spot>,
}

/// One or several tasks at one threshold.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Spot {
    /// The threshold.
    pub(crate) threshold: f64,
    /// The plain average over tasks; its standard error takes the tasks as independent.
    pub(crate) score: Estimate,
    /// Steps at which the members voted, of all steps; absent where nothing was generated.
    pub(crate) share: Option<f64>,
    /// The cost by what each kind of step costs.
    pub(crate) modelled: Option<GenerationCost>,
    /// The cost by the clock.
    pub(crate) measured: Option<GenerationCost>,
}

/// What generating costs, one document at a time, prompts included.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GenerationCost {
    /// Milliseconds over the mean over members of the response's length in tokens.
    pub(crate) per_token: f64,
    /// Milliseconds per step.
    pub(crate) per_step: f64,
}

/// The curves of a sweep: one per system over all its tasks; of a single system one per task, and their average last.
/// A system that was cut short before its last task has none.
pub(crate) fn curves(sweep: &Sweep) -> Vec<Curve> {
    let systems = sweep.systems();
    let tasks = sweep.tasks();
    if let [system] = systems[..]
        && tasks.len() > 1
    {
        let mut curves: Vec<Curve> =
            tasks.iter().map(|&task| Curve { name: task.to_owned(), spots: spots(sweep, system, &[task]) }).collect();
        curves.push(Curve { name: "average".to_owned(), spots: spots(sweep, system, &tasks) });
        return curves;
    }
    let names = short_names(&systems);
    let whole = systems.iter().zip(names).map(|(system, name)| Curve { name, spots: spots(sweep, system, &tasks) });
    whole.filter(|curve| !curve.spots.is_empty()).collect()
}

/// A system's pooled points at the thresholds at which it has every one of `tasks`.
pub(crate) fn spots(sweep: &Sweep, system: &str, tasks: &[&str]) -> Vec<Spot> {
    let of_system = || {
        let entries = sweep.entries.iter().filter(|entry| entry.system == system);
        entries.filter(|entry| tasks.contains(&entry.task.as_str())).flat_map(|entry| &entry.points)
    };
    let mut thresholds: Vec<f64> = of_system().map(|point| point.threshold).collect();
    thresholds.sort_by(f64::total_cmp);
    thresholds.dedup();
    let pooled = thresholds.into_iter().filter_map(|threshold| {
        let same = |point: &&SweepPoint| point.threshold.total_cmp(&threshold).is_eq();
        let points: Vec<&SweepPoint> = of_system().filter(same).collect();
        (points.len() == tasks.len()).then(|| Spot::pooled(threshold, &points))
    });
    pooled.collect()
}

/// Names without what they all begin with, up to a comma.
fn short_names(names: &[&str]) -> Vec<String> {
    let shared = |end: usize| names.iter().all(|name| name.get(..end) == names[0].get(..end) && name.len() > end);
    let ends = names.first().into_iter().flat_map(|first| first.match_indices(", ").map(|(at, _)| at + 2));
    let cut = if names.len() > 1 { ends.take_while(|&end| shared(end)).last().unwrap_or(0) } else { 0 };
    names.iter().map(|name| name[cut..].to_owned()).collect()
}

impl Spot {
    /// Several tasks at one threshold: scores averaged, steps and times added up.
    fn pooled(threshold: f64, points: &[&SweepPoint]) -> Self {
        let scores: Vec<Estimate> = points.iter().map(|point| Estimate::share(point.value, point.stderr)).collect();
        let generated: Vec<&SweepPoint> = points.iter().copied().filter(|point| point.tokens > 0).collect();
        let total = |count: &dyn Fn(&SweepPoint) -> f64| generated.iter().map(|point| count(point)).sum::<f64>();
        let (steps, tokens) = (total(&|point| point.tokens as f64), total(&|point| point.member_tokens));
        let cost = |per_token: &dyn Fn(&SweepPoint) -> Option<f64>| {
            let times = generated.iter().map(|point| Some(per_token(point)? * point.member_tokens));
            let milliseconds = times.sum::<Option<f64>>()?;
            (tokens > 0.0).then(|| GenerationCost { per_token: milliseconds / tokens, per_step: milliseconds / steps })
        };
        Self {
            threshold,
            score: Estimate::average(&scores),
            share: (steps > 0.0).then(|| total(&|point| point.ensembled as f64) / steps),
            modelled: cost(&|point| point.modelled_ms_per_token),
            measured: cost(&|point| point.measured_ms_per_token),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sweep::testing::sweep;

    #[test]
    fn a_single_system_has_a_curve_per_task_and_their_average() {
        let curves = curves(&sweep(&["a + b"], &["gsm8k", "nq"], &[0.0, 0.5, 1.0]));
        let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["gsm8k", "nq", "average"]);
        let spot = &curves[2].spots[1];
        assert!((spot.score.value - 0.6).abs() < 1e-12);
        // Two of 3 points each: sqrt(2 * 0.03^2) / 2.
        assert!((spot.score.stderr.unwrap() - 0.021_213_203).abs() < 1e-8);
        assert_eq!(spot.share, Some(0.5));
        // Per task 10 steps of 10 ms and 10 of 30 ms over 20 steps and 25 tokens.
        assert_eq!(spot.modelled, Some(GenerationCost { per_token: 16.0, per_step: 20.0 }));
        assert_eq!(spot.measured, None);
    }

    #[test]
    fn a_grid_has_a_curve_per_system_named_by_what_differs() {
        let grid = ["a + b, gac, 1:1", "a + b, gac, 2:1", "a + b, unite, 1:1"];
        let curves = curves(&sweep(&grid, &["gsm8k", "nq"], &[0.0, 1.0]));
        let names: Vec<&str> = curves.iter().map(|curve| curve.name.as_str()).collect();
        assert_eq!(names, ["gac, 1:1", "gac, 2:1", "unite, 1:1"]);
        assert_eq!(short_names(&["a + b, gac"]), ["a + b, gac"]);
        assert_eq!(short_names(&["a, x", "a, x"]), ["x", "x"]);
        assert_eq!(short_names(&["a, ", "a, x"]), ["a, ", "a, x"], "nothing would be left of the first");
    }

    #[test]
    fn a_system_without_all_tasks_has_no_average() {
        let mut sweep = sweep(&["a", "b"], &["gsm8k", "nq"], &[0.0, 1.0]);
        sweep.entries.pop();
        let curves = curves(&sweep);
        assert_eq!(curves.len(), 1);
        assert_eq!(curves[0].name, "a");
    }

    #[test]
    fn scored_choices_have_neither_share_nor_cost() {
        let mut sweep = sweep(&["a"], &["arc_easy"], &[0.0]);
        let point = &mut sweep.entries[0].points[0];
        (point.tokens, point.ensembled, point.member_tokens) = (0, 0, 0.0);
        (point.modelled_ms_per_token, point.ensembled_share) = (None, None);
        let spot = &curves(&sweep)[0].spots[0];
        assert_eq!((spot.share, spot.modelled), (None, None));
    }
}
