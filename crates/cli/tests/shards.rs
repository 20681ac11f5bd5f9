//! A run in shards, merged, is the run that was never divided.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;
#[path = "support/undisturbed.rs"]
mod undisturbed;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use support::{Ran, gac};
use undisturbed::recipe;

/// Documents per task.
const DOCUMENTS: usize = 7;

fn run(recipe: &str, output: &Path, flags: &[&str]) -> Ran {
    gac(&[&["run", recipe, "-o", output.to_str().unwrap()], flags].concat())
}

fn shard(recipe: &str, folder: &Path, shard: &str) -> String {
    let output = folder.join(shard.replace('/', "-of-"));
    let ran = run(recipe, &output, &["--shard", shard]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    output.to_str().unwrap().to_owned()
}

fn merge(shards: &[&str], output: &Path, flags: &[&str]) -> Ran {
    gac(&[&["merge", "-o", output.to_str().unwrap()], shards, flags].concat())
}

/// Every file of samples, each line but for its times, in the order of the documents.
fn samples(run: &Path) -> BTreeMap<String, Vec<String>> {
    let mut found = BTreeMap::new();
    for system in fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        for task in fs::read_dir(&system).unwrap().map(|entry| entry.unwrap().path()) {
            let text = fs::read_to_string(task.join("samples.jsonl")).unwrap();
            let mut lines: Vec<(u64, String)> = text
                .lines()
                .map(|line| {
                    let mut record: Value = serde_json::from_str(line).unwrap();
                    for time in ["seconds", "elapsed"] {
                        record.as_object_mut().unwrap().remove(time);
                    }
                    (record["doc_id"].as_u64().unwrap(), record.to_string())
                })
                .collect();
            lines.sort();
            let name = task.strip_prefix(run).unwrap().display().to_string();
            found.insert(name, lines.into_iter().map(|(_, line)| line).collect());
        }
    }
    found
}

/// The scores of a leaderboard.
fn scores(run: &Path) -> Vec<Value> {
    let board: Value = serde_json::from_slice(&fs::read(run.join("leaderboard.json")).unwrap()).unwrap();
    board["rows"].as_array().unwrap().iter().map(|row| row["scores"].clone()).collect()
}

