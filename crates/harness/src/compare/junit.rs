//! A comparison for continuous integration: JUnit's XML, a suite per system, a case per task.

use std::fmt::Write as _;

use super::findings::{Comparison, Finding};
use super::terminal::p_value;
use super::verdict::Verdict;
use crate::report::{self, points};

/// JUnit XML; a regression is a failed case.
pub fn junit(comparison: &Comparison) -> String {
    let mut suites = String::new();
    let (mut tests, mut failures) = (0, 0);
    for system in &comparison.systems {
        let failed = system.findings.iter().filter(|finding| finding.verdict == Verdict::Regression).count();
        tests += system.findings.len();
        failures += failed;
        let name = escape(&system.name());
        let _ = writeln!(
            suites,
            "  <testsuite name=\"{name}\" tests=\"{}\" failures=\"{failed}\" errors=\"0\">",
            system.findings.len()
        );
        for finding in &system.findings {
            suites.push_str(&case(&name, finding));
        }
        suites.push_str("  </testsuite>\n");
    }
    document(tests, failures, 0, &suites)
}

/// JUnit XML of a comparison that was not possible, for this reason: an error and no failure.
pub fn junit_error(reason: &str) -> String {
    let reason = escape(reason);
    let suite = format!(
        "  <testsuite name=\"gac compare\" tests=\"1\" failures=\"0\" errors=\"1\">\n    \
         <testcase classname=\"gac compare\" name=\"comparison\">\n      <error message=\"{reason}\"/>\n    \
         </testcase>\n  </testsuite>\n"
    );
    document(1, 0, 1, &suite)
}

fn document(tests: usize, failures: usize, errors: usize, suites: &str) -> String {
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"gac compare\" tests=\"{tests}\" \
         failures=\"{failures}\" errors=\"{errors}\">\n{suites}</testsuites>\n"
    )
}

fn case(system: &str, finding: &Finding) -> String {
    let name = escape(finding.scope.name());
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
    let summary = escape(&summary);
    let body = match finding.verdict {
        Verdict::Regression => format!("      <failure type=\"regression\" message=\"{summary}\"/>\n"),
        _ => format!("      <system-out>{summary}</system-out>\n"),
    };
    format!("    <testcase classname=\"{system}\" name=\"{name}\">\n{body}    </testcase>\n")
}

/// Text for an attribute or an element, on one line.
fn escape(text: &str) -> String {
    report::escape(&text.replace(['\n', '\r', '\t'], " "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_cannot_break_the_document() {
        assert_eq!(escape("a<b & \"c\"\u{1b}\n"), "a&lt;b &amp; &quot;c&quot;\u{fffd} ");
    }

    #[test]
    fn what_could_not_be_compared_is_an_error_and_no_failure() {
        let text = junit_error("task `a` is missing");
        assert!(
            text.contains("failures=\"0\" errors=\"1\"") && text.contains("<error message=\"task `a` is missing\"/>")
        );
    }
}
