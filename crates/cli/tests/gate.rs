//! `gac gate` and `gac compare --policy` on runs of systems without models: every number is known.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
mod support;

use std::fs;
use std::path::Path;

use fakes::{Fake, choice, echo, opener, plan};
use gac_harness::Silent;
use insta::assert_snapshot;
use serde_json::Value;
use support::{Ran, gac, gac_with};

/// A run in `folder/name` of a system that gets every `wrong_every`th document wrong, and of one that never changes.
fn run(folder: &Path, name: &str, wrong_every: usize) -> String {
    let fakes = [Fake::new("one", 1, wrong_every), Fake::new("both", 2, 10)];
    let output = folder.join(name);
    let tasks = [echo("gsm8k", 400), choice("arc_easy", 60)];
    gac_harness::run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    output.to_str().unwrap().to_owned()
}

fn policy(folder: &Path, text: &str) -> String {
    let path = folder.join("policy.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn shown(ran: &Ran, folder: &Path) -> String {
    let text = format!("exit code: {}\n--- stdout\n{}--- stderr\n{}", ran.code, ran.stdout, ran.stderr);
    text.replace(folder.to_str().unwrap(), "FOLDER")
}

#[test]
fn a_drop_that_is_shown_is_no_go_and_exit_code_1() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(folder.path(), "base", 5), run(folder.path(), "new", 2));
    let policy = policy(
        folder.path(),
        "[average]\nmax-drop = 5\n[each-task]\ntier = \"supporting\"\nmax-drop = 5\n[tasks.gsm8k]\nmin-score = 70\n",
    );
    let ran = gac(&["gate", &policy, &base, &new]);
    assert_eq!(ran.code, 1, "{}", ran.stderr);
    assert_snapshot!(shown(&ran, folder.path()));
}

#[test]
fn what_the_documents_cannot_tell_is_inconclusive_and_exit_code_3() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(folder.path(), "base", 5), run(folder.path(), "new", 5));
    let policy = policy(folder.path(), "[tasks.arc_easy]\nmax-drop = 1\n");
    let ran = gac(&["gate", &policy, &base, &new, "--system", "one"]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    assert_snapshot!(shown(&ran, folder.path()));
}

#[test]
fn a_run_that_is_shown_to_be_no_worse_is_go() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(folder.path(), "base", 5), run(folder.path(), "new", 6));
    let policy =
        policy(folder.path(), "[tasks.gsm8k]\nmax-drop = 1.5\n[tasks.arc_easy]\ntier = \"advisory\"\nmax-drop = 1\n");
    let summary = folder.path().join("summary.md");
    let ran = gac_with(
        &["gate", &policy, &base, &new, "--format", "markdown"],
        &[("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())],
    );
    assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.stdout);
    assert_snapshot!(ran.stdout);
    assert_eq!(fs::read_to_string(&summary).unwrap(), format!("{}\n", ran.stdout));
}

#[test]
fn junit_has_a_case_per_limit_and_its_name_is_the_answer() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(folder.path(), "base", 5), run(folder.path(), "new", 2));
    let policy =
        policy(folder.path(), "[tasks.gsm8k]\nmax-drop = 5\n[tasks.arc_easy]\ntier = \"supporting\"\nmax-drop = 27\n");
    let junit = folder.path().join("junit.xml");
    let ran = gac(&["gate", &policy, &base, &new, "--json", "--junit", junit.to_str().unwrap()]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json["ruling"], json["checks"].as_array().unwrap().len()), (&"NO-GO".into(), 4));
    let xml = fs::read_to_string(junit).unwrap();
    assert!(xml.contains("tests=\"4\" skipped=\"1\" failures=\"1\" errors=\"0\""), "{xml}");
    assert!(xml.contains("<testsuites name=\"NO-GO: gsm8k of `one` drops by"), "{xml}");
    assert!(xml.contains("type=\"NO-GO\""), "{xml}");
}

#[test]
fn compare_with_a_policy_shows_both_and_exits_as_the_gate_does() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (run(folder.path(), "base", 5), run(folder.path(), "new", 2));
    let policy = policy(folder.path(), "[average]\nmax-drop = 5\n");
    let ran = gac(&["compare", &base, &new, "--policy", &policy]);
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.contains("95% CI") && ran.stdout.contains("NO-GO: average of `one` drops by"), "{}", ran.stdout);
    let ran = gac(&["compare", &base, &new, "--policy", &policy, "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(json["review"]["ruling"], "NO-GO");
    assert!(json["comparison"]["systems"].is_array());
    assert_eq!(gac(&["compare", &base, &new, "--policy", &policy, "--max-drop", "3"]).code, 2);
}

#[test]
fn a_policy_that_cannot_be_is_exit_code_2_and_says_what_would_be_valid() {
    let folder = tempfile::tempdir().unwrap();
    let base = run(folder.path(), "base", 5);
    for (text, message, hint) in [
        ("[average]\nmax-dorp = 1\n", "line 2, column 1: unknown field `max-dorp`", "recipes/policy.toml"),
        ("[average]\nmax-drop = 0\n", "`average.max-drop` is 0; it is percentage points above 0", ""),
        ("[tasks.gsm9k]\nmax-drop = 1\n", "names task `gsm9k`", "its tasks: `gsm8k`, `arc_easy`"),
        ("", "there is no limit in it", "recipes/policy.toml"),
    ] {
        let ran = gac(&["gate", &policy(folder.path(), text), &base, &base]);
        assert_eq!(ran.code, 2, "{}", ran.stdout);
        assert!(ran.stderr.contains(message) && ran.stderr.contains(hint), "{}", ran.stderr);
    }
    let ran = gac(&["gate", "recipes/policy.toml", "results/baseline", "results/baseline", "--json"]);
    assert!(ran.code == 0 || ran.code == 3, "{}", ran.stderr);
}

#[test]
fn a_plan_says_how_many_documents_a_drop_takes() {
    let ran = gac(&["plan", "--max-drop", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout);
    let folder = tempfile::tempdir().unwrap();
    let base = run(folder.path(), "base", 5);
    let ran = gac(&["plan", "--max-drop", "2", &base, &base, "--system", "one=both", "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!((&json[0]["documents"], json.as_array().unwrap().len()), (&400.into(), 3));
    // Of 400, 40 get better and none worse: 400 ((1.645 + 0.842) * 0.302 / 20 / 0.02)^2, with half a document of each kind.
    let needed = json[0]["needed"].as_f64().unwrap();
    assert!((1_300.0..1_500.0).contains(&needed), "{needed}");
    for (flag, value, message) in [
        ("--power", "1", "--power 1 cannot be; it is above 0 and below 1"),
        ("--alpha", "0.5", "--alpha 0.5 cannot be"),
        ("--discordance", "-1", "--discordance -1 cannot be"),
        ("--deviation", "0", "--deviation 0 cannot be"),
    ] {
        let ran = gac(&["plan", "--max-drop", "1", flag, value]);
        assert!(ran.code == 2 && ran.stderr.contains(message), "{}", ran.stderr);
    }
}
