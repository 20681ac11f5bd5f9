//! An estimate of time from a short run.

use gac_harness::plan::Plan;
use gac_harness::report::Leaderboard;
use gac_harness::{LoadedTask, Silent};
use gac_systems::ModelStore;
use serde::Serialize;

use crate::failure::Failure;

/// Time that a system's tasks would take.
#[derive(Serialize)]
pub(super) struct TimeEstimate {
    pub(super) system: String,
    /// Seconds, task by task.
    pub(super) tasks: Vec<f64>,
    /// Seconds of all tasks.
    pub(super) seconds: f64,
}

/// Runs up to `documents` documents of every task, spread over it, and scales their time to all of them.
pub(super) fn estimate(
    plan: &Plan,
    mut tasks: Vec<LoadedTask>,
    models: &mut ModelStore,
    documents: usize,
) -> Result<Vec<TimeEstimate>, Failure> {
    let mut factors = Vec::with_capacity(tasks.len());
    for task in &mut tasks {
        let all = task.documents.len();
        let step = all.div_ceil(documents).max(1);
        let mut place = 0;
        task.documents.retain(|_| {
            place += 1;
            (place - 1) % step == 0
        });
        factors.push(all as f64 / task.documents.len() as f64);
    }
    let scratch = tempfile::tempdir()?;
    let plan = Plan { output: scratch.path().join("probe"), ..plan.clone() };
    let Leaderboard { rows, .. } = gac_harness::run(&plan, &tasks, models, &mut Silent)?.leaderboard;
    let estimates = rows.into_iter().map(|row| {
        let seconds = |(timing, factor): (&Option<gac_harness::results::Timing>, &f64)| {
            timing.map_or(0.0, |timing| timing.wall_seconds * factor)
        };
        let tasks: Vec<f64> = row.timings.iter().zip(&factors).map(seconds).collect();
        TimeEstimate { system: row.system, seconds: tasks.iter().sum(), tasks }
    });
    Ok(estimates.collect())
}
