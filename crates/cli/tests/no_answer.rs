//! `squadv2`, whose documents are asked a second question: how likely it is that there is no answer.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use support::{gac, lines, root};

const DATA: &str = "crates/harness/tests/fixtures/lm_eval/data";
const LLAMA: &str = "models/mini-llama";
const QWEN: &str = "models/mini-qwen";

fn ran(args: &[&str]) -> String {
    let ran = gac(args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    ran.stderr
}

fn eval(output: &Path, more: &[&str]) -> String {
    let fixed = ["eval", "--tasks", "squadv2", "--data-dir", DATA, "--limit", "6", "--gen-kwargs", "max_gen_toks=8"];
    ran(&[&fixed[..], &["--output-path", output.to_str().unwrap()], more].concat())
}

/// The task's folder of every system.
fn tasks(run: &Path) -> Vec<PathBuf> {
    let systems = fs::read_dir(run).unwrap().map(|entry| entry.unwrap().path().join("squadv2"));
    let mut tasks: Vec<PathBuf> = systems.filter(|path| path.is_dir()).collect();
    tasks.sort();
    tasks
}

/// A task's samples in the order of its documents, without their times.
fn samples(task: &Path) -> Vec<Value> {
    let mut samples = lines(task.join("samples.jsonl").to_str().unwrap());
    samples.sort_by_key(|sample| sample["doc_id"].as_u64());
    for sample in &mut samples {
        for time in ["seconds", "elapsed"] {
            sample.as_object_mut().unwrap().remove(time);
        }
    }
    samples
}

/// A task's figure of a metric.
fn figure(task: &Path, metric: &str) -> Option<Value> {
    let results: Value = serde_json::from_slice(&fs::read(task.join("results.json")).unwrap()).unwrap();
    results["aggregates"].as_array().unwrap().iter().find(|found| found["key"]["metric"] == metric).cloned()
}

#[test]
fn every_method_tells_how_likely_no_answer_is_and_a_figure_at_the_best_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let root = root();
    let mut recipe = format!(
        "data-dir = '{root}/{DATA}'\nlimit = 3\nbatch-size = 4\ntasks = ['squadv2']\n\
         [models]\na = {{ path = '{root}/{LLAMA}' }}\nb = {{ path = '{root}/{QWEN}' }}\nc = {{ path = '{root}/{LLAMA}' }}\n\
         [[systems]]\nname = 'gated'\nmembers = ['a', 'b']\ngate = 'a'\nthresholds = [0.0, 0.5, 1.0]\n",
        root = root.display()
    );
    let methods =
        "gac unite geometric core sample-a-member bytes bytes-product chared abe proxy safe safe-unite vote best-of";
    for method in methods.split(' ') {
        let members = if method == "proxy" { "'a', 'b', 'c'" } else { "'a', 'b'" };
        writeln!(recipe, "[[systems]]\nname = '{method}'\nmembers = [{members}]\nmethod = '{method}'").unwrap();
    }
    let path = folder.path().join("recipe.toml");
    fs::write(&path, recipe).unwrap();
    let output = folder.path().join("run");
    ran(&["run", path.to_str().unwrap(), "--output-path", output.to_str().unwrap()]);
    let tasks = tasks(&output);
    assert_eq!(tasks.len(), 14 + 3);
    for task in tasks {
        let samples = samples(&task);
        assert_eq!(samples.len(), 3);
        let is_told = |sample: &Value| sample["no_answer"]["sum"].as_f64().is_some_and(|sum| sum < 0.0);
        assert!(samples.iter().all(is_told), "{}: {samples:?}", task.display());
        let best = figure(&task, "best_f1").unwrap();
        // One of the three documents has no answer: to leave all unanswered is a third.
        assert!(best["value"].as_f64().unwrap() > 0.333 && best["stderr"].is_null(), "{}: {best}", task.display());
    }
}

#[test]
fn a_run_is_the_same_whatever_the_batch_and_in_shards() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    let pair = ["--model", LLAMA, "--model", QWEN];
    eval(&place("whole"), &pair);
    eval(&place("batch"), &[&pair[..], &["--batch-size", "8"]].concat());
    for shard in ["0", "1"] {
        eval(&place(shard), &[&pair[..], &["--shard", &format!("{shard}/2")]].concat());
    }
    let merged = place("merged");
    let (first, second) = (place("0"), place("1"));
    ran(&["merge", "-o", merged.to_str().unwrap(), first.to_str().unwrap(), second.to_str().unwrap()]);
    let ensemble = |run: &str| tasks(&place(run)).pop().unwrap();
    let whole = ensemble("whole");
    for other in ["batch", "merged"] {
        assert_eq!(samples(&whole), samples(&ensemble(other)), "{other}");
        for metric in ["best_exact", "best_f1"] {
            assert_eq!(figure(&whole, metric).unwrap(), figure(&ensemble(other), metric).unwrap(), "{other}");
        }
    }
}

