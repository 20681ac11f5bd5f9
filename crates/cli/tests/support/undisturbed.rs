//! A run to disturb, and what must come of it all the same.

#![allow(
    clippy::unwrap_used,
    unreachable_pub,
    dead_code,
    reason = "test code: a panic is a failure, not every file uses every helper"
)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::{lines, root};

/// A recipe of one model, one ensemble and one gated ensemble on a task of each kind.
pub fn recipe(folder: &Path, limit: usize) -> String {
    let root = root();
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

/// Starts it with its results in `output`.
pub fn start(recipe: &str, output: &Path) -> Child {
    Command::new(env!("CARGO_BIN_EXE_gac"))
        .args(["run", recipe, "--output-path", output.to_str().unwrap()])
        .env("GAC_CACHE", output.with_extension("cache"))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Waits for its good end.
pub fn finish(child: Child) -> Duration {
    let started = Instant::now();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    started.elapsed()
}

/// What a run's folder says, but for times: every sample by its identity, and every result.
pub fn said(output: &Path, limit: usize) -> BTreeMap<String, Value> {
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
            let lines = lines(folder.join("samples.jsonl").to_str().unwrap());
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
pub fn assert_same(found: &Value, expected: &Value, at: &str) {
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
