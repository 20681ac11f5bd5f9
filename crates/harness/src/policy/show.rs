//! A policy's answer for terminals, pull requests, programs and continuous integration.

use std::fmt::Write as _;

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::file::Tier;
use super::review::{LimitCheck, LimitKind, Review, Ruling};
use super::sentence::{headline, note, number, percent, sentence};
use crate::compare::{aligned, p_value};
use crate::report::{escape_markdown as escape, printable, wrap};

const HEADING: [&str; 8] = ["", "", "limit", "measured", "bounds", "documents", "p (Holm)", ""];

/// A table per system, a sentence for each limit that is not kept, and the answer; at most `width` characters a line where
/// names allow.
pub fn terminal(review: &Review, width: usize) -> String {
    let mut lines = Vec::new();
    for system in review.systems() {
        lines.push(printable(system));
        lines.extend(aligned(HEADING, of_system(review, system).map(row)));
        lines.push(String::new());
    }
    let unkept: Vec<&LimitCheck> = review.checks.iter().filter(|check| check.ruling != Ruling::Go).collect();
    // A single one is in the headline.
    for check in unkept.iter().filter(|_| unkept.len() > 1) {
        lines.extend(wrap(&format!("{}: {}", check.ruling.name(), sentence(check)), width));
    }
    lines.extend(wrap(&note(review), width));
    lines.push(String::new());
    lines.extend(wrap(&headline(review), width));
    lines.join("\n") + "\n"
}

/// The answer as a heading, and everything else folded away.
pub fn markdown(review: &Review) -> String {
    let mut text = format!("### {}\n\n", escape(&headline(review)));
    let _ = write!(text, "<details><summary>{} limits</summary>\n\n", review.checks.len());
    text.push_str("| system | tier | task | limit | measured | bounds | documents | p (Holm) | |\n");
    text.push_str("| --- | --- | --- | --- | ---: | :---: | ---: | ---: | --- |\n");
    for check in &review.checks {
        let cells = row(check).map(|cell| escape(&cell).replace('<', "&lt;"));
        let _ = writeln!(text, "| {} | {} |", escape(&check.system), cells.join(" | "));
    }
    text.push('\n');
    for check in review.checks.iter().filter(|check| check.ruling != Ruling::Go) {
        let _ = writeln!(text, "- {}: {}", check.ruling.name(), escape(&sentence(check)));
    }
    let _ = write!(text, "\n{}\n\n</details>\n", note(review));
    text
}

/// The [`Review`] record as indented JSON.
///
/// # Panics
/// Never: the record holds nothing that JSON cannot.
pub fn json(review: &Review) -> String {
    serde_json::to_string_pretty(review).expect("a review is plain data") + "\n"
}

/// JUnit XML, a suite per system and a case per limit: what keeps a run from being accepted is a failure, what does not is
/// skipped.
///
/// # Panics
/// Never: it is written to memory.
pub fn junit(review: &Review) -> String {
    let mut report = Report::new(headline(review));
    for system in review.systems() {
        let mut suite = TestSuite::new(system);
        suite.add_test_cases(of_system(review, system).map(case));
        report.add_test_suite(suite);
    }
    report.to_string().expect("a report is written to memory")
}

fn of_system<'a>(review: &'a Review, system: &'a str) -> impl Iterator<Item = &'a LimitCheck> {
    review.checks.iter().filter(move |check| check.system == system)
}

fn case(check: &LimitCheck) -> TestCase {
    let message = sentence(check);
    let decides = match check.tier {
        Tier::Critical => check.ruling != Ruling::Go,
        Tier::Supporting => check.ruling == Ruling::NoGo,
        Tier::Advisory => false,
    };
    let status = if decides {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(message.clone()).set_type(check.ruling.name());
        status
    } else if check.ruling == Ruling::Go {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::skipped();
        status.set_message(format!("{}: {message}", check.ruling.name()));
        status
    };
    let mut case = TestCase::new(format!("{} {}", check.scope.name(), key(check.limit)), status);
    case.set_classname(&check.system);
    if check.ruling == Ruling::Go {
        case.set_system_out(message);
    }
    case
}

fn row(check: &LimitCheck) -> [String; 8] {
    let in_unit = |value: f64| if check.limit == LimitKind::MaxMsPerToken { number(value) } else { percent(value) };
    let fixed = |value: f64| {
        let value = if check.limit == LimitKind::MaxMsPerToken { value } else { value * 100.0 };
        // A zero has no sign.
        format!("{:.2}", if value.abs() < 0.005 { 0.0 } else { value })
    };
    let tier = match check.tier {
        Tier::Critical => "critical",
        Tier::Supporting => "supporting",
        Tier::Advisory => "advisory",
    };
    let of_evidence =
        |show: &dyn Fn(&super::review::ScoreEvidence) -> String| check.evidence.as_ref().map(show).unwrap_or_default();
    [
        tier.to_owned(),
        printable(check.scope.name()),
        format!("{} {}", key(check.limit), in_unit(check.allowed)),
        check.measured.map_or_else(|| "-".to_owned(), fixed),
        of_evidence(&|evidence| format!("{} to {}", fixed(evidence.low), fixed(evidence.high))),
        of_evidence(&|evidence| {
            let groups = evidence.groups;
            let groups = if groups < evidence.documents { format!(" in {groups} groups") } else { String::new() };
            format!("{}{groups}", evidence.documents)
        }),
        of_evidence(&|evidence| p_value(evidence.p_adjusted)),
        check.ruling.name().to_owned(),
    ]
}

/// Its key in a policy's file.
fn key(limit: LimitKind) -> &'static str {
    match limit {
        LimitKind::MaxDrop => "max-drop",
        LimitKind::MaxRelativeDrop => "max-relative-drop",
        LimitKind::MinScore => "min-score",
        LimitKind::MaxMsPerToken => "max-ms-per-token",
        LimitKind::MaxSlowdown => "max-slowdown",
        LimitKind::MaxEnsembledShare => "max-ensembled-share",
        LimitKind::MaxFailed => "max-failed",
    }
}