#[test]
fn saved_samples_give_the_same_figures_again_and_texts_alone_give_none_at_a_threshold() {
    let folder = tempfile::tempdir().unwrap();
    let (run, output) = (folder.path().join("run"), folder.path().join("out.jsonl"));
    eval(&run, &["--model", LLAMA]);
    let task = tasks(&run).remove(0);
    let rescored = |responses: &Path| {
        let args = ["tasks", "score", "squadv2", "--data-dir", DATA, "--responses", responses.to_str().unwrap()];
        ran(&[&args[..], &["--output", output.to_str().unwrap()]].concat());
        lines(output.to_str().unwrap()).pop().unwrap()["metrics"].clone()
    };
    let again = rescored(&task.join("samples.jsonl"));
    for metric in ["f1", "best_exact", "best_f1"] {
        assert_eq!(again[format!("{metric},none")], figure(&task, metric).unwrap()["value"], "{metric}");
    }
    assert_eq!(again["best_f1_stderr,none"], "N/A");
    // By hand: a text, and the number beside it.
    let saved = folder.path().join("saved.jsonl");
    let line = |document: u64, text: &str, sum: f64| {
        json!({ "doc_id": document, "response": text, "no_answer": sum }).to_string()
    };
    fs::write(&saved, [line(0, "a ladder", -3.0), line(2, "The stone", -1.0)].join("\n")).unwrap();
    assert_eq!(rescored(&saved)["best_exact,none"], 1.0);
    let one_without = json!({ "doc_id": 2, "response": "The stone" }).to_string();
    fs::write(&saved, [line(0, "a ladder", -3.0), one_without].join("\n")).unwrap();
    let told = rescored(&saved);
    assert!(told["exact,none"] == 0.5 && told.get("best_exact,none").is_none(), "{told}");
}

#[test]
fn the_second_question_is_planned_shown_exported_and_imported() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let shown = eval(Path::new(&place("run")), &["--model", LLAMA, "--write-out", "--predict-only"]);
    assert!(shown.contains("\nAnswer:\nno answer: \" unanswerable\"\nright: "), "{shown}");
    let task = tasks(Path::new(&place("run"))).remove(0);
    let own = &samples(&task)[0];

    ran(&["tasks", "render", "squadv2", "--data-dir", DATA, "--limit", "2", "--output", &place("prompts")]);
    let rendered = lines(&place("prompts")).remove(0);
    let [first, second] = &rendered["requests"].as_array().unwrap()[..] else { panic!("{rendered}") };
    assert_eq!((&first["continuation"], &second["continuation"]), (&Value::Null, &" unanswerable".into()));
    assert_eq!((&first["context"], &rendered["until"]), (&second["context"], &json!(["\n"])));

    let recipe = place("recipe.toml");
    let text = format!(
        "data-dir = '{root}/{DATA}'\nlimit = 6\ntasks = ['squadv2']\n[models]\na = {{ path = '{root}/{LLAMA}' }}\n\
         [[systems]]\nname = 'a'\nmembers = ['a']\n",
        root = root().display()
    );
    fs::write(&recipe, text).unwrap();
    let planned = gac(&["run", &recipe, "--dry-run", "--probe", "1"]);
    assert!(planned.stdout.contains("squadv2: 6 documents, 12 requests"), "{}{}", planned.stdout, planned.stderr);

    ran(&["export", &place("run"), "--format", "lm-eval", "-o", &place("exported")]);
    let folder_of_model = fs::read_dir(place("exported")).unwrap().next().unwrap().unwrap().path();
    let mut files = fs::read_dir(&folder_of_model).unwrap().map(|entry| entry.unwrap().path());
    let samples_file = files.find(|path| path.to_str().unwrap().contains("samples_squadv2")).unwrap();
    let line = &lines(samples_file.to_str().unwrap())[0];
    let text = &own["response"]["generated"]["text"];
    let score = line["resps"][1][0].clone();
    assert_eq!(line["resps"], json!([[text], [score]]));
    assert_eq!(line["filtered_resps"], json!([text, score]));
    assert_eq!(score[0].as_str().unwrap().parse::<Value>().unwrap(), own["no_answer"]["sum"]);
    assert_eq!(line["arguments"]["gen_args_1"]["arg_1"], " unanswerable");
    assert_eq!(line["arguments"]["gen_args_1"]["arg_0"], line["arguments"]["gen_args_0"]["arg_0"]);

    ran(&["import", folder_of_model.to_str().unwrap(), "--output-path", &place("imported")]);
    let imported = &samples(&tasks(Path::new(&place("imported"))).remove(0))[0];
    assert_eq!(imported["no_answer"]["sum"], own["no_answer"]["sum"]);
    assert_eq!(&imported["response"]["generated"]["text"], text);
}
