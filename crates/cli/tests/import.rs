//! `gac import` on what lm-evaluation-harness's dummy model left (`scripts/lm_eval/import_fixture.py`).

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::path::Path;

use gac_harness::results::StoredRun;
use serde_json::Value;
use support::{gac, root};

fn fixture(name: &str) -> String {
    root().join("crates/harness/tests/fixtures/lm_eval_runs").join(name).to_str().unwrap().to_owned()
}

fn imported(folder: &Path, name: &str) -> String {
    let output = folder.join(name).to_str().unwrap().to_owned();
    let ran = gac(&["import", &fixture(name), "--output-path", &output, "--name", "dummy"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(!ran.stderr.contains("another score"), "{}", ran.stderr);
    output
}

#[test]
fn scores_and_standard_errors_are_those_that_lm_evaluation_harness_reports() {
    let folder = tempfile::tempdir().unwrap();
    let output = imported(folder.path(), "base");
    let run = StoredRun::read(Path::new(&output)).unwrap();
    let tasks = &run.systems[0].tasks;
    // A group is a task with subjects.
    let shown: Vec<_> =
        tasks.iter().map(|task| (&*task.entry.name, task.samples.len(), &*task.entry.version)).collect();
    assert_eq!(shown, [("made_sums", 12, "1.0"), ("made_colours", 14, "2.0")]);
    let results = std::fs::read_dir(fixture("base")).unwrap().map(|entry| entry.unwrap().path());
    let results = results.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "json")).unwrap();
    let theirs: Value = serde_json::from_str(&std::fs::read_to_string(results).unwrap()).unwrap();
    let mut compared = 0;
    for aggregate in tasks.iter().flat_map(|task| &task.results.aggregates) {
        let figures = &theirs["results"][&aggregate.name];
        let Some(value) = figures[aggregate.key.to_string()].as_f64() else { continue };
        assert!((aggregate.value - value).abs() < 1e-9, "{aggregate:?} {value}");
        // Of a group they pool the standard errors.
        if aggregate.name != "made_colours" {
            let key = format!("{}_stderr,{}", aggregate.key.metric, aggregate.key.filter);
            let stderr = figures[key].as_f64().unwrap();
            assert!((aggregate.stderr.unwrap() - stderr).abs() < 1e-9, "{aggregate:?} {stderr}");
        }
        compared += 1;
    }
    assert_eq!(compared, 7);
    let pear = tasks[1].samples.iter().find(|sample| sample.subject.as_deref() == Some("made_pears")).unwrap();
    assert_eq!(pear.label(), "made_pears/0");
}

#[test]
fn imported_runs_are_compared_gated_and_shown() {
    let folder = tempfile::tempdir().unwrap();
    let (base, new) = (imported(folder.path(), "base"), imported(folder.path(), "new"));
    let ran = gac(&["compare", &base, &new, "--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let compared: Value = serde_json::from_str(&ran.stdout).unwrap();
    let findings = compared["systems"][0]["findings"].as_array().unwrap();
    assert_eq!((findings.len(), &findings[1]["documents"]), (3, &14.into()));
    assert_eq!(findings[0]["difference"], 0.0);
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "[tasks.made_sums]\nmax-drop = 1\n").unwrap();
    let ran = gac(&["gate", policy.to_str().unwrap(), &base, &new]);
    assert_eq!(ran.code, 3, "{}", ran.stderr);
    let page = folder.path().join("report.html");
    assert_eq!(gac(&["report", &base, "-o", page.to_str().unwrap()]).code, 0);
    let ran = gac(&["rerun", &base]);
    assert!(ran.code == 2 && ran.stderr.contains("is a run of lm-evaluation-harness"), "{}", ran.stderr);
}

#[test]
fn documents_that_share_a_field_are_one_group_of_a_gate() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run").to_str().unwrap().to_owned();
    // Twelve sums, four of which have the same answer.
    let ran = gac(&["import", &fixture("base"), "--output-path", &output, "--group-by", "answer"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let policy = folder.path().join("policy.toml");
    std::fs::write(&policy, "[tasks.made_sums]\nmin-score = 1\n").unwrap();
    let ran = gac(&["gate", policy.to_str().unwrap(), &output, &output, "--json"]);
    let json: Value = serde_json::from_str(&ran.stdout).unwrap();
    let evidence = &json["checks"][0]["evidence"];
    assert_eq!((&evidence["documents"], &evidence["groups"]), (&12.into(), &9.into()));
}

#[test]
fn a_metric_can_be_picked_and_what_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run").to_str().unwrap().to_owned();
    let import = |metric: &str| gac(&["import", &fixture("base"), "--output-path", &output, "--metric", metric]);
    let ran = import("made_sums=f1,loose");
    assert!(ran.code == 2 && ran.stderr.contains("`exact_match,strict`, `exact_match,loose`"), "{}", ran.stderr);
    let ran = import("made_up=f1,loose");
    assert!(ran.code == 2 && ran.stderr.contains("its tasks: `made_sums`, `made_colours`"), "{}", ran.stderr);
    assert!(!Path::new(&output).exists());
    // The metric of a part: then it is a task by itself.
    let ran = import("made_pears=acc_norm,none");
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let run = StoredRun::read(Path::new(&output)).unwrap();
    let shown: Vec<_> =
        run.systems[0].tasks.iter().map(|task| (&*task.entry.name, task.entry.primary.to_string())).collect();
    let expected = [("made_sums", "exact_match,strict"), ("made_apples", "acc,none"), ("made_pears", "acc_norm,none")];
    assert_eq!(shown, expected.map(|(task, key)| (task, key.to_owned())));
    let ran = import("made_pears=acc_norm,none");
    assert!(ran.code == 2 && ran.stderr.contains("holds a run already"), "{}", ran.stderr);
    let ran = gac(&["import", folder.path().to_str().unwrap(), "--output-path", "/nowhere/x"]);
    assert!(ran.code == 2 && ran.stderr.contains("--log_samples"), "{}", ran.stderr);
}
