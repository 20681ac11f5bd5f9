//! A comparison for continuous integration: JUnit's XML, a suite per system, a case per task.

use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::findings::{Comparison, Finding};
use super::terminal::p_value;
use super::verdict::Verdict;
use crate::report::points;

const NAME: &str = "gac compare";

/// JUnit XML; a regression is a failed case.
pub fn junit(comparison: &Comparison) -> String {
    let suites = comparison.systems.iter().map(|system| {
        let name = system.name();
        let mut suite = TestSuite::new(name.clone());
        suite.add_test_cases(system.findings.iter().map(|finding| case(&name, finding)));
        suite
    });
    document(suites)
}

/// JUnit XML of a comparison that was not possible, for this reason: an error and no failure.
pub fn junit_error(reason: &str) -> String {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_message(reason);
    let mut case = TestCase::new("comparison", status);
    case.set_classname(NAME);
    let mut suite = TestSuite::new(NAME);
    suite.add_test_case(case);
    document([suite])
}

fn document(suites: impl IntoIterator<Item = TestSuite>) -> String {
    let mut report = Report::new(NAME);
    report.add_test_suites(suites);
    report.to_string().expect("a report is written to memory")
}

fn case(system: &str, finding: &Finding) -> TestCase {
    let summary = format!(
        "{:.2} -> {:.2}: {} points (95% CI {} to {}), {} documents lost, {} gained, p {} (Holm {})",
        finding.base * 100.0,
        finding.new * 100.0,
        points(finding.difference),
        points(finding.low),
        points(finding.high),
        finding.discordant.worse,
        finding.discordant.better,
        p_value(finding.p),
        p_value(finding.p_adjusted),
    );
    let regressed = finding.verdict == Verdict::Regression;
    let status = if regressed {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(summary.clone()).set_type("regression");
        status
    } else {
        TestCaseStatus::success()
    };
    let mut case = TestCase::new(finding.scope.name(), status);
    case.set_classname(system);
    if !regressed {
        case.set_system_out(summary);
    }
    case
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_document() {
        let text = junit_error("a<b & \"c\"\u{1b}\n");
        assert!(text.contains("message=\"a&lt;b &amp; &quot;c&quot;"), "{text}");
        assert!(!text.contains('\u{1b}'), "{text}");
        assert!(text.ends_with("</testsuites>\n"), "{text}");
    }

    #[test]
    fn what_could_not_be_compared_is_an_error_and_no_failure() {
        let text = junit_error("task `a` is missing");
        assert!(text.contains("failures=\"0\" errors=\"1\""), "{text}");
        assert!(text.contains("<error message=\"task `a` is missing\"/>"), "{text}");
    }
}
