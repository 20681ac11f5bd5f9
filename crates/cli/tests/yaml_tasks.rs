//! Runs of tasks in lm-evaluation-harness's YAML form.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;
use std::path::Path;

use serde_json::Value;
use support::gac;

/// A folder with rows, two tasks over them, a text that is scored by itself, and groups.
fn tasks(folder: &Path) {
    let rows = folder.join("rows.jsonl");
    let row = |word: &str| {
        format!("{{\"q\": \"Say {word}.\", \"options\": [\"{word}\", \"qq\"], \"text\": \"{word} {word}\"}}\n")
    };
    fs::write(&rows, ["red", "blue", "green"].map(row).concat()).unwrap();
    let base = format!(
        "dataset_path: json\ndataset_kwargs: {{data_files: {{test: {}}}}}\ntest_split: test\ndoc_to_text: \"{{{{q}}}}\"\n",
        rows.display()
    );
    fs::write(folder.join("_base"), base).unwrap();
    let choose = "include: _base\noutput_type: multiple_choice\ndoc_to_choice: options\ndoc_to_target: 0\n";
    fs::write(folder.join("a.yaml"), format!("{choose}task: zorb_a\n")).unwrap();
    fs::write(folder.join("b.yaml"), format!("{choose}task: zorb_b\ndoc_to_target: 1\n")).unwrap();
    fs::write(
        folder.join("c.yaml"),
        "include: _base\ntask: zorb_text\noutput_type: loglikelihood_rolling\ndoc_to_target: text\n",
    )
    .unwrap();
    let group = "group: zorbs\ntask: [zorb_a, zorb_b]\naggregate_metric_list: [{metric: acc, weight_by_size: true}]\n";
    fs::write(folder.join("g.yaml"), group).unwrap();
    fs::write(folder.join("p.yaml"), "include: _base\ntask: zorb_py\ndoc_to_target: !function utils.right\n").unwrap();
}

fn run(folder: &Path, task: &str, more: &[&str]) -> support::Ran {
    let (include, run) = (folder.to_str().unwrap(), folder.join("run"));
    let base = ["eval", "--model", "models/mini-llama", "--tasks", task, "--include-path", include];
    gac(&[&base[..], &["--output-path", run.to_str().unwrap()], more].concat())
}

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

#[test]
fn a_group_has_a_figure_beside_its_tasks() {
    let folder = tempfile::tempdir().unwrap();
    tasks(folder.path());
    let ran = run(folder.path(), "zorbs", &["--json"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let leaderboard: Value = serde_json::from_str(&ran.stdout).unwrap();
    assert_eq!(leaderboard["groups"]["names"], serde_json::json!(["zorbs"]));
    let of = |task: &str| {
        read(&folder.path().join(format!("run/mini-llama/{task}/results.json")))["value"].as_f64().unwrap()
    };
    // What is right of the one is wrong of the other.
    assert!((of("zorb_a") + of("zorb_b") - 1.0).abs() < 1e-12);
    assert!((leaderboard["groups"]["rows"][0][0]["value"].as_f64().unwrap() - 0.5).abs() < 1e-12);
}

#[test]
fn a_text_is_scored_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    tasks(folder.path());
    let ran = run(folder.path(), "zorb_text", &[]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let samples = support::lines(folder.path().join("run/mini-llama/zorb_text/samples.jsonl").to_str().unwrap());
    let sums: f64 = samples.iter().map(|sample| sample["response"]["choices"][0]["sum"].as_f64().unwrap()).sum();
    let results = read(&folder.path().join("run/mini-llama/zorb_text/results.json"));
    let of = |metric: &str| {
        let all = results["aggregates"].as_array().unwrap();
        all.iter().find(|found| found["key"]["metric"] == metric).unwrap()["value"].as_f64().unwrap()
    };
    // Two words each; 7, 9 and 11 bytes.
    assert!((of("word_perplexity") / (-sums / 6.0).exp() - 1.0).abs() < 1e-9);
    assert!((of("bits_per_byte") + sums / 27.0 / 2.0_f64.ln()).abs() < 1e-9);
}

#[test]
fn what_needs_python_is_refused_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    tasks(folder.path());
    let ran = run(folder.path(), "zorb_py", &[]);
    assert_eq!(ran.code, 2);
    for part in ["p.yaml", "it needs Python: `doc_to_target` has `!function utils.right`", "docs/tasks.md"] {
        assert!(ran.stderr.contains(part), "no `{part}` in {}", ran.stderr);
    }
}
