//! Documents that a system cannot be asked: they fail, and everything else goes on.
#![expect(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod support;

use std::fs;
use std::path::Path;

use gac_harness::compare::{RegressionRule, compare};
use gac_harness::report::{self, Leaderboard};
use gac_harness::results::{Manifest, ResponseRecord, RunStatus, SampleRecord, StoredRun, TaskResults, read_samples};
use gac_harness::stats::Bootstrap;
use gac_harness::{Outcome, RunError, Silent, run};
use support::{Fake, Listener, choice, echo, opener, plan};

/// The second model cannot be asked the documents 3 and 4.
fn systems() -> [Fake; 3] {
    let refuses = vec!["3", "4"];
    [Fake::new("one", 1, 2), Fake { refuses, ..Fake::new("two", 1, 3) }, Fake::new("both", 2, 10)]
}

fn samples(folder: &Path) -> Vec<SampleRecord> {
    let mut samples = read_samples(&folder.join("samples.jsonl")).unwrap();
    samples.sort_by_key(|sample| sample.doc_id);
    samples.into_iter().map(|sample| SampleRecord { seconds: None, elapsed: 0.0, ..sample }).collect()
}

#[test]
fn a_document_that_cannot_be_asked_fails_alone_and_is_in_no_score() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = systems();
    let mut listener = Listener::default();
    let tasks = [echo("gsm8k", 30), choice("arc_easy", 20)];
    let summary = run(&plan(folder.path(), &fakes), &tasks, &mut opener(&fakes), &mut listener).unwrap();

    let samples = samples(&folder.path().join("two/gsm8k"));
    assert_eq!(samples.len(), 30);
    let error = "its continuation has no tokens of its own: it has to be a text".to_owned();
    for place in [3, 4] {
        assert_eq!(samples[place].outcome, Outcome::Failed { error: error.clone() });
        assert_eq!((&samples[place].response, samples[place].tokens), (&ResponseRecord::None, 0));
    }
    assert_eq!(samples[5].outcome, Outcome::Correct);

    // Every third of 30 is wrong, the documents 3 and 4 are not counted: 19 of 28.
    let results = fs::read(folder.path().join("two/gsm8k/results.json")).unwrap();
    let results: TaskResults = serde_json::from_slice(&results).unwrap();
    assert_eq!((results.outcomes.failed, results.outcomes.correct, results.outcomes.wrong), (2, 19, 9));
    assert!((results.value - 19.0 / 28.0).abs() < 1e-12, "{}", results.value);
    assert_eq!(results.timing.generated, 28);

    let leaderboard: Leaderboard = summary.leaderboard;
    assert_eq!((&leaderboard.rows[0].failed[..], &leaderboard.rows[1].failed[..]), (&[][..], &[2, 2][..]));
    assert_eq!(leaderboard.rows[1].all_failed(), 4);
    for text in [report::markdown(&leaderboard), report::terminal(&leaderboard, 200)] {
        assert!(text.contains("two failed on 2 of 30 documents of"), "{text}");
        assert!(!text.contains("one failed"), "{text}");
    }
    let csv = report::csv(&leaderboard).unwrap();
    let failed: Vec<&str> = csv.lines().map(|line| line.rsplit(',').next().unwrap()).collect();
    assert_eq!(failed, ["failed", "0", "0", "0", "2", "2", "4", "0", "0", "0"]);
    // The ensemble is compared with `two` on what both were asked.
    let paired = &leaderboard.comparisons[0].paired;
    assert_eq!((leaderboard.comparisons[0].baseline.as_str(), paired.documents, paired.failed), ("two", 46, 4));
    let heard = listener.heard.borrow().join("\n");
    assert!(heard.contains("system `two` failed on 2 of 30 documents of task `gsm8k`"), "{heard}");
    assert_eq!(Manifest::read(folder.path()).unwrap().status, RunStatus::Finished);
}

#[test]
fn the_same_run_again_asks_what_failed_once_more() {
    let folder = tempfile::tempdir().unwrap();
    let (first, second) = (folder.path().join("first"), folder.path().join("second"));
    let tasks = [echo("gsm8k", 9), choice("arc_easy", 5)];
    let whole = [Fake::new("two", 1, 3)];
    run(&plan(&first, &whole), &tasks, &mut opener(&whole), &mut Silent).unwrap();

    let failing = [Fake { refuses: vec!["3", "4"], ..whole[0].clone() }];
    run(&plan(&second, &failing), &tasks, &mut opener(&failing), &mut Silent).unwrap();
    let mut listener = Listener::default();
    let summary = run(&plan(&second, &whole), &tasks, &mut opener(&whole), &mut listener).unwrap();
    for task in ["two/gsm8k", "two/arc_easy"] {
        assert_eq!(samples(&first.join(task)), samples(&second.join(task)), "{task}");
        assert!(!second.join(task).join("superseded.jsonl").exists(), "{task}");
    }
    assert_eq!(summary.leaderboard.rows[0].all_failed(), 0);
    let heard = listener.heard.borrow().join("\n");
    assert!(heard.contains("task two gsm8k 7 of 9"), "{heard}");
}

#[test]
fn a_task_of_which_nothing_can_be_asked_ends_the_run_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let fakes = [Fake { refuses: vec!["0", "1"], ..Fake::new("one", 1, 0) }];
    let error = run(&plan(folder.path(), &fakes), &[echo("gsm8k", 2)], &mut opener(&fakes), &mut Silent).unwrap_err();
    assert!(matches!(&error, RunError::AllFailed { documents: 2, .. }), "{error}");
    assert!(error.to_string().contains("its continuation has no tokens"), "{error}");
    assert_eq!(samples(&folder.path().join("one/gsm8k")).len(), 2);
}

#[test]
fn runs_are_compared_on_what_both_were_asked_and_the_rest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let stored = |name: &str, fake: Fake| {
        let output = folder.path().join(name);
        let fakes = [fake];
        run(&plan(&output, &fakes), &[echo("gsm8k", 10)], &mut opener(&fakes), &mut Silent).unwrap();
        StoredRun::read(&output).unwrap()
    };
    let base = stored("base", Fake::new("one", 1, 0));
    let new = stored("new", Fake { refuses: vec!["3", "4"], ..Fake::new("one", 1, 0) });
    let found = compare(&base, &new, &[], &[], RegressionRule::new(1.0, 0.05).unwrap(), Bootstrap::default()).unwrap();
    let finding = &found.systems[0].findings[0];
    assert_eq!((finding.documents, finding.failed, finding.base, finding.new), (8, 2, 1.0, 1.0));
    assert!(found.systems[0].flips.is_empty());
    let text = gac_harness::compare::terminal(&found, 200);
    assert!(text.contains("one: 2 documents failed in one of the runs and are in no figure."), "{text}");
}
