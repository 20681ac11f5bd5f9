//! Scores by subject and group, for tasks that have them.

use polars::prelude::{IntoLazy, col, lit};

use super::super::format::NOTHING;
use super::super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use crate::frames::{Estimates, FrameError, aggregates, grid};
use crate::results::StoredRun;

/// One table per task with subjects: subjects and groups as rows, systems as columns. Empty where no task has any.
pub(super) fn subjects(run: &StoredRun) -> Result<String, FrameError> {
    let results = run.systems.iter().map(|system| {
        let tasks = system.tasks.iter().map(|task| &task.results);
        (system.name.as_str(), tasks.collect())
    });
    let aggregates = aggregates(results)?.lazy();
    let mut text = String::new();
    for task in &run.manifest.tasks {
        let of_task = col("task").eq(lit(task.name.as_str()));
        let parts = aggregates.clone().filter(of_task.and(col("name").neq(col("task"))));
        let rows = grid(parts, run.systems.len())?;
        if rows.len() < 2 {
            continue;
        }
        let systems = run.systems.iter().map(|system| system.name.as_str());
        let table = HtmlTable {
            label: format!("Subjects of {}", task.name),
            summary: Some(format!("{}: {} subjects and groups", task.name, rows.len())),
            columns: ["subject", "documents"].into_iter().chain(systems).map(HtmlHeading::from).collect(),
            rows: rows.into_iter().map(|found| row(&task.name, found)).collect(),
            notes: Vec::new(),
        };
        text.push_str(&table.render());
    }
    Ok(text)
}

/// A subject's values; the higher, the darker.
fn row(task: &str, found: Estimates) -> HtmlRow {
    let Estimates { name, documents, of_systems } = found;
    let short = name.strip_prefix(task).map_or(name.as_str(), |rest| rest.trim_start_matches(['_', ':', '/', ' ']));
    let cell = |value: Option<f64>| {
        value.map_or_else(
            || NOTHING.into(),
            |value| HtmlCell {
                tint: Some(format!("{:.0}", value * 45.0)),
                ..HtmlCell::from(format!("{:.2}", value * 100.0))
            },
        )
    };
    let cells = [HtmlCell::from(documents.to_string())]
        .into_iter()
        .chain(of_systems.into_iter().map(|found| cell(found.map(|(value, _)| value))))
        .collect();
    HtmlRow { name: short.replace('_', " "), cells }
}
