//! What a step costs against the share of steps that are voted on, beside what the members' own costs predict.

use super::super::format::NOTHING;
use super::super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use super::chart::{Axis, Chart, Line, Point, Series};
use super::gated::{COST_TITLE, Gated, SHARE_AXIS};
use crate::report::Leaderboard;
use crate::report::leaderboard::SystemRow;
use crate::results::LatencyBasis;
use gac_systems::SystemPlan;

/// An ensemble's costs over its share of ensembled steps.
pub(super) struct Costs {
    /// The ensemble.
    name: String,
    /// What all of its times are.
    basis: LatencyBasis,
    /// By share, ascending: the gate alone and the ensemble that votes on every step included, where they were run.
    steps: Vec<StepCost>,
}

/// What a step of one system costs.
struct StepCost {
    system: String,
    /// Of its steps, how many were voted on, 0 to 1.
    share: f64,
    /// Milliseconds per step by the clock, prompts included.
    measured: f64,
    /// The gate's forward + share x the other members' forwards, each as its own run had it; absent where a member was
    /// not run alone.
    predicted: Option<f64>,
}

/// The costs of every ensemble that was run at several thresholds, as far as their times are of one kind; `plans` are
/// those of the leaderboard's rows.
pub(super) fn costs(plans: &[SystemPlan], leaderboard: &Leaderboard, gated: &[Gated<'_>]) -> Vec<Costs> {
    let systems = || plans.iter().zip(&leaderboard.rows);
    let mut all = Vec::new();
    for group in gated {
        let Some(basis) = group.rows.iter().find_map(|(_, row)| row.timing.latency_basis) else { continue };
        let per_step = |row: &SystemRow| {
            let timing = row.timing;
            (timing.latency_basis == Some(basis) && timing.tokens > 0)
                .then(|| timing.milliseconds / timing.tokens as f64)
        };
        let alone = |member: &String| {
            let (_, row) = systems().find(|(plan, _)| plan.members[..] == [member.clone()])?;
            per_step(row)
        };
        let gate = group.gate();
        let others: Option<f64> = group.plan.members.iter().filter(|member| Some(*member) != gate).map(alone).sum();
        let model = gate.and_then(alone).zip(others);
        let is_end = |plan: &SystemPlan| {
            plan.gate.is_none() && (group.votes_as(plan) || gate.is_some_and(|gate| plan.members[..] == [gate.clone()]))
        };
        let ends = systems().filter(|(plan, _)| is_end(plan)).map(|(_, row)| row);
        let step = |row: &SystemRow| {
            let share = if row.members > 1 { row.timing.ensembled_share? } else { 0.0 };
            let predicted = model.map(|(gate, others)| gate + share * others);
            Some(StepCost { system: row.system.clone(), share, measured: per_step(row)?, predicted })
        };
        let mut steps: Vec<StepCost> = group.rows.iter().map(|(_, row)| *row).chain(ends).filter_map(step).collect();
        steps.sort_by(|a, b| a.share.total_cmp(&b.share));
        if steps.len() > 1 {
            all.push(Costs { name: group.name.clone(), basis, steps });
        }
    }
    all
}

/// Measured costs as solid lines, predicted ones as dashed lines.
pub(super) fn cost_chart(all: &[Costs]) -> Option<Chart> {
    let mut series = Vec::new();
    for (colour, costs) in all.iter().enumerate() {
        let mut line = |kind: &str, line: Line, cost: &dyn Fn(&StepCost) -> Option<f64>| {
            let point = |step: &StepCost| {
                let (x, y) = (step.share * 100.0, cost(step)?);
                let label = format!("{}, {kind}: {y:.2} ms/step at {x:.1}% of steps", step.system);
                Some(Point { x, y, error: None, label })
            };
            let points: Vec<Point> = costs.steps.iter().filter_map(point).collect();
            if !points.is_empty() {
                let name = if all.len() == 1 { kind.to_owned() } else { format!("{kind}, {}", costs.name) };
                series.push(Series { name, colour, line, points });
            }
        };
        line("measured", Line::Solid, &|step| Some(step.measured));
        line("predicted", Line::Dashed, &|step| step.predicted);
    }
    (!series.is_empty()).then(|| Chart {
        title: COST_TITLE.into(),
        caption: note(all),
        x: Axis { name: SHARE_AXIS.into(), includes: vec![0.0, 100.0], labels: vec![] },
        y: Axis { name: "ms/step".into(), includes: vec![0.0], labels: vec![] },
        series,
    })
}

fn note(all: &[Costs]) -> String {
    let model = "Predicted: the gate's forward + share x the other members' forwards, each member's as in its run alone; \
                 prompts are in all times.";
    let batched = all.iter().any(|costs| costs.basis == LatencyBasis::Throughput);
    let basis = if batched {
        " Requests were batched, where a step's cost is no latency: run with `--batch-size 1` for that."
    } else {
        ""
    };
    format!("{model}{basis}")
}

/// The same numbers as a table.
pub(super) fn cost_table(all: &[Costs]) -> String {
    let row = |step: &StepCost| {
        let predicted = step.predicted.map_or_else(|| NOTHING.to_owned(), |cost| format!("{cost:.3}"));
        let cells = [format!("{:.1}%", step.share * 100.0), format!("{:.3}", step.measured), predicted];
        HtmlRow { name: step.system.clone(), cells: cells.map(HtmlCell::from).to_vec() }
    };
    let table = |costs: &Costs| HtmlTable {
        label: format!("Costs of {}", costs.name),
        summary: Some(format!("Cost against share: {}", costs.name)),
        columns: ["system", "ensembled", "ms/step, measured", "ms/step, predicted"].map(HtmlHeading::from).to_vec(),
        rows: costs.steps.iter().map(row).collect(),
        notes: Vec::new(),
    };
    all.iter().map(|costs| table(costs).render()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::GroupTable;
    use crate::results::{RECORD_VERSION, Timing};
    use gac_systems::{GatePlan, SystemSettings};

    /// A system's name and members, its gate's threshold, its steps and those voted on, and its milliseconds.
    type Ran<'a> = (&'a str, &'a [&'a str], Option<f64>, (usize, usize), f64);

    /// Systems of which `a` gates, with the rows they would have.
    fn systems(all: &[Ran<'_>]) -> (Vec<SystemPlan>, Leaderboard) {
        let plan = |&(name, members, threshold, _, _): &Ran<'_>| SystemPlan {
            name: name.into(),
            axis: None,
            members: members.iter().map(|&member| member.to_owned()).collect(),
            weights: vec![1.0 / members.len() as f64; members.len()],
            gate: threshold.map(|threshold| GatePlan { member: "a".into(), threshold }),
            drafter: None,
            settings: SystemSettings::default(),
        };
        let row = |&(name, members, _, (steps, voted), milliseconds): &Ran<'_>| {
            let mut timing = Timing::default();
            timing.add(steps, voted, &vec![steps; members.len()]);
            timing.finish(1.0, 1.0, 1);
            timing.milliseconds = milliseconds;
            let members = members.len();
            SystemRow {
                system: name.into(),
                members,
                served: vec![],
                scores: vec![],
                failed: vec![],
                average: None,
                timings: vec![],
                timing,
            }
        };
        let rows = all.iter().map(row).collect();
        let leaderboard = Leaderboard {
            version: RECORD_VERSION,
            columns: vec![],
            rows,
            groups: GroupTable::default(),
            comparisons: vec![],
        };
        (all.iter().map(plan).collect(), leaderboard)
    }

    /// Of the one ensemble: share, measured, and predicted milliseconds per step.
    fn steps(all: &[Ran<'_>]) -> Vec<(f64, f64, Option<f64>)> {
        let (plans, leaderboard) = systems(all);
        let found = costs(&plans, &leaderboard, &Gated::all(&plans, &leaderboard));
        assert_eq!(found.len(), 1);
        found[0].steps.iter().map(|step| (step.share, step.measured, step.predicted)).collect()
    }

    const EVERYBODY: &[&str] = &["a", "b", "c"];

    #[test]
    fn a_step_is_predicted_to_cost_the_gate_and_its_share_of_every_other_member() {
        let found = steps(&[
            // 2, 3 and 5 ms per step alone.
            ("a", &["a"], None, (100, 0), 200.0),
            ("b", &["b"], None, (50, 0), 150.0),
            ("c", &["c"], None, (10, 0), 50.0),
            ("every step", EVERYBODY, None, (100, 100), 900.0),
            ("0.9", EVERYBODY, Some(0.9), (100, 50), 700.0),
            ("0.5", EVERYBODY, Some(0.5), (100, 25), 450.0),
        ]);
        assert_eq!(
            found,
            [
                (0.0, 2.0, Some(2.0)),
                (0.25, 4.5, Some(2.0 + 0.25 * 8.0)),
                (0.5, 7.0, Some(2.0 + 0.5 * 8.0)),
                (1.0, 9.0, Some(10.0))
            ]
        );
    }

    #[test]
    fn nothing_is_predicted_where_a_member_was_not_run_alone() {
        let found = steps(&[
            ("a", &["a"], None, (100, 0), 200.0),
            ("b", &["b"], None, (50, 0), 150.0),
            ("0.9", EVERYBODY, Some(0.9), (100, 50), 700.0),
            ("0.5", EVERYBODY, Some(0.5), (100, 25), 450.0),
        ]);
        assert_eq!(found, [(0.0, 2.0, None), (0.25, 4.5, None), (0.5, 7.0, None)]);
    }
}
