//! What systems reach on tasks, their groups and their subjects.

use polars::prelude::{Column, DataFrame};

use super::FrameError;
use crate::results::TaskResults;
use crate::task::Aggregate;

/// Every figure of the systems' tasks under their primary metrics, a row each: of the task as a whole, of its groups and
/// of its subjects. `systems` are their names with their tasks' results.
///
/// Columns: `row` (the system's place), `system`, `task`, `name` (the task's own for the whole of it), `is_group`,
/// `documents`, `value` (0 to 1), `stderr`.
///
/// # Errors
/// When polars fails.
pub fn aggregates<'a>(
    systems: impl IntoIterator<Item = (&'a str, Vec<&'a TaskResults>)>,
) -> Result<DataFrame, FrameError> {
    let mut found: Vec<(usize, &str, &TaskResults, &Aggregate)> = Vec::new();
    for (row, (system, tasks)) in systems.into_iter().enumerate() {
        for task in tasks {
            let of_primary = task.aggregates.iter().filter(|aggregate| aggregate.key == task.primary);
            found.extend(of_primary.map(|aggregate| (row, system, task, aggregate)));
        }
    }
    let texts = |name: &str, text: &dyn Fn(&str, &TaskResults, &Aggregate) -> String| {
        let texts = found.iter().map(|(_, system, task, aggregate)| text(system, task, aggregate));
        Column::new(name.into(), texts.collect::<Vec<_>>())
    };
    let rows: Vec<i64> = found.iter().map(|(row, ..)| *row as i64).collect();
    let of = found.iter().map(|(.., aggregate)| *aggregate);
    Ok(DataFrame::new(
        found.len(),
        vec![
            Column::new("row".into(), rows),
            texts("system", &|system, _, _| system.to_owned()),
            texts("task", &|_, task, _| task.task.clone()),
            texts("name", &|_, _, aggregate| aggregate.name.clone()),
            Column::new("is_group".into(), of.clone().map(|aggregate| aggregate.is_group).collect::<Vec<_>>()),
            Column::new("documents".into(), of.clone().map(|found| found.documents as i64).collect::<Vec<_>>()),
            Column::new("value".into(), of.clone().map(|aggregate| aggregate.value).collect::<Vec<_>>()),
            Column::new("stderr".into(), of.map(|aggregate| aggregate.stderr).collect::<Vec<_>>()),
        ],
    )?)
}
