//! `gac track`, and its history in a report.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "support/browser.rs"]
mod browser;
#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use fakes::{Fake, choice, echo, opener, plan};
use gac_harness::Silent;
use gac_harness::results::Manifest;
use gac_needs::needs;
use support::gac;

/// A run of this day, with every `wrong_every`th document wrong under the first system.
fn run(folder: &Path, day: usize, wrong_every: usize) -> String {
    let fakes = [Fake::new("one", 1, wrong_every), Fake::new("GaC <b>", 2, 10)];
    let output = folder.join(format!("day-{day}"));
    let tasks = [echo("gsm8k", 400), choice("arc_easy", 60)];
    gac_harness::run(&plan(&output, &fakes), &tasks, &mut opener(&fakes), &mut Silent).unwrap();
    let mut manifest = Manifest::read(&output).unwrap();
    manifest.started = format!("2026-11-{day:02}T08:00:00Z");
    fs::write(output.join("manifest.json"), serde_json::to_string(&manifest).unwrap()).unwrap();
    output.to_str().unwrap().to_owned()
}

/// A history of four runs, with the last one.
fn tracked(folder: &Path) -> (PathBuf, String) {
    let history = folder.join("results/history.csv");
    let mut last = String::new();
    for (day, wrong_every) in [(21, 4), (22, 5), (24, 3), (27, 6)] {
        last = run(folder, day, wrong_every);
        let commit = format!("{day}abcdef01234567");
        let ran = gac(&["track", &last, "--history", history.to_str().unwrap(), "--commit", &commit]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
    (history, last)
}

#[test]
fn runs_are_added_by_time_and_the_same_run_again_is_not_added_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (history, last) = tracked(folder.path());
    let text = fs::read_to_string(&history).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "time,commit,run,system,task,documents,score,stderr,low,high");
    // Four runs of two systems on two tasks and the average.
    assert_eq!(lines.len(), 1 + 4 * 2 * 3);
    assert!(lines[1].starts_with("2026-11-21T08:00:00Z,21abcdef01234567,test,one,gsm8k,400,0.75,"), "{}", lines[1]);
    assert!(lines[3].contains(",average,460,0.75,"), "{}", lines[3]);
    let ran = gac(&["track", &last, "--history", history.to_str().unwrap(), "--commit", "27abcdef01234567"]);
    assert_eq!((ran.code, fs::read_to_string(&history).unwrap()), (0, text));
    fs::write(&history, "a,b\n1,2\n").unwrap();
    let ran = gac(&["track", &last, "--history", history.to_str().unwrap()]);
    assert!(ran.code == 2 && ran.stderr.contains("is no history of scores"), "{}", ran.stderr);
    let ran = gac(&["report", &last, "--history", "/nowhere.csv"]);
    assert!(ran.code == 2 && ran.stderr.contains("there is no history in `/nowhere.csv`"), "{}", ran.stderr);
}

#[test]
fn a_report_has_a_chart_per_task_with_commits_below() {
    let folder = tempfile::tempdir().unwrap();
    let (history, last) = tracked(folder.path());
    let (page, plots) = (folder.path().join("page.html"), folder.path().join("plots"));
    let ran = gac(&[
        "report",
        &last,
        "--history",
        history.to_str().unwrap(),
        "-o",
        page.to_str().unwrap(),
        "--plots",
        plots.to_str().unwrap(),
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let page = fs::read_to_string(page).unwrap();
    for part in [
        "Scores over commits: average",
        "Scores over commits: gsm8k",
        ">21abcde</text>",
        "one: 83.25 \u{b1} 3.66 at 27abcde",
    ] {
        assert!(page.contains(part), "{part}");
    }
    let csv = fs::read_to_string(plots.join("scores-over-commits-gsm8k.csv")).unwrap();
    assert_eq!(csv.lines().count(), 1 + 8);
    assert!(fs::read_to_string(plots.join("scores-over-commits-average.svg")).unwrap().contains("24abcde"));
}

#[needs(browser)]
#[test]
fn the_history_is_drawn_in_a_browser_in_both_themes() {
    let folder = tempfile::tempdir().unwrap();
    let (history, last) = tracked(folder.path());
    let page = folder.path().join("page.html");
    gac(&["report", &last, "--history", history.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    let mut browser = Browser::start();
    browser.resize(900, 1500);
    browser.open(&page);
    for scheme in ["light", "dark"] {
        browser.prefer(scheme);
        browser.value("document.getElementById('history').scrollIntoView()");
        browser.picture(&format!("history-{scheme}"));
    }
    assert_eq!(browser.value("document.querySelectorAll('#history circle').length"), 3 * 2 * 4);
    assert_eq!(browser.value("document.querySelectorAll('#history .error').length"), 3 * 2 * 4);
    assert_eq!(browser.problems(), Vec::<String>::new());
}
