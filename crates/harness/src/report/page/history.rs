//! Scores over commits.

use super::chart::{Axis, Chart, Line, Point, Series};
use crate::history::{History, HistoryRun};

/// A chart per task, the average first: a line per system over the history's runs.
pub fn history_charts(history: &History) -> Vec<Chart> {
    let runs = history.runs();
    history.tasks().into_iter().map(|task| chart(history, &runs, task)).collect()
}

fn chart(history: &History, runs: &[HistoryRun<'_>], task: &str) -> Chart {
    let series = history.systems().into_iter().enumerate().map(|(colour, system)| {
        let rows = history.rows().iter().filter(|row| row.task == task && row.system == system);
        let points = rows.filter_map(|row| {
            let at = runs.iter().position(|run| *run == row.run())?;
            let score = row.score * 100.0;
            let error = row.low.zip(row.high).map(|(low, high)| (high - low) * 50.0);
            let doubt = error.map(|error| format!(" \u{b1} {error:.2}")).unwrap_or_default();
            let label = format!("{system}: {score:.2}{doubt} at {} ({})", runs[at].label(), row.time);
            Some(Point { x: (at + 1) as f64, y: score, error, label })
        });
        Series { name: system.to_owned(), colour, line: Line::Solid, points: points.collect() }
    });
    Chart {
        title: format!("Scores over commits: {task}"),
        caption: "In percent, by the times of the runs; bars are 95% confidence intervals.".into(),
        x: Axis { name: "commit".into(), includes: vec![], labels: runs.iter().map(HistoryRun::label).collect() },
        y: Axis { name: "score, %".into(), includes: vec![], labels: vec![] },
        series: series.filter(|series| !series.points.is_empty()).collect(),
    }
}
