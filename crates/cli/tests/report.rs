//! `gac report`: the page in a browser, and its charts as files.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

#[path = "support/browser.rs"]
mod browser;
#[path = "../../harness/tests/support/mod.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod fakes;
#[path = "support/hostile_run.rs"]
#[allow(dead_code, reason = "not every file uses every helper")]
mod hostile_run;
mod support;

use std::fs;
use std::path::{Path, PathBuf};

use browser::Browser;
use gac_needs::needs;
use hostile_run::{HOSTILE, run_with};
use serde_json::Value;
use support::gac;

fn report(run: &Path) -> PathBuf {
    let page = run.with_extension("html");
    let ran = gac(&["report", run.to_str().unwrap(), "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    page
}

/// Chooses from a list, or types, and waits for the list of samples to follow.
fn set(browser: &mut Browser, id: &str, value: &str) -> String {
    let change = format!(
        "(async () => {{ const e = document.getElementById('{id}'); e.value = {}; e.dispatchEvent(new Event('input', \
         {{ bubbles: true }})); await new Promise(r => setTimeout(r, 300)); return document.getElementById('count').textContent; }})()",
        Value::from(value)
    );
    browser.value(&change).as_str().unwrap().to_owned()
}

#[needs(browser)]
#[test]
fn the_page_opens_filters_and_shows_samples() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 60));
    browser.resize(1200, 900);
    browser.open(&page);
    assert_eq!(browser.value("document.getElementById('count').textContent"), "360 of 360 samples, page 1 of 8");
    // Leaderboard, four charts with their points, and nobody wrote markup into a name.
    assert_eq!(browser.value("document.querySelectorAll('#leaderboard tbody tr').length"), 4);
    assert_eq!(browser.value("document.querySelectorAll('#charts figure').length"), 4);
    assert_eq!(browser.value("document.querySelectorAll('#charts circle').length"), 3 + 3 + 4 + 4);
    assert_eq!(browser.value("document.querySelector('#leaderboard tbody th').textContent"), "model <b>alone</b>");

    assert_eq!(set(&mut browser, "system", "1"), "90 of 360 samples, page 1 of 2");
    assert_eq!(set(&mut browser, "outcome", "wrong"), "23 of 360 samples, page 1 of 1");
    assert_eq!(set(&mut browser, "task", "0"), "15 of 360 samples, page 1 of 1");
    assert_eq!(set(&mut browser, "search", "not 12"), "1 of 360 samples, page 1 of 1");
    set(&mut browser, "search", "");
    set(&mut browser, "outcome", "");
    set(&mut browser, "split", "differ");
    browser.picture("light-top");

    // By keyboard alone: open a sample, walk along its tokens.
    set(&mut browser, "search", "not 12");
    browser.value("document.querySelector('button.sample').focus()");
    browser.press("Enter");
    assert_eq!(browser.value("document.querySelector('button.sample').getAttribute('aria-expanded')"), "true");
    let detail = browser.value("document.querySelector('.detail').textContent");
    for part in ["Prompt", "12", "Extraction", "Gold", "token by token"] {
        assert!(detail.as_str().unwrap().contains(part), "{part}: {detail}");
    }
    browser.value("document.querySelector('.tokens span').focus()");
    browser.press("ArrowRight");
    let told = browser.value("document.querySelector('.token-detail').textContent");
    assert!(
        told.as_str().unwrap().contains("the ensemble overruled")
            && told.as_str().unwrap().contains("the gate proposed \"?\""),
        "{told}"
    );
    assert_eq!(browser.value("document.querySelectorAll('.tokens .overruled').length"), 1);
    assert_eq!(browser.value("document.querySelectorAll('.tokens .alone').length"), 1);
    browser.value("document.querySelector('#explorer').scrollIntoView()");
    browser.picture("light-sample");
    browser.prefer("dark");
    browser.picture("dark-sample");
    browser.value("window.scrollTo(0, 0)");
    browser.picture("dark-top");
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[needs(browser)]
#[test]
fn texts_from_models_and_data_do_nothing() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 4));
    browser.open(&page);
    set(&mut browser, "search", "window.hacked");
    let opened = browser.value("(() => { const all = document.querySelectorAll('button.sample'); all.forEach(b => b.click()); return all.length; })()");
    assert_eq!(opened, 4);
    browser.value("document.querySelectorAll('.tokens span').forEach(token => token.click())");
    browser.value("new Promise(done => setTimeout(done, 300))");
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
    assert_eq!(browser.value("document.querySelectorAll('img, iframe, object, embed').length"), 0);
    assert_eq!(browser.value("document.scripts.length"), 2);
    // It is all there, as text.
    let shown = browser.value("document.querySelector('.detail pre').textContent");
    assert_eq!(shown, HOSTILE);
    assert_eq!(browser.problems(), Vec::<String>::new());
    // And the policy would stop what got through.
    browser.value("(() => { const s = document.createElement('script'); s.textContent = 'window.hacked = 3'; document.body.append(s); })()");
    assert_eq!(browser.value("typeof window.hacked"), "undefined");
}

