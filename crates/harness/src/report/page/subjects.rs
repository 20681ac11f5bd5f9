//! Scores by subject and group, for tasks that have them.

use super::super::format::NOTHING;
use super::super::html_table::{HtmlCell, HtmlHeading, HtmlRow, HtmlTable};
use crate::results::StoredRun;

/// One table per task with subjects: subjects and groups as rows, systems as columns. Empty where no task has any.
pub(super) fn subjects(run: &StoredRun) -> String {
    let mut text = String::new();
    for (index, task) in run.manifest.tasks.iter().enumerate() {
        // Name, documents, and per system the value.
        let mut rows: Vec<(&str, usize, Vec<Option<f64>>)> = Vec::new();
        for (column, system) in run.systems.iter().enumerate() {
            let aggregates = system.tasks[index].results.aggregates.iter();
            for aggregate in aggregates.filter(|found| found.key == task.primary && found.name != task.name) {
                let place = rows.iter().position(|(name, ..)| *name == aggregate.name).unwrap_or_else(|| {
                    rows.push((&aggregate.name, aggregate.documents, vec![None; run.systems.len()]));
                    rows.len() - 1
                });
                rows[place].2[column] = Some(aggregate.value);
            }
        }
        if rows.len() < 2 {
            continue;
        }
        let systems = run.systems.iter().map(|system| system.name.as_str());
        let table = HtmlTable {
            label: format!("Subjects of {}", task.name),
            summary: Some(format!("{}: {} subjects and groups", task.name, rows.len())),
            columns: ["subject", "documents"].into_iter().chain(systems).map(HtmlHeading::from).collect(),
            rows: rows.into_iter().map(|(name, documents, values)| row(&task.name, name, documents, values)).collect(),
            notes: Vec::new(),
        };
        text.push_str(&table.render());
    }
    text
}

/// A subject's values; the higher, the darker.
fn row(task: &str, name: &str, documents: usize, values: Vec<Option<f64>>) -> HtmlRow {
    let short = name.strip_prefix(task).map_or(name, |rest| rest.trim_start_matches(['_', ':', '/', ' ']));
    let cell = |value: Option<f64>| {
        value.map_or_else(
            || NOTHING.into(),
            |value| HtmlCell {
                tint: Some(format!("{:.0}", value * 45.0)),
                ..HtmlCell::from(format!("{:.2}", value * 100.0))
            },
        )
    };
    let cells = [HtmlCell::from(documents.to_string())].into_iter().chain(values.into_iter().map(cell)).collect();
    HtmlRow { name: short.replace('_', " "), cells }
}
