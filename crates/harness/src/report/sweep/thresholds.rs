//! What was found at each threshold of an axis.

use gac_systems::{StepCosts, SystemPlan};
use serde::Serialize;

use crate::results::{LatencyBasis, StoredRun, StoredSystem, SystemResults, TaskResults};

/// Every axis of a run on every task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Sweep {
    /// One per axis and task, axes first.
    pub entries: Vec<SweepEntry>,
}

/// One axis on one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepEntry {
    /// The name that its systems share: which members, method and weights.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The version of the task's definition.
    pub task_version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// One per threshold, ascending.
    pub points: Vec<SweepPoint>,
    /// What the modelled latencies are made of; absent where nothing was generated.
    pub costs: Option<StepCosts>,
    /// Wall time of all thresholds, in seconds.
    pub seconds: f64,
}

/// One threshold on one task.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SweepPoint {
    /// The system's name: which members, method and weights.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The threshold.
    pub threshold: f64,
    /// The metric of `value`.
    pub metric: String,
    /// The filter of `value`.
    pub filter: String,
    /// Documents that `value` is of.
    pub documents: usize,
    /// Documents that could not be asked, and are in no score.
    pub failed: usize,
    /// The task's primary metric, 0 to 1.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
    /// Union tokens emitted; 0 where choices were scored.
    pub tokens: usize,
    /// Steps at which the members voted.
    pub ensembled: usize,
    /// `ensembled / tokens`; absent where nothing was generated.
    pub ensembled_share: Option<f64>,
    /// Sum over documents of the mean over members of the response's length in tokens.
    pub member_tokens: f64,
    /// The latency that [`StepCosts`] give for these steps, in milliseconds per token of `member_tokens`.
    pub modelled_ms_per_token: Option<f64>,
    /// The latency really measured, one document at a time, in the same unit.
    pub measured_ms_per_token: Option<f64>,
}

impl Sweep {
    /// The axes among the systems of a run; none where it has none. `plans` are those of `results`.
    pub fn new(plans: &[SystemPlan], results: &[SystemResults]) -> Option<Self> {
        let systems = || plans.iter().zip(results).filter_map(|(plan, found)| Some((plan.axis.as_ref()?, plan, found)));
        let mut axes: Vec<&String> = Vec::new();
        for (axis, ..) in systems() {
            if !axes.contains(&axis) {
                axes.push(axis);
            }
        }
        let mut entries = Vec::new();
        for axis in axes {
            let of_axis: Vec<_> = systems().filter(|(name, ..)| *name == axis).collect();
            let tasks = of_axis.first().map_or(0, |(_, _, results)| results.tasks.len());
            for task in 0..tasks {
                let results = of_axis
                    .iter()
                    .filter_map(|(_, plan, results)| Some((plan.gate.as_ref()?.threshold, results.tasks.get(task)?)));
                entries.extend(SweepEntry::new(axis, results.collect()));
            }
        }
        (!entries.is_empty()).then_some(Self { entries })
    }

    /// The axes of a stored run; none where it has none.
    pub fn of(run: &StoredRun) -> Option<Self> {
        let results: Vec<SystemResults> = run.systems.iter().map(StoredSystem::results).collect();
        Self::new(&run.manifest.plan.systems, &results)
    }

    /// Its systems, each once, in order.
    pub(crate) fn systems(&self) -> Vec<&str> {
        distinct(self.entries.iter().map(|entry| entry.system.as_str()))
    }

    /// Its tasks, each once, in order.
    pub(crate) fn tasks(&self) -> Vec<&str> {
        distinct(self.entries.iter().map(|entry| entry.task.as_str()))
    }
}

fn distinct<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    names.fold(Vec::new(), |mut known, name| {
        if !known.contains(&name) {
            known.push(name);
        }
        known
    })
}

impl SweepEntry {
    /// A task's results by threshold.
    fn new(axis: &str, mut results: Vec<(f64, &TaskResults)>) -> Option<Self> {
        results.sort_by(|a, b| a.0.total_cmp(&b.0));
        let (_, first) = *results.first()?;
        let mut points: Vec<SweepPoint> =
            results.iter().map(|(threshold, results)| SweepPoint::new(axis, *threshold, results)).collect();
        let costs = first.timing.step_costs.or_else(|| costs_of_ends(&results));
        for point in &mut points {
            point.model(costs);
        }
        Some(Self {
            system: axis.to_owned(),
            task: first.task.clone(),
            task_version: first.task_version.clone(),
            num_fewshot: first.num_fewshot,
            points,
            costs,
            seconds: results.iter().map(|(_, results)| results.timing.wall_seconds).sum(),
        })
    }
}

/// What steps cost by the thresholds at which no step is voted on, and every step: where each was run by itself, by the
/// clock.
fn costs_of_ends(results: &[(f64, &TaskResults)]) -> Option<StepCosts> {
    let measured = || {
        results
            .iter()
            .map(|(_, results)| results.timing)
            .filter(|timing| timing.latency_basis == Some(LatencyBasis::Request) && timing.tokens > 0)
    };
    let per_step = |voted: &dyn Fn(usize) -> usize| {
        let timing = measured().find(|timing| timing.ensembled == voted(timing.tokens))?;
        Some(timing.milliseconds / timing.tokens as f64)
    };
    Some(StepCosts { alone_ms: per_step(&|_| 0)?, vote_ms: per_step(&|tokens| tokens)? })
}