#[needs(browser)]
#[test]
fn the_page_fits_a_phone_and_follows_the_theme() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 12));
    browser.resize(375, 740);
    browser.open(&page);
    browser.value("document.querySelector('button.sample').click()");
    assert_eq!(browser.value("document.documentElement.scrollWidth <= window.innerWidth"), true);
    browser.picture("phone-light");
    let ground = "getComputedStyle(document.body).backgroundColor";
    let light = browser.value(ground);
    browser.prefer("dark");
    let dark = browser.value(ground);
    assert_ne!(light, dark);
    browser.value("document.querySelector('#explorer').scrollIntoView()");
    browser.picture("phone-dark");
    // The reader's choice goes before the system's.
    browser.value("document.getElementById('theme').click()");
    assert_eq!(browser.value(ground), light);
    browser.value("document.getElementById('theme').click()");
    browser.prefer("light");
    assert_eq!(browser.value(ground), dark);
    assert_eq!(browser.problems(), Vec::<String>::new());
}

#[needs(browser)]
#[test]
fn no_table_of_the_baselines_report_is_cut_at_1280_pixels() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = folder.path().join("baseline.html");
    let ran = gac(&["report", "results/baseline", "-o", page.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    browser.resize(1280, 900);
    browser.open(&page);
    browser.value("document.querySelectorAll('details').forEach(details => { details.open = true; })");
    let cut = "[...document.querySelectorAll('.scroll')].filter(box => box.scrollWidth > box.clientWidth).map(box => box.getAttribute('aria-label')).join()";
    assert_eq!(browser.value(cut), "");
    assert_eq!(browser.value("document.querySelectorAll('.scroll').length"), 2);
}

/// `cargo test --release --workspace --test report -- --ignored --nocapture` measures.
#[test]
#[ignore = "a measurement: size and load time on 14,000 samples"]
fn a_report_of_14_000_samples_loads() {
    let mut browser = Browser::start();
    let folder = tempfile::tempdir().unwrap();
    let page = report(&run_with(folder.path(), 2334));
    let bytes = page.metadata().unwrap().len();
    let time = browser.open(&page);
    let count = browser.value("document.getElementById('count').textContent");
    eprintln!("{count}; {bytes} bytes; loaded in {time:?}");
    assert!(count.as_str().unwrap().starts_with("14004 of 14004"));
}

#[test]
fn charts_are_files_too() {
    let folder = tempfile::tempdir().unwrap();
    let run = run_with(folder.path(), 12);
    let plots = folder.path().join("plots");
    let page = folder.path().join("page.html");
    let args = ["report", run.to_str().unwrap(), "-o", page.to_str().unwrap(), "--plots", plots.to_str().unwrap()];
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let mut names: Vec<String> =
        fs::read_dir(&plots).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    let titles = [
        "accuracy-against-latency",
        "accuracy-against-threshold",
        "cost-against-share-of-ensembled-steps",
        "share-of-ensembled-steps-against-threshold",
    ];
    let endings = |title: &&str| ["csv", "png", "svg"].map(|ending| format!("{title}.{ending}"));
    let expected: Vec<String> = titles.iter().flat_map(endings).collect();
    assert_eq!(names, expected);
    if let Some(pictures) = std::env::var_os("GAC_SCREENSHOTS") {
        fs::copy(plots.join(&names[4]), Path::new(&pictures).join("plot.png")).unwrap();
    }
}

#[test]
fn a_page_needs_nothing_from_outside() {
    let folder = tempfile::tempdir().unwrap();
    let text = fs::read_to_string(report(&run_with(folder.path(), 4))).unwrap();
    for word in ["http://", "https://", "@import", "url("] {
        assert!(!text.contains(word), "{word}");
    }
    assert_eq!(text.matches("<script").count(), 2);
}
