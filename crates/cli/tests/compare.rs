//! `gac compare` and `gac leaderboard` on runs of systems without models: every number is known.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
mod support;

use std::fs;
use std::path::Path;

use fakes::{Fake, choice, echo, opener, plan};
use gac_harness::{LoadedTask, Silent};
use insta::assert_snapshot;
use serde_json::Value;
use support::{Ran, gac};

/// Runs `fakes` into `folder/name`.
fn run(folder: &Path, name: &str, fakes: &[Fake], tasks: &[LoadedTask]) -> String {
    let output = folder.join(name);
    gac_harness::run(&plan(&output, fakes), tasks, &mut opener(fakes), &mut Silent).unwrap();
    output.to_str().unwrap().to_owned()
}

fn tasks() -> [LoadedTask; 2] {
    [echo("gsm8k", 100), choice("arc_easy", 60)]
}

/// A base run, and one that gets more wrong.
fn runs(folder: &Path, wrong_every: usize) -> (String, String) {
    let system = |wrong_every| [Fake::new("one", 1, wrong_every), Fake::new("both", 2, 10)];
    (run(folder, "base", &system(5), &tasks()), run(folder, "new", &system(wrong_every), &tasks()))
}

fn shown(ran: &Ran, folder: &Path) -> String {
    let text = format!("exit code: {}\n--- stdout\n{}--- stderr\n{}", ran.code, ran.stdout, ran.stderr);
    text.replace(folder.to_str().unwrap(), "FOLDER")
}

#[test]
fn a_regression_is_found_and_is_exit_code_1_when_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = runs(folder.path(), 2);
    let ran = gac(&["compare", &base, &new, "--fail-on", "regression"]);
    assert_snapshot!(shown(&ran, folder.path()));
    assert_eq!(ran.code, 1);
    // Without being asked, it only tells.
    assert_eq!(gac(&["compare", &base, &new]).code, 0);
    // A drop that is put up with, and an alpha that calls this chance.
    assert_eq!(gac(&["compare", &base, &new, "--fail-on", "regression", "--max-drop", "50"]).code, 0);
    assert_eq!(
        gac(&["compare", &base, &new, "--fail-on", "regression", "--alpha", "1e-15", "--tasks", "gsm8k"]).code,
        0
    );
}

#[test]
fn the_same_again_is_no_regression() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = runs(folder.path(), 5);
    let ran = gac(&["compare", &base, &new, "--fail-on", "regression", "--max-drop", "0", "--alpha", "1"]);
    assert_eq!(ran.code, 0, "{}", ran.stdout);
    assert!(ran.stdout.contains("No regression (a drop of more than 0 points at p <= 1)."), "{}", ran.stdout);
}

#[test]
fn markdown_goes_to_githubs_step_summary_too() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = runs(folder.path(), 3);
    let summary = folder.path().join("summary.md");
    fs::write(&summary, "before\n").unwrap();
    let ran = support::gac_with(
        &["compare", &base, &new, "--format", "markdown"],
        &[("GITHUB_STEP_SUMMARY", summary.to_str().unwrap())],
    );
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_snapshot!(ran.stdout);
    assert_eq!(fs::read_to_string(&summary).unwrap(), format!("before\n{}\n", ran.stdout));
}

