//! The commands on the miniature world.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;

use serde_json::Value;
use support::{file, gac, lines};

const LLAMA: &str = "models/mini-llama";
const QWEN: &str = "models/mini-qwen";
const PROMPTS: &str = "{\"prompt\": \"Question: What is the capital of\"}\n\n{\"prompt\": \"Q: 3 + 4\\nA:\"}\n";

fn generate(more: &[&str]) -> Vec<Value> {
    let (_folder, input, output) = file(PROMPTS);
    let mut args = vec!["generate", "--prompts", &input, "--output", &output, "--max_new_tokens", "12"];
    args.extend(more);
    let ran = gac(&args);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.is_empty() && ran.stderr.is_empty(), "{}{}", ran.stdout, ran.stderr);
    lines(&output)
}

fn texts(lines: &[Value]) -> Vec<&str> {
    lines.iter().map(|line| line["text"].as_str().unwrap()).collect()
}

#[test]
fn generate_writes_one_line_per_prompt_in_order() {
    let lines = generate(&["--model", LLAMA]);
    assert_eq!(lines.len(), 2);
    assert_eq!(lines[0]["prompt"], "Question: What is the capital of");
    for line in &lines {
        let keys: Vec<&String> = line.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["prompt", "text", "tokens", "ensembled", "seconds"]);
        assert_eq!(line["ensembled"], 0);
    }
}

#[test]
fn a_trace_tells_every_step() {
    let lines = generate(&["--model", LLAMA, "--model", QWEN, "--trace"]);
    for line in &lines {
        let steps = line["steps"].as_array().unwrap();
        assert_eq!(steps.len() as u64, line["tokens"].as_u64().unwrap());
        let bytes = steps.iter().flat_map(|step| match step["hex"].as_str() {
            // The bytes of what is no text by itself.
            Some(hex) => {
                (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
            }
            None => step["text"].as_str().unwrap().as_bytes().to_vec(),
        });
        assert_eq!(String::from_utf8(bytes.collect()).unwrap(), line["text"].as_str().unwrap());
        for step in steps {
            let p = step["probability"].as_f64().unwrap();
            assert!(p > 0.0 && p <= 1.0 && step["ensembled"] == true, "{step}");
        }
    }
}

#[test]
fn thresholds_0_and_1_are_the_gate_alone_and_every_step() {
    let pair = ["--model", LLAMA, "--model", QWEN];
    let gated = |t| generate(&[&pair[..], &["--gate", LLAMA, "--threshold", t]].concat());
    assert_eq!(texts(&gated("0")), texts(&generate(&["--model", LLAMA])));
    assert_eq!(texts(&gated("1")), texts(&generate(&pair)));
}

#[test]
fn batches_change_no_text() {
    let pair = ["--model", LLAMA, "--model", QWEN];
    let one = generate(&[&pair[..], &["--batch-size", "1"]].concat());
    assert_eq!(texts(&one), texts(&generate(&pair)));
}

fn score(text: &str) -> Vec<Value> {
    let (_folder, input, output) = file(text);
    let ran = gac(&["score", "--model", LLAMA, "--input", &input, "--output", &output]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    lines(&output)
}

#[test]
fn score_takes_tokens_texts_and_continuations() {
    let lines = score(concat!(
        "{\"tokens\": [1, 300, 301, 302], \"id\": \"kept\"}\n",
        "{\"text\": \"Question: What\"}\n",
        "{\"context\": \"Question: What\", \"continuation\": \" is the capital\"}\n",
    ));
    assert_eq!(lines[0]["logprobs"].as_array().unwrap().len(), 3);
    assert_eq!(lines[0]["id"], "kept");
    for line in &lines {
        let logprobs: Vec<f64> = line["logprobs"].as_array().unwrap().iter().map(|p| p.as_f64().unwrap()).collect();
        assert!(!logprobs.is_empty() && logprobs.iter().all(|p| *p <= 1e-9));
        assert!((line["sum"].as_f64().unwrap() - logprobs.iter().sum::<f64>()).abs() < 1e-9);
        assert!(line["greedy"].is_boolean());
    }
}

#[test]
fn scoring_tokens_needs_no_tokenizer() {
    let model = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(support::root().join(LLAMA).join(name), model.path().join(name)).unwrap();
    }
    let (_folder, input, output) = file("{\"tokens\": [1, 2, 3]}\n");
    let ran = gac(&["score", "--model", model.path().to_str().unwrap(), "--input", &input, "--output", &output]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(lines(&output)[0]["logprobs"].as_array().unwrap().len(), 2);
}

#[test]
fn tasks_are_listed() {
    let ran = gac(&["tasks", "list"]);
    assert_eq!(ran.code, 0);
    for task in
        ["mmlu", "mmlu_flan_n_shot_generative", "gsm8k", "arc_easy", "arc_challenge", "piqa", "triviaqa", "nq_open"]
    {
        assert!(ran.stdout.lines().any(|line| line.split_whitespace().next() == Some(task)), "{task}");
    }
    let json: Value = serde_json::from_str(&gac(&["tasks", "list", "--json"]).stdout).unwrap();
    let listed: Vec<&str> = json.as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap()).collect();
    for task in ["gsm8k_cot", "bbh_cot_fewshot", "bbh_fewshot@9e6e240", "mmlu@9e6e240", "piqa@deepen", "nq_open@unite"]
    {
        assert!(listed.contains(&task), "{task}");
    }
}

#[test]
fn the_mini_recipe_runs_and_leaves_its_results() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let output = run.to_str().unwrap();
    let ran = gac(&["run", "recipes/mini.toml", "--limit", "3", "--output_path", output]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert!(ran.stdout.contains("gsm8k") && ran.stdout.contains("average"), "{}", ran.stdout);
    for name in ["manifest.json", "leaderboard.md", "leaderboard.csv", "leaderboard.json"] {
        assert!(run.join(name).is_file(), "{name}");
    }
    let manifest: Value = serde_json::from_slice(&fs::read(run.join("manifest.json")).unwrap()).unwrap();
    assert_eq!(manifest["status"], "finished");
    // All samples are there already: nothing is asked again.
    let again = gac(&["run", "recipes/mini.toml", "--limit", "3", "--output-path", output]);
    assert_eq!((again.code, again.stdout), (0, ran.stdout));
    assert!(again.stderr.contains("samples were there already"), "{}", again.stderr);
}

#[test]
fn eval_scores_an_ensemble_on_every_task() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let tasks = "mmlu,mmlu_flan_n_shot_generative,gsm8k,arc_easy,arc_challenge,piqa,triviaqa,nq_open";
    let ran = gac(&[
        "eval",
        "--model",
        LLAMA,
        "--model",
        QWEN,
        "--gate",
        LLAMA,
        "--threshold",
        "0.5",
        "--tasks",
        tasks,
        "--limit",
        "2",
        "--num_fewshot",
        "1",
        "--data_dir",
        "datasets/mini",
        "--output_path",
        run.to_str().unwrap(),
        "--log_samples",
    ]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let samples = walk(&run, "samples.jsonl");
    assert_eq!(samples.len(), 8);
    for path in samples {
        for line in lines(path.to_str().unwrap()) {
            assert!(line["prompt_hash"].is_string() && line["outcome"].is_string(), "{line}");
        }
    }
}

fn walk(folder: &std::path::Path, name: &str) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(walk(&path, name));
        } else if path.ends_with(name) {
            found.push(path);
        }
    }
    found
}