impl SweepPoint {
    fn new(axis: &str, threshold: f64, results: &TaskResults) -> Self {
        let timing = results.timing;
        Self {
            system: axis.to_owned(),
            task: results.task.clone(),
            threshold,
            metric: results.primary.metric.clone(),
            filter: results.primary.filter.clone(),
            documents: results.documents - results.outcomes.failed,
            failed: results.outcomes.failed,
            value: results.value,
            stderr: results.stderr,
            tokens: timing.tokens,
            ensembled: timing.ensembled,
            ensembled_share: timing.ensembled_share,
            member_tokens: timing.member_tokens,
            modelled_ms_per_token: None,
            measured_ms_per_token: timing.ms_per_token.filter(|_| timing.latency_basis == Some(LatencyBasis::Request)),
        }
    }

    fn model(&mut self, costs: Option<StepCosts>) {
        let milliseconds = costs.map(|costs| {
            (self.tokens - self.ensembled) as f64 * costs.alone_ms + self.ensembled as f64 * costs.vote_ms
        });
        self.modelled_ms_per_token =
            milliseconds.filter(|_| self.member_tokens > 0.0).map(|all| all / self.member_tokens);
    }
}

impl Sweep {
    /// Its points as CSV, one line each under a line of column names. What is not known is empty.
    ///
    /// # Panics
    /// Never: writing to memory cannot fail, and every line has the same number of fields.
    pub fn csv(&self) -> String {
        let mut writer = ::csv::Writer::from_writer(Vec::new());
        for point in self.entries.iter().flat_map(|entry| &entry.points) {
            writer.serialize(point).expect("memory takes every line");
        }
        let bytes = writer.into_inner().expect("memory takes every line");
        String::from_utf8(bytes).expect("fields are text")
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use gac_systems::StepCosts;

    use super::{Sweep, SweepEntry, SweepPoint};

    /// A point of 20 steps and 25 tokens, a share of `threshold` of its steps voted on.
    pub(crate) fn point(system: &str, task: &str, threshold: f64) -> SweepPoint {
        SweepPoint {
            system: system.into(),
            task: task.into(),
            threshold,
            metric: "exact_match".into(),
            filter: "flexible-extract".into(),
            documents: 2,
            failed: 0,
            value: 0.5,
            stderr: None,
            tokens: 20,
            ensembled: (20.0 * threshold) as usize,
            ensembled_share: Some(threshold),
            member_tokens: 25.0,
            modelled_ms_per_token: None,
            measured_ms_per_token: None,
        }
    }

    /// A sweep of every system on every task: steps of 10 and of 30 ms, scores that rise with the threshold and the
    /// system's place, standard errors of 3 points.
    pub(crate) fn sweep(systems: &[&str], tasks: &[&str], thresholds: &[f64]) -> Sweep {
        let costs = Some(StepCosts { alone_ms: 10.0, vote_ms: 30.0 });
        let mut entries = Vec::new();
        for (place, system) in systems.iter().enumerate() {
            for task in tasks {
                let points = thresholds.iter().map(|&threshold| {
                    let mut point = point(system, task, threshold);
                    point.value = 0.5 + 0.1 * place as f64 + 0.2 * threshold;
                    point.stderr = Some(0.03);
                    point.model(costs);
                    point
                });
                entries.push(SweepEntry {
                    system: (*system).to_owned(),
                    task: (*task).to_owned(),
                    task_version: "3.0".to_owned(),
                    num_fewshot: 1,
                    points: points.collect(),
                    costs,
                    seconds: 1.0,
                });
            }
        }
        Sweep { entries }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{point, sweep};
    use super::*;

    #[test]
    fn latency_is_modelled_from_what_each_kind_of_step_costs() {
        let mut point = point("a + b", "gsm8k", 0.25);
        point.model(Some(StepCosts { alone_ms: 10.0, vote_ms: 30.0 }));
        // 15 steps of 10 ms and 5 of 30 ms, over 25 tokens.
        assert_eq!(point.modelled_ms_per_token, Some(12.0));
    }

    #[test]
    fn csv_has_a_line_of_names_and_leaves_empty_what_is_not_known() {
        let mut sweep = sweep(&["a + b"], &["gsm8k"], &[0.25]);
        sweep.entries[0].points = vec![point("a + b", "gsm8k", 0.25)];
        let text = sweep.csv();
        let lines: Vec<&str> = text.lines().collect();
        let names =
            "system,task,threshold,metric,filter,documents,failed,value,stderr,tokens,ensembled,ensembled_share";
        assert!(lines[0].starts_with(names), "{}", lines[0]);
        assert_eq!(lines[1], "a + b,gsm8k,0.25,exact_match,flexible-extract,2,0,0.5,,20,5,0.25,25.0,,");
    }
}
