//! A comparison for pull requests and GitHub's step summaries.

use std::fmt::Write as _;

use super::findings::{Comparison, Direction, Finding, Flip, SystemComparison};
use super::terminal::{decision, name, note, p_value, subject_row, word, worst_first};
use super::verdict::Verdict;
use crate::report::{escape_markdown as escape, points};

/// Documents named per direction.
const NAMED: usize = 100;

/// What was decided, a table per system, and the flipped documents folded away.
pub fn markdown(comparison: &Comparison) -> String {
    let mut text = format!("### {}\n\n", decision(comparison));
    for system in &comparison.systems {
        let _ = write!(text, "**{}**\n\n", escape(&system.name()));
        text.push_str("| task | documents | base | new | difference | 95% CI | lost | gained | p | p (Holm) | |\n");
        text.push_str("| --- | ---: | ---: | ---: | ---: | :---: | ---: | ---: | ---: | ---: | --- |\n");
        for finding in &system.findings {
            text.push_str(&row(finding));
        }
        text.push('\n');
        text.push_str(&subjects(system));
        text.push_str(&flips(system));
    }
    text.push_str(&note(comparison));
    text.push('\n');
    text
}

fn row(finding: &Finding) -> String {
    let percent = |value: f64| format!("{:.2}", value * 100.0);
    let verdict = match finding.verdict {
        Verdict::Regression => "**regression**",
        other => word(other),
    };
    let cells = [
        escape(finding.scope.name()),
        finding.documents.to_string(),
        percent(finding.base),
        percent(finding.new),
        points(finding.difference),
        format!("{} to {}", points(finding.low), points(finding.high)),
        finding.discordant.worse.to_string(),
        finding.discordant.better.to_string(),
        p_value(finding.p).replace('<', "&lt;"),
        p_value(finding.p_adjusted).replace('<', "&lt;"),
        verdict.to_owned(),
    ];
    format!("| {} |\n", cells.join(" | "))
}

fn subjects(system: &SystemComparison) -> String {
    let mut text = String::new();
    for of_task in worst_first(&system.subjects) {
        let task = escape(&of_task[0].task);
        let _ = write!(text, "<details><summary>{task}: {} subjects</summary>\n\n", of_task.len());
        text.push_str("| subject | documents | base | new | difference | lost | gained | p | p (Holm) | |\n");
        text.push_str("| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: | --- |\n");
        for finding in of_task {
            let cells = subject_row(finding).map(|cell| escape(&cell).replace('<', "&lt;"));
            let _ = writeln!(text, "| {} |", cells.join(" | "));
        }
        text.push_str("\n</details>\n\n");
    }
    text
}

fn flips(system: &SystemComparison) -> String {
    if system.flips.is_empty() {
        return String::new();
    }
    let of = |direction| system.flips.iter().filter(|flip| flip.direction == direction).collect::<Vec<&Flip>>();
    let (lost, gained) = (of(Direction::Lost), of(Direction::Gained));
    let mut text = format!("<details><summary>{} documents lost, {} gained</summary>\n\n", lost.len(), gained.len());
    for (word, flips) in [("Lost", lost), ("Gained", gained)] {
        if !flips.is_empty() {
            let _ = writeln!(text, "- {word}: {}", escape(&name(&flips, NAMED)));
        }
    }
    text + "\n</details>\n\n"
}
