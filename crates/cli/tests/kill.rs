//! A run whose process is killed at random moments ends with the results of one that was left alone.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::fs;
use std::process::Command;
use std::thread::sleep;

use gac_harness::stats::Xoshiro256;
use serde_json::Value;
use undisturbed::{assert_same, finish, recipe, said, start};

/// Processes to kill.
const KILLS: usize = 50;
const SEED: u64 = 17;

#[test]
fn a_run_killed_at_random_moments_ends_as_an_undisturbed_one() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 8);
    let undisturbed = scratch.path().join("undisturbed");
    let whole = finish(start(&recipe, &undisturbed));
    let expected = said(&undisturbed, 8);

    let mut random = Xoshiro256::new(SEED);
    let (mut kills, mut torn, mut runs) = (0, 0, 0);
    while kills < KILLS {
        let output = scratch.path().join(format!("run-{runs}"));
        runs += 1;
        loop {
            let mut child = start(&recipe, &output);
            let moment = whole.mul_f64(random.index(1000) as f64 / 1000.0);
            sleep(moment);
            if kills == KILLS || child.try_wait().unwrap().is_some() {
                finish(child);
                break;
            }
            child.kill().unwrap();
            let stderr = child.wait_with_output().unwrap().stderr;
            torn += usize::from(String::from_utf8_lossy(&stderr).contains("was torn"));
            kills += 1;
        }
        let found = said(&output, 8);
        assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>());
        for (key, value) in &found {
            assert_same(value, &expected[key], key);
        }
        let manifest: Value = serde_json::from_slice(&fs::read(output.join("manifest.json")).unwrap()).unwrap();
        assert_eq!(manifest["status"], "finished");
    }
    eprintln!("{kills} kills over {runs} runs of {whole:?} each; {torn} torn lines dropped; all ended the same");
}

#[test]
fn a_file_that_may_not_grow_is_said_so_and_the_run_goes_on_later() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 24);
    let output = scratch.path().join("run");
    let gac = env!("CARGO_BIN_EXE_gac");
    // 8 blocks of 1,024 bytes; without the signal, writing past that is an error.
    let script = format!("trap '' XFSZ; ulimit -f 8; exec {gac} run {recipe} --output-path {}", output.display());
    let ran = Command::new("bash").args(["-c", &script]).output().unwrap();
    let stderr = String::from_utf8_lossy(&ran.stderr);
    assert_eq!(ran.status.code(), Some(2), "{stderr}");
    assert!(
        stderr.contains("failed to write") && stderr.contains("hint: make room and run the same command again"),
        "{stderr}"
    );
    let path = output.join("a/gsm8k/samples.jsonl");
    let before = support::lines(path.to_str().unwrap());
    assert!(!before.is_empty() && before.len() < 24);
    finish(start(&recipe, &output));
    assert_eq!(support::lines(path.to_str().unwrap())[..before.len()], before);
    said(&output, 24);
}

#[test]
fn a_folder_that_cannot_be_made_is_said_so() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), 8);
    let ran = support::gac(&["run", &recipe, "--limit", "1", "--output-path", "/proc/gac/run"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("error: failed to write `/proc/gac/run`"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: choose an `--output-path` that can be written to"), "{}", ran.stderr);
}
