//! Which charts a run has.

use super::super::format::latency_note;
use super::chart::{Axis, Chart, Line, Point, Series};
use super::cost::{cost_chart, costs};
use super::gated::{Gated, SHARE_AXIS};
use crate::frames::FrameError;
use crate::report::Leaderboard;
use crate::report::leaderboard::SystemRow;
use crate::results::StoredRun;
use gac_systems::SystemPlan;

/// The charts of a run: accuracy and share of ensembled steps against the threshold where there are several thresholds
/// of one ensemble, cost against that share, and accuracy against latency where latencies were measured.
///
/// # Errors
/// When a table cannot be worked out.
pub fn charts(run: &StoredRun) -> Result<Vec<Chart>, FrameError> {
    let results: Vec<_> = run.systems.iter().map(crate::results::StoredSystem::results).collect();
    Ok(of_leaderboard(run, &Leaderboard::new(&results)?))
}

pub(super) fn of_leaderboard(run: &StoredRun, leaderboard: &Leaderboard) -> Vec<Chart> {
    let plans = &run.manifest.plan.systems;
    let gated = Gated::all(plans, leaderboard);
    let mut charts = thresholds(&gated);
    charts.extend(latency(plans, leaderboard));
    charts.extend(cost_chart(&costs(plans, leaderboard, &gated)));
    charts
}

fn percent(row: &SystemRow) -> Option<(f64, Option<f64>)> {
    row.average.map(|average| (average.value * 100.0, average.stderr.map(|stderr| stderr * 100.0)))
}

/// One chart of accuracy and one of shares over all ensembles that were run at several thresholds.
fn thresholds(sweeps: &[Gated<'_>]) -> Vec<Chart> {
    if sweeps.is_empty() {
        return Vec::new();
    }
    let series = |point: &dyn Fn(f64, &SystemRow) -> Option<Point>| -> Vec<Series> {
        let all = sweeps.iter().enumerate().map(|(colour, gated)| Series {
            name: gated.name.clone(),
            colour,
            line: Line::Solid,
            points: gated.rows.iter().filter_map(|(threshold, row)| point(*threshold, row)).collect(),
        });
        all.collect()
    };
    let accuracy = series(&|threshold, row| {
        let (value, error) = percent(row)?;
        let label = format!("{}: {value:.2} at threshold {threshold}", row.system);
        Some(Point { x: threshold, y: value, error, label })
    });
    let shares = series(&|threshold, row| {
        let share = row.timing.ensembled_share? * 100.0;
        let label = format!("{}: {share:.1}% of steps at threshold {threshold}", row.system);
        Some(Point { x: threshold, y: share, error: None, label })
    });
    let threshold = Axis { name: "threshold".into(), includes: vec![0.0, 1.0], labels: vec![] };
    vec![
        Chart {
            title: "Accuracy against threshold".into(),
            caption: "Average over tasks in percent; bars are one standard error up and down.".into(),
            x: threshold.clone(),
            y: Axis { name: "average, %".into(), includes: vec![], labels: vec![] },
            series: accuracy,
        },
        Chart {
            title: "Share of ensembled steps against threshold".into(),
            caption: "Steps at which the members voted, of all steps of generated responses.".into(),
            x: threshold,
            y: Axis { name: SHARE_AXIS.into(), includes: vec![0.0, 100.0], labels: vec![] },
            series: shares,
        },
    ]
}

/// One point per system that is on no axis.
fn latency(plans: &[SystemPlan], leaderboard: &Leaderboard) -> Option<Chart> {
    let mut series = Vec::new();
    let rows = plans.iter().zip(&leaderboard.rows).filter(|(plan, _)| plan.axis.is_none());
    for (colour, (_, row)) in rows.enumerate() {
        if let (Some(ms), Some((value, error))) = (row.timing.ms_per_token, percent(row)) {
            let label = format!("{}: {value:.2} at {ms:.2} ms/token", row.system);
            series.push(Series {
                name: row.system.clone(),
                colour,
                line: Line::None,
                points: vec![Point { x: ms, y: value, error, label }],
            });
        }
    }
    (series.len() > 1).then(|| Chart {
        title: "Accuracy against latency".into(),
        caption: format!(
            "Average over tasks in percent, one standard error up and down; up and to the left is better. {}",
            latency_note(leaderboard).unwrap_or_default()
        ),
        x: Axis { name: "ms/token".into(), includes: vec![0.0], labels: vec![] },
        y: Axis { name: "average, %".into(), includes: vec![], labels: vec![] },
        series,
    })
}
