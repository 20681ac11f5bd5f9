//! `--use-cache`: responses across runs.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::gac;

const MODEL: &str = "models/mini-llama";

/// The samples of a run of three documents of a task that generates and of one that chooses.
fn samples(folder: &Path, run: &str, flags: &[&str]) -> Vec<Value> {
    let (cache, run) = (folder.join("cache"), folder.join(run));
    let base = ["eval", "--model", MODEL, "--data-dir", "datasets/mini", "--tasks", "gsm8k,piqa"];
    let more = ["--use-cache", cache.to_str().unwrap(), "--output-path", run.to_str().unwrap()];
    let limit: &[&str] = if flags.contains(&"--limit") { &[] } else { &["--limit", "3"] };
    let ran = gac(&[&base[..], &more, limit, flags].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let of = |task: &str| support::lines(run.join(format!("mini-llama/{task}/samples.jsonl")).to_str().unwrap());
    let mut samples = [of("gsm8k"), of("piqa")].concat();
    samples.sort_by_key(|sample| (sample["task"].to_string(), sample["doc_id"].as_u64()));
    samples
}

fn cached(samples: &[Value]) -> usize {
    samples.iter().filter(|sample| sample["cached"] == true).count()
}

/// A sample without what only its own run decides.
fn content(sample: &Value) -> Value {
    let mut content = sample.clone();
    for name in ["cached", "elapsed", "seconds"] {
        content.as_object_mut().unwrap().remove(name);
    }
    content
}

#[test]
fn what_was_asked_before_is_not_asked_again_and_comes_out_alike() {
    let folder = tempfile::tempdir().unwrap();
    let first = samples(folder.path(), "first", &[]);
    assert_eq!((first.len(), cached(&first)), (6, 0));
    let again = samples(folder.path(), "again", &[]);
    assert_eq!(cached(&again), 6);
    let contents = |samples: &[Value]| samples.iter().map(content).collect::<Vec<_>>();
    assert_eq!(contents(&again), contents(&first));
    let results = fs::read(folder.path().join("again/mini-llama/gsm8k/results.json")).unwrap();
    let results: Value = serde_json::from_slice(&results).unwrap();
    assert_eq!(results["timing"]["ms_per_token"], Value::Null, "no time of another run is told");
    assert!(results["timing"]["tokens"].as_u64().unwrap() > 0);
}

#[test]
fn what_differs_in_anything_that_decides_a_response_is_asked() {
    let folder = tempfile::tempdir().unwrap();
    samples(folder.path(), "first", &["--limit", "2"]);
    assert_eq!(cached(&samples(folder.path(), "more", &[])), 4, "one document is new in each task");
    assert_eq!(cached(&samples(folder.path(), "shots", &["--num-fewshot", "1"])), 0);
    let drawn = ["--gen-kwargs", "temperature=0.9,do_sample=True"];
    assert_eq!(cached(&samples(folder.path(), "drawn", &drawn)), 3, "choices are scored alike");
    let traced = samples(folder.path(), "traced", &["--trace"]);
    assert_eq!(cached(&traced), 3, "steps were not kept");
    assert_eq!(cached(&samples(folder.path(), "traced-again", &["--trace"])), 6);
    assert_eq!(cached(&samples(folder.path(), "untraced", &[])), 6, "steps may be left out");
}

#[test]
fn a_line_that_was_cut_short_is_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    samples(folder.path(), "first", &[]);
    let path = folder.path().join("cache/responses.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, &text[..text.len() - 9]).unwrap();
    assert_eq!(cached(&samples(folder.path(), "again", &[])), 5);
    assert_eq!(cached(&samples(folder.path(), "once-more", &[])), 6, "it was asked and kept again");
}
