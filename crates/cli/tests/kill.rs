//! A run whose process is killed at random moments ends with the results of one that was left alone.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use gac_harness::stats::Xoshiro256;
use serde_json::Value;

/// Processes to kill.
const KILLS: usize = 50;
const SEED: u64 = 17;

/// A recipe of one model, one ensemble and one gated ensemble on a task of each kind.
fn recipe(folder: &Path, limit: usize) -> String {
    let root = support::root();
    let text = format!(
        "data-dir = '{root}/datasets/mini'\nlimit = {limit}\nbatch-size = 4\n\
         tasks = [{{ name = 'gsm8k', num-fewshot = 1 }}, {{ name = 'arc_easy', num-fewshot = 0 }}]\n\
         [models]\na = {{ path = '{root}/models/mini-llama' }}\nb = {{ path = '{root}/models/mini-qwen' }}\n\
         [[systems]]\nname = 'a'\nmembers = ['a']\n[[systems]]\nname = 'both'\nmembers = ['a', 'b']\n\
         [[systems]]\nname = 'gated'\nmembers = ['a', 'b']\ngate = 'a'\nthreshold = 0.9\n",
        root = root.display()
    );
    let path = folder.join("recipe.toml");
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

fn start(recipe: &str, output: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gac"))
        .args(["run", recipe, "--output-path", output.to_str().unwrap()])
        .env("GAC_CACHE", output.with_extension("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn finish(child: Child) -> Duration {
    let started = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    started.elapsed()
}

/// What a run's folder says, but for times: every sample by its identity, and every result.
fn said(output: &Path, limit: usize) -> BTreeMap<String, Value> {
    let mut said = BTreeMap::new();
    for system in ["a", "both", "gated"] {
        for task in ["gsm8k", "arc_easy"] {
            let folder = output.join(system).join(task);
            let mut results: Value = serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap();
            let timing = results["timing"].as_object_mut().unwrap();
            for name in ["wall_seconds", "milliseconds", "ms_per_token"] {
                timing.remove(name);
            }
            said.insert(format!("{system}/{task}"), results);
            let lines = support::lines(folder.join("samples.jsonl").to_str().unwrap());
            assert_eq!(lines.len(), limit, "{}", folder.display());
            for mut line in lines {
                let fields = line.as_object_mut().unwrap();
                fields.remove("seconds");
                fields.remove("elapsed");
                let identity = line["identity"].as_str().unwrap().to_owned();
                assert!(said.insert(identity, line).is_none(), "a sample is there twice");
            }
            assert!(!folder.join("superseded.jsonl").exists());
        }
    }
    said
}

/// Equal, but for the last bits of log-likelihoods: what else is in a batch changes the order of their sums.
fn assert_same(found: &Value, expected: &Value, at: &str) {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            assert_eq!(found.keys().collect::<Vec<_>>(), expected.keys().collect::<Vec<_>>(), "{at}");
            found.iter().for_each(|(key, value)| assert_same(value, &expected[key], &format!("{at}.{key}")));
        }
        (Value::Array(found), Value::Array(expected)) => {
            assert_eq!(found.len(), expected.len(), "{at}");
            found.iter().zip(expected).for_each(|(found, expected)| assert_same(found, expected, at));
        }
        (Value::Number(a), Value::Number(b)) if at.rsplit('.').next() == Some("sum") => {
            assert!((a.as_f64().unwrap() - b.as_f64().unwrap()).abs() < 1e-4, "{at}: {a} {b}");
        }
        _ => assert_eq!(found, expected, "{at}"),
    }
}

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