#[test]
fn shards_merged_in_any_order_are_the_undivided_run() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), DOCUMENTS);
    let whole = scratch.path().join("whole");
    assert_eq!(run(&recipe, &whole, &[]).code, 0);
    let shards = ["2/3", "0/3", "1/3"].map(|name| shard(&recipe, scratch.path(), name));
    let manifest = fs::read_to_string(Path::new(&shards[0]).join("manifest.json")).unwrap();
    assert!(manifest.contains(r#""shard": "2/3""#));

    let merged = scratch.path().join("merged");
    let ran = merge(&shards.each_ref().map(String::as_str), &merged, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(samples(&merged), samples(&whole));
    assert_eq!(scores(&merged), scores(&whole));
    let manifest: Value = serde_json::from_slice(&fs::read(merged.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["status"], "finished");
    assert!(manifest["plan"].get("shard").is_none());
    // Three that asked, and the one that merged.
    assert_eq!(manifest["sessions"].as_array().unwrap().len(), 4);
    assert_eq!(gac(&["compare", whole.to_str().unwrap(), merged.to_str().unwrap()]).code, 0);
}

#[test]
fn gaps_overlaps_and_other_settings_are_refused_unless_allowed() {
    let scratch = tempfile::tempdir().unwrap();
    let recipe = recipe(scratch.path(), DOCUMENTS);
    let [first, second] = ["0/2", "1/2"].map(|name| shard(&recipe, scratch.path(), name));
    let merge = |shards: &[&str], flags: &[&str], name: &str| {
        let output = scratch.path().join(name);
        let ran = merge(shards, &output, flags);
        (ran.code, ran.stderr, output)
    };
    let (code, said, _) = merge(&[&first], &[], "gap");
    assert!(code == 2 && said.contains("shards are missing: 1/2"), "{said}");
    let (code, said, output) = merge(&[&first], &["--allow", "gaps"], "gap");
    assert_eq!(code, 0, "{said}");
    assert!(samples(&output).values().all(|lines| lines.len() == DOCUMENTS.div_ceil(2)));

    let again = shard(&recipe, &scratch.path().join("again"), "0/2");
    let (code, said, _) = merge(&[&first, &again, &second], &[], "twice");
    assert!(code == 2 && said.contains("shard 0/2 is there twice"), "{said}");
    let (code, said, output) = merge(&[&first, &again, &second], &["--allow", "overlaps"], "twice");
    assert_eq!(code, 0, "{said}");
    assert!(samples(&output).values().all(|lines| lines.len() == DOCUMENTS));

    let other = scratch.path().join("other");
    assert_eq!(run(&recipe, &other, &["--shard", "1/2", "--num-fewshot", "1"]).code, 0);
    let other = other.to_str().unwrap();
    let (code, said, _) = merge(&[&first, other], &[], "settings");
    assert!(code == 2 && said.contains("are of different runs: not the same") && said.contains("tasks"), "{said}");
    let (code, said, _) = merge(&[&first, other], &["--allow", "settings"], "settings");
    assert_eq!(code, 0, "{said}");

    let whole = scratch.path().join("whole");
    assert_eq!(run(&recipe, &whole, &[]).code, 0);
    let (code, said, _) = merge(&[whole.to_str().unwrap()], &[], "whole");
    assert!(code == 2 && said.contains("is no shard"), "{said}");
    for (shard, part) in [("2/2", "no shard 2 of 2"), ("7/900", "shard 7/900 has no documents"), ("x", "is no shard")] {
        let ran = run(&recipe, &scratch.path().join("no"), &["--shard", shard]);
        assert!(ran.code == 2 && ran.stderr.contains(part), "{}", ran.stderr);
    }
}

#[test]
fn shards_whose_chats_tell_the_day_are_one_run() {
    let scratch = tempfile::tempdir().unwrap();
    let path = recipe(scratch.path(), 4);
    let template = scratch.path().join("dated.jinja");
    let text =
        "{{ strftime_now('%d %b %Y %H:%M:%S') }}\n{% for message in messages %}{{ message.content }}\n{% endfor %}";
    fs::write(&template, text).unwrap();
    let chats = format!("', chat-template = '{}' }}", template.display());
    let text = fs::read_to_string(&path).unwrap().replace("' }\nb =", &format!("{chats}\nb ="));
    let text = text.replace("' }\n[[systems]]", &format!("{chats}\n[[systems]]"));
    fs::write(&path, text.replace("\nmembers =", "\nchat-template = true\nmembers =")).unwrap();
    let recipe = path;
    let whole = scratch.path().join("whole");
    let ran = run(&recipe, &whole, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let shards: Vec<String> = ["0/2", "1/2"]
        .iter()
        .map(|name| {
            std::thread::sleep(std::time::Duration::from_secs(1));
            let output = scratch.path().join(name.replace('/', "-of-"));
            let ran = run(&recipe, &output, &["--shard", name]);
            assert_eq!(ran.code, 0, "{}", ran.stderr);
            output.to_str().unwrap().to_owned()
        })
        .collect();
    let merged = scratch.path().join("merged");
    let ran = merge(&[&shards[0], &shards[1]], &merged, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(samples(&merged), samples(&whole));
    let manifest = fs::read_to_string(merged.join("manifest.json")).unwrap();
    assert!(manifest.contains("\"time\""), "the day is written down");
}

#[test]
fn a_merged_sweep_has_the_step_costs_of_its_first_shard() {
    let scratch = tempfile::tempdir().unwrap();
    let path = recipe(scratch.path(), 4);
    let text = fs::read_to_string(&path).unwrap().replace("threshold = 0.9", "thresholds = [0.3, 0.9]");
    fs::write(&path, text).unwrap();
    let [first, second] = ["0/2", "1/2"].map(|name| shard(&path, scratch.path(), name));
    let merged = scratch.path().join("merged");
    let ran = merge(&[&second, &first], &merged, &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let costs = |run: &Path| {
        let mut found = BTreeMap::new();
        for system in fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
            let results = fs::read(system.join("gsm8k/results.json")).unwrap();
            let results: Value = serde_json::from_slice(&results).unwrap();
            let name = system.file_name().unwrap().to_str().unwrap().to_owned();
            found.insert(name, results["timing"]["step_costs"].clone());
        }
        found
    };
    assert_eq!(costs(&merged), costs(Path::new(&first)));
    assert!(costs(&merged).values().any(Value::is_object), "{:?}", costs(&merged));
}
