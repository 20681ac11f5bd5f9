//! Scores by subject and group, for tasks that have them.

use std::fmt::Write as _;

use super::super::html::escape;
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
        let _ = write!(
            text,
            "<details>\n<summary>{}: {} subjects and groups</summary>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" \
             aria-label=\"Subjects of {0}\">\n<table>\n<thead><tr><th scope=\"col\">subject</th><th scope=\"col\">documents\
             </th>",
            escape(&task.name),
            rows.len()
        );
        for system in &run.systems {
            let _ = write!(text, "<th scope=\"col\">{}</th>", escape(&system.name));
        }
        text.push_str("</tr></thead>\n<tbody>\n");
        for (name, documents, values) in rows {
            let short =
                name.strip_prefix(&task.name).map_or(name, |rest| rest.trim_start_matches(['_', ':', '/', ' ']));
            let _ = write!(text, "<tr><th scope=\"row\">{}</th><td>{documents}</td>", escape(&short.replace('_', " ")));
            for value in values {
                text.push_str(&value.map_or_else(
                    || "<td>-</td>".to_owned(),
                    |value| {
                        format!("<td class=\"tint\" style=\"--tint:{:.0}%\">{:.2}</td>", value * 45.0, value * 100.0)
                    },
                ));
            }
            text.push_str("</tr>\n");
        }
        text.push_str("</tbody>\n</table>\n</div>\n</details>\n");
    }
    text
}
