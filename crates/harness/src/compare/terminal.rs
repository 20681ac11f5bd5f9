//! A comparison for terminals.

use std::fmt::Write as _;

use super::findings::{Comparison, Direction, Finding, Flip, SystemComparison};
use super::subjects::SubjectFinding;
use super::verdict::{RegressionRule, Verdict};
use crate::report::{points, printable, wrap};

/// Documents named per direction.
const NAMED: usize = 10;

/// A table per system, its flipped documents, and what was decided; at most `width` characters a line where names allow.
pub fn terminal(comparison: &Comparison, width: usize) -> String {
    let mut lines = Vec::new();
    for system in &comparison.systems {
        lines.extend(table(system));
        lines.extend(flips(system).iter().flat_map(|text| wrap(text, width)));
        lines.push(String::new());
    }
    lines.extend(wrap(&note(comparison), width));
    lines.extend(wrap(&decision(comparison), width));
    lines.join("\n") + "\n"
}

fn table(system: &SystemComparison) -> Vec<String> {
    let heading = ["", "documents", "base", "new", "difference", "95% CI", "lost", "gained", "p", "p (Holm)", ""];
    let mut lines = vec![printable(&system.name())];
    lines.extend(aligned(heading, system.findings.iter().map(row)));
    lines
}

/// The subjects of every system, those that lost most first; nothing where no task has any.
pub fn terminal_subjects(comparison: &Comparison) -> String {
    let heading = ["", "documents", "base", "new", "difference", "lost", "gained", "p", "p (Holm)", ""];
    let mut lines = Vec::new();
    for system in &comparison.systems {
        for of_task in worst_first(&system.subjects) {
            lines.push(format!("{}: {} by subject", printable(&system.name()), printable(&of_task[0].task)));
            lines.extend(aligned(heading, of_task.into_iter().map(subject_row)));
            lines.push(String::new());
        }
    }
    if lines.is_empty() { String::new() } else { lines.join("\n") + "\n" }
}

/// The subjects of each task, those that lost most first.
pub(super) fn worst_first(subjects: &[SubjectFinding]) -> impl Iterator<Item = Vec<&SubjectFinding>> {
    subjects.chunk_by(|a, b| a.task == b.task).map(|of_task| {
        let mut sorted: Vec<&SubjectFinding> = of_task.iter().collect();
        sorted.sort_by(|a, b| a.difference.total_cmp(&b.difference));
        sorted
    })
}

pub(super) fn subject_row(finding: &SubjectFinding) -> [String; 10] {
    let failed = if finding.failed == 0 { String::new() } else { format!("{} failed", finding.failed) };
    [
        printable(&finding.subject),
        finding.documents.to_string(),
        percent(finding.base),
        percent(finding.new),
        points(finding.difference),
        finding.discordant.worse.to_string(),
        finding.discordant.better.to_string(),
        p_value(finding.p),
        p_value(finding.p_adjusted),
        failed,
    ]
}

/// Rows under a heading: names and the last column to the left, numbers to the right.
pub(crate) fn aligned<const N: usize>(heading: [&str; N], rows: impl Iterator<Item = [String; N]>) -> Vec<String> {
    let rows: Vec<[String; N]> = [heading.map(str::to_owned)].into_iter().chain(rows).collect();
    let widths: Vec<usize> =
        (0..N).map(|column| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0)).collect();
    let line = |row: &[String; N]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(column, (cell, &width))| {
            if column == 0 || column + 1 == row.len() { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
        });
        format!("  {}", cells.collect::<Vec<_>>().join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}

fn percent(value: f64) -> String {
    format!("{:.2}", value * 100.0)
}

fn row(finding: &Finding) -> [String; 11] {
    [
        printable(finding.scope.name()),
        finding.documents.to_string(),
        percent(finding.base),
        percent(finding.new),
        points(finding.difference),
        format!("{} to {}", points(finding.low), points(finding.high)),
        finding.discordant.worse.to_string(),
        finding.discordant.better.to_string(),
        p_value(finding.p),
        p_value(finding.p_adjusted),
        word(finding.verdict).to_owned(),
    ]
}

/// Three digits after the point, and no p-value of zero.
pub(crate) fn p_value(p: f64) -> String {
    if p < 0.001 { "<0.001".to_owned() } else { format!("{p:.3}") }
}

pub(super) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::NoRegression => "",
        Verdict::Regression => "REGRESSION",
        Verdict::Improvement => "improvement",
    }
}

fn flips(system: &SystemComparison) -> Vec<String> {
    let mut texts = Vec::new();
    for (direction, word) in [(Direction::Lost, "lost"), (Direction::Gained, "gained")] {
        let flips: Vec<&Flip> = system.flips.iter().filter(|flip| flip.direction == direction).collect();
        if !flips.is_empty() {
            texts.push(format!("  {word}: {}", name(&flips, NAMED)));
        }
    }
    texts
}

/// `gsm8k 3, 17; piqa 4 and 12 more`.
pub(super) fn name(flips: &[&Flip], named: usize) -> String {
    let mut text = String::new();
    let mut task = None;
    for flip in flips.iter().take(named) {
        if task == Some(&flip.task) {
            text.push_str(", ");
        } else {
            text.push_str(if task.is_some() { "; " } else { "" });
            let _ = write!(text, "{} ", printable(&flip.task));
            task = Some(&flip.task);
        }
        text.push_str(&printable(&flip.document()));
    }
    if flips.len() > named {
        let _ = write!(text, " and {} more", flips.len() - named);
    }
    text
}

/// What the numbers are.
pub(super) fn note(comparison: &Comparison) -> String {
    let mut text = format!(
        "Scores in percent, paired by document. CI: paired bootstrap, {} resamples, seed {}. p: McNemar's exact test, \
         adjusted for the number of tasks by Holm's method; of the average, the bootstrap's.",
        comparison.bootstrap.resamples, comparison.bootstrap.seed
    );
    for system in &comparison.systems {
        let failed: usize = system.tasks().map(|finding| finding.failed).sum();
        if failed > 0 {
            let name = printable(&system.name());
            let _ = write!(text, " {name}: {failed} documents failed in one of the runs and are in no figure.");
        }
    }
    text
}

/// What was decided, as a sentence.
pub(super) fn decision(comparison: &Comparison) -> String {
    let rule = rule(comparison.rule);
    match comparison.regressions().count() {
        0 => format!("No regression ({rule})."),
        1 => format!("1 regression ({rule})."),
        count => format!("{count} regressions ({rule})."),
    }
}

fn rule(rule: RegressionRule) -> String {
    format!("a drop of more than {} points at p <= {}", rule.max_drop_points(), rule.alpha())
}
