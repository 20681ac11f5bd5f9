//! The groups that tasks are made of, beside the leaderboard's columns.

use polars::prelude::{IntoLazy, col};
use serde::{Deserialize, Serialize};

use super::estimate::Estimate;
use crate::frames::{FrameError, aggregates, grid};
use crate::results::SystemResults;

/// Figures of the groups that tasks are made of, under each task's primary metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupTable {
    /// The groups, in the order of the tasks.
    pub names: Vec<String>,
    /// One row per system, one score per group; none for a group that it did not do.
    pub rows: Vec<Vec<Option<Estimate>>>,
}

impl GroupTable {
    /// From every system's figures, by group.
    pub(super) fn new(systems: &[SystemResults]) -> Result<Self, FrameError> {
        let results = systems.iter().map(|system| (&*system.system, system.tasks.iter().collect()));
        let groups = aggregates(results)?.lazy().filter(col("is_group"));
        let grid = grid(groups, systems.len())?;
        if grid.is_empty() {
            return Ok(Self::default());
        }
        let score = |(value, stderr)| Estimate { value, stderr };
        let rows = (0..systems.len()).map(|row| grid.iter().map(|group| group.of_systems[row].map(score)).collect());
        Ok(Self { rows: rows.collect(), names: grid.iter().map(|group| group.name.clone()).collect() })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}
