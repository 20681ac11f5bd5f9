//! What `gac sweep` writes, `gac report` draws: alone, beside a run, and in a browser.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "support/browser.rs"]
mod browser;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use gac_needs::needs;
use support::gac;

const LLAMA: &str = "models/mini-llama";
const QWEN: &str = "models/mini-qwen";
/// What is asked of the miniature models, short.
const TASKS: [&str; 6] = ["--data-dir", "datasets/mini", "--num-fewshot", "0", "--limit", "6"];

/// Sweeps the miniature models into `folder`.
fn sweep(folder: &Path, more: &[&str]) {
    let mut args = vec!["sweep", "--model", LLAMA, "--model", QWEN, "--gate", LLAMA, "--thresholds", "0,0.5,1"];
    args.extend(TASKS);
    args.extend(["--output-path", folder.to_str().unwrap()]);
    args.extend(more);
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stderr.contains(&format!("`gac report {}` draws them", folder.display())), "{}", ran.stderr);
}

/// A run of both models together in `folder`.
fn run(folder: &Path) {
    let mut args = vec!["eval", "--model", LLAMA, "--model", QWEN, "--tasks", "gsm8k"];
    args.extend(TASKS);
    args.extend(["--output-path", folder.to_str().unwrap()]);
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
}

fn report(args: &[&str]) -> String {
    let ran = gac(&[&["report"], args].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stdout, "");
    ran.stderr
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let mut names: Vec<String> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// The titles of the charts of a page.
fn charts(page: &Path) -> Vec<String> {
    let text = fs::read_to_string(page).unwrap();
    let titles = text.split("<figcaption><strong>").skip(1);
    titles.map(|rest| rest.split(".</strong>").next().unwrap().to_owned()).collect()
}

const SWEEP_CHARTS: [&str; 4] = [
    "Sweep: accuracy against threshold",
    "Sweep: share of ensembled steps against threshold",
    "Sweep: accuracy against latency",
    "Sweep: cost against share of ensembled steps",
];

#[test]
fn a_report_of_a_sweep_has_its_charts_and_they_are_drawn() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("swept");
    sweep(&folder, &["--tasks", "gsm8k,arc_easy"]);
    let plots = scratch.path().join("plots");
    report(&[folder.to_str().unwrap(), "--plots", plots.to_str().unwrap()]);
    let page = folder.join("report.html");
    assert_eq!(charts(&page), SWEEP_CHARTS);
    let text = fs::read_to_string(&page).unwrap();
    assert!(text.contains("id=\"sweep\"") && text.contains("id=\"explorer\""));
    let expected: Vec<String> = [
        "sweep-accuracy-against-latency",
        "sweep-accuracy-against-threshold",
        "sweep-cost-against-share-of-ensembled-steps",
        "sweep-share-of-ensembled-steps-against-threshold",
    ]
    .iter()
    .flat_map(|name| ["csv", "png", "svg"].map(|ending| format!("{name}.{ending}")))
    .collect();
    assert_eq!(names(&plots), expected);
    // Two tasks and their average, at three thresholds.
    let points = fs::read_to_string(plots.join("sweep-accuracy-against-threshold.csv")).unwrap();
    assert_eq!(points.lines().count(), 1 + 3 * 3, "{points}");
    assert!(points.starts_with("series,threshold,\"accuracy, %\",error,label\ngsm8k,0,"), "{points}");
}

#[test]
fn a_sweep_is_shown_beside_another_run_when_it_is_named() {
    let scratch = tempfile::tempdir().unwrap();
    let (folder, swept) = (scratch.path().join("run"), scratch.path().join("swept"));
    run(&folder);
    let page = folder.join("report.html");
    report(&[folder.to_str().unwrap()]);
    assert!(!fs::read_to_string(&page).unwrap().contains("id=\"sweep\""));
    sweep(&swept, &["--tasks", "gsm8k"]);
    report(&[folder.to_str().unwrap(), "--sweep", swept.to_str().unwrap()]);
    assert_eq!(charts(&page), SWEEP_CHARTS);
}

#[test]
fn what_is_no_sweep_is_refused_with_its_path_and_a_hint() {
    let scratch = tempfile::tempdir().unwrap();
    let folder = scratch.path().join("run");
    run(&folder);
    let missing = scratch.path().join("missing");
    for (path, expected) in [(&missing, "holds no run"), (&folder, "has no axis of thresholds")] {
        let ran = gac(&["report", folder.to_str().unwrap(), "--sweep", path.to_str().unwrap()]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(expected) && ran.stderr.contains("hint: "), "{}", ran.stderr);
        assert!(ran.stderr.contains(path.to_str().unwrap()), "{}", ran.stderr);
    }
}

/// The page of a grid.
fn grid(scratch: &Path) -> PathBuf {
    let folder = scratch.join("grid");
    let tasks = ["--tasks", "gsm8k,triviaqa", "--grid-weights", "1:1,2:1", "--grid-methods", "gac,geometric"];
    sweep(&folder, &[&tasks[..], &["--measure-latency"]].concat());
    report(&[folder.to_str().unwrap()]);
    folder.join("report.html")
}

#[needs(browser)]
#[test]
fn a_grid_alone_is_a_page_that_opens_light_and_dark_and_on_a_phone() {
    let scratch = tempfile::tempdir().unwrap();
    let page = grid(scratch.path());
    assert_eq!(charts(&page), SWEEP_CHARTS);
    let mut browser = Browser::start();
    browser.resize(1200, 900);
    browser.open(&page);
    assert_eq!(browser.value("document.querySelector('h1').textContent"), "sweep");
    let series =
        "[...document.querySelectorAll('#sweep figure')].map(f => f.querySelectorAll('polyline').length).join()";
    // Measured and modelled lines where there is a cost.
    assert_eq!(browser.value(series), "4,4,8,8");
    let first = "document.querySelectorAll('#sweep figure:first-of-type circle').length";
    assert_eq!(browser.value(first), 4 * 3);
    assert_eq!(browser.value("document.querySelectorAll('#sweep tbody tr').length"), 4 * 3);
    assert_eq!(browser.value("document.querySelector('#sweep .label').textContent.startsWith('g')"), true);
    browser.picture("sweep-light");
    browser.value("document.querySelectorAll('#sweep figure')[3].scrollIntoView({ behavior: 'instant' })");
    browser.picture("sweep-light-costs");
    browser.value("document.querySelector('#sweep details').open = true");
    browser.value("document.querySelector('#sweep details').scrollIntoView({ behavior: 'instant' })");
    browser.picture("sweep-light-table");
    browser.resize(375, 740);
    assert_eq!(browser.value("document.documentElement.scrollWidth <= window.innerWidth"), true);
    browser.prefer("dark");
    browser.value("window.scrollTo(0, 0)");
    browser.picture("sweep-phone-dark");
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.value("document.documentElement.dataset.theme"), "light");
    assert_eq!(browser.problems(), Vec::<String>::new());
}