#[test]
fn json_names_every_flip_and_junit_fails_the_regressed_cases() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = runs(folder.path(), 2);
    let junit = folder.path().join("junit.xml");
    let ran = gac(&["compare", &base, &new, "--json", "--junit", junit.to_str().unwrap()]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let one = &json["systems"][0];
    let findings = one["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 3);
    assert_eq!(findings[0]["scope"]["task"], "gsm8k");
    assert_eq!((&findings[0]["verdict"], &findings[2]["scope"]), (&"regression".into(), &"average".into()));
    // Of 0..100, even numbers that are no multiples of 5 are lost, odd multiples of 5 gained.
    assert_eq!((&findings[0]["discordant"]["worse"], &findings[0]["discordant"]["better"]), (&40.into(), &10.into()));
    let flips = one["flips"].as_array().unwrap();
    assert_eq!(flips.iter().filter(|flip| flip["task"] == "gsm8k").count(), 50);
    assert!(flips.iter().any(|flip| flip["doc_id"] == 5 && flip["direction"] == "gained"));

    let xml = fs::read_to_string(junit).unwrap();
    assert!(
        xml.contains("<testsuites name=\"gac compare\" tests=\"6\" skipped=\"0\" failures=\"3\" errors=\"0\">"),
        "{xml}"
    );
    assert_eq!(xml.matches("type=\"regression\"/>").count(), 3);
}

#[test]
fn runs_that_are_not_alike_are_exit_code_2_and_say_how() {
    let folder = tempfile::tempdir().unwrap();
    let one = [Fake::new("one", 1, 5)];
    let base = run(folder.path(), "base", &one, &tasks());
    let mut other = tasks();
    other[0].version = "9".into();
    other[0].documents.truncate(90);
    other[0].documents[3].hash = "changed".into();
    other[1].num_fewshot = 4;
    let new = run(folder.path(), "new", &one, &other);
    let junit = folder.path().join("junit.xml");
    let ran = gac(&["compare", &base, &new, "--junit", junit.to_str().unwrap()]);
    assert_snapshot!(shown(&ran, folder.path()));
    assert!(fs::read_to_string(&junit).unwrap().contains("errors=\"1\""));

    let more = [Fake::new("one", 1, 5), Fake::new("two", 1, 5)];
    let two = run(folder.path(), "two", &more, &tasks());
    let ran = gac(&["compare", &base, &two]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("system `two` is missing in the base run"), "{}", ran.stderr);
    assert_eq!(gac(&["compare", &base, &two, "--system", "one=two"]).code, 0);
    let ran = gac(&["compare", &base, &two, "--system", "three"]);
    assert!(ran.stderr.contains("no system `three` in the base run"), "{}", ran.stderr);
    let ran = gac(&["compare", &base, &two, "--system", "one", "--tasks", "gsm8k,mmlu"]);
    assert!(ran.stderr.contains("task `mmlu` is missing in the base run"), "{}", ran.stderr);
    let ran = gac(&["compare", &base, "/nowhere"]);
    assert!(ran.stderr.contains("`/nowhere` holds no run"), "{}", ran.stderr);
    let ran = gac(&["compare", &base, &two, "--alpha", "2"]);
    assert!(ran.stderr.contains("alpha 2 cannot be"), "{}", ran.stderr);
}

#[test]
fn a_leaderboard_merges_runs_and_refuses_to_mix_protocols() {
    let folder = tempfile::tempdir().unwrap();
    let first = run(folder.path(), "first", &[Fake::new("Yi-34B-Chat", 1, 5)], &tasks());
    let second = run(folder.path(), "second", &[Fake::new("GaC(Yi + Mixtral)", 2, 10)], &tasks());
    let ran = gac(&["leaderboard", &first, &second, "--paper"]);
    assert_snapshot!(shown(&ran, folder.path()));
    for format in ["markdown", "csv", "json", "latex", "html"] {
        let ran = gac(&["leaderboard", &first, &second, "--format", format]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        assert!(ran.stdout.contains("Yi-34B-Chat"), "{format}: {}", ran.stdout);
        let both = gac(&["leaderboard", &first, &second, "--format", format, "--paper"]);
        assert!(both.stdout.contains("2406.12585") && both.stdout.contains("72.75"), "{format}: {}", both.stdout);
    }
    let json: Value = serde_json::from_str(&gac(&["leaderboard", &first, "--json"]).stdout).unwrap();
    assert_eq!(json["rows"][0]["system"], "Yi-34B-Chat");

    let mut other = tasks();
    other[0].num_fewshot = 5;
    let third = run(folder.path(), "third", &[Fake::new("other", 1, 5)], &other);
    let ran = gac(&["leaderboard", &first, &third]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("column `gsm8k` would mix protocols: `Yi-34B-Chat` has 0-shot"), "{}", ran.stderr);
    let mixed = gac(&["leaderboard", &first, &third, "--mix-protocols"]);
    assert_eq!(mixed.code, 0);
    assert!(mixed.stdout.contains("Protocols are mixed."), "{}", mixed.stdout);
}

/// Documents of two subjects, by turns.
fn of_subjects(mut task: LoadedTask) -> LoadedTask {
    for document in &mut task.documents {
        document.subject = Some(["botany", "tides"][document.id % 2].to_owned());
    }
    task
}

#[test]
fn subjects_are_compared_one_by_one_and_the_worst_comes_first() {
    let folder = tempfile::tempdir().unwrap();
    let tasks = [of_subjects(echo("mmlu", 60))];
    // Every sixth prompt wrong, all even; then every third, of which the odd ones are new.
    let base = run(folder.path(), "base", &[Fake::new("one", 1, 6)], &tasks);
    let new = run(folder.path(), "new", &[Fake { refuses: vec!["7"], ..Fake::new("one", 1, 3) }], &tasks);
    let ran = gac(&["compare", &base, &new, "--by-subject"]);
    assert_snapshot!(shown(&ran, folder.path()));

    let found: Value = serde_json::from_str(&gac(&["compare", &base, &new, "--json"]).stdout).unwrap();
    let subjects = found["systems"][0]["subjects"].as_array().unwrap();
    let of = |subject: &Value| (subject["subject"].clone(), subject["documents"].clone(), subject["failed"].clone());
    assert_eq!(of(&subjects[0]), ("botany".into(), 30.into(), 0.into()));
    assert_eq!(of(&subjects[1]), ("tides".into(), 29.into(), 1.into()));
    assert_eq!(subjects[1]["discordant"], serde_json::json!({ "better": 0, "worse": 10 }));

    let markdown = gac(&["compare", &base, &new, "--format", "markdown"]).stdout;
    assert!(markdown.contains("<details><summary>mmlu: 2 subjects</summary>"), "{markdown}");
}
