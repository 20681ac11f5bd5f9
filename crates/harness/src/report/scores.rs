//! A leaderboard as a frame, for spreadsheets and notebooks.

use polars::prelude::{Column as Values, DataFrame};

use super::estimate::Estimate;
use super::leaderboard::{AgainstBest, Column, Leaderboard, SystemRow};
use crate::frames::FrameError;
use crate::results::Timing;

/// A line of the frame: a system on a task, or on all of them.
struct ScoreRow<'a> {
    row: &'a SystemRow,
    /// None for the average.
    column: Option<&'a Column>,
    documents: usize,
    failed: usize,
    score: Estimate,
    timing: Timing,
    compared: Option<&'a AgainstBest>,
}

/// A leaderboard as a tidy frame: one line per system and task, then one with the task `average`.
///
/// Columns: `system`, `members` (models taking part), `task`, `version`, `num_fewshot`, `metric`, `filter`,
/// `documents`, `value` and `stderr` (0 to 1), `ms_per_token`, `latency_basis` (`request` or `throughput`),
/// `ensembled_share` (0 to 1), and for an average that is compared: `baseline`, `difference`, `difference_low` and
/// `difference_high` (95% confidence, 0 to 1); `failed` (documents that are in no score). What is not known, or means
/// nothing for an average, is null.
///
/// # Errors
/// When polars fails.
pub fn scores(leaderboard: &Leaderboard) -> Result<DataFrame, FrameError> {
    let lines: Vec<ScoreRow<'_>> = leaderboard.rows.iter().flat_map(|row| lines(leaderboard, row)).collect();
    let texts = |name: &str, of: &dyn Fn(&ScoreRow<'_>) -> Option<String>| {
        Values::new(name.into(), lines.iter().map(of).collect::<Vec<_>>())
    };
    let wholes = |name: &str, of: &dyn Fn(&ScoreRow<'_>) -> Option<usize>| {
        Values::new(name.into(), lines.iter().map(|line| of(line).map(|whole| whole as i64)).collect::<Vec<_>>())
    };
    let reals = |name: &str, of: &dyn Fn(&ScoreRow<'_>) -> Option<f64>| {
        Values::new(name.into(), lines.iter().map(of).collect::<Vec<_>>())
    };
    Ok(DataFrame::new(
        lines.len(),
        vec![
            texts("system", &|line| Some(line.row.system.clone())),
            wholes("members", &|line| Some(line.row.members)),
            texts("task", &|line| Some(line.column.map_or_else(|| "average".to_owned(), |column| column.task.clone()))),
            texts("version", &|line| Some(line.column?.version.clone())),
            wholes("num_fewshot", &|line| Some(line.column?.num_fewshot)),
            texts("metric", &|line| Some(line.column?.metric.metric.clone())),
            texts("filter", &|line| Some(line.column?.metric.filter.clone())),
            wholes("documents", &|line| Some(line.documents)),
            reals("value", &|line| Some(line.score.value)),
            reals("stderr", &|line| line.score.stderr),
            reals("ms_per_token", &|line| line.timing.ms_per_token),
            texts("latency_basis", &|line| Some(line.timing.latency_basis?.name().to_owned())),
            reals("ensembled_share", &|line| line.timing.ensembled_share),
            texts("baseline", &|line| Some(line.compared?.baseline.clone())),
            reals("difference", &|line| Some(line.compared?.paired.difference)),
            reals("difference_low", &|line| Some(line.compared?.paired.low)),
            reals("difference_high", &|line| Some(line.compared?.paired.high)),
            wholes("failed", &|line| Some(line.failed)),
        ],
    )?)
}

/// What there is of a system: its tasks, then the average.
fn lines<'a>(leaderboard: &'a Leaderboard, row: &'a SystemRow) -> Vec<ScoreRow<'a>> {
    let columns = leaderboard.columns.iter().enumerate().filter_map(|(place, column)| {
        Some(ScoreRow {
            row,
            column: Some(column),
            documents: column.documents,
            failed: row.failed.get(place).copied().unwrap_or(0),
            score: row.scores[place]?,
            timing: row.timings[place]?,
            compared: None,
        })
    });
    let average = row.average.map(|score| ScoreRow {
        row,
        column: None,
        documents: leaderboard.documents(None),
        failed: row.all_failed(),
        score,
        timing: row.timing,
        compared: leaderboard.comparison(&row.system),
    });
    columns.chain(average).collect()
}
