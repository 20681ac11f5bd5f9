//! What users of lm-evaluation-harness type: accepted where it means something here, else answered with what does.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::{Ran, gac};

const MODEL: &str = "models/mini-llama";

/// `gac eval` of two documents with flags of a user's, and the run's manifest.
fn eval(flags: &[&str]) -> (Ran, Value) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let base = ["eval", "--data-dir", "datasets/mini", "--output_path", run.to_str().unwrap()];
    let ran = gac(&[&base[..], flags].concat());
    let manifest =
        fs::read(run.join("manifest.json")).map_or(Value::Null, |text| serde_json::from_slice(&text).unwrap());
    (ran, manifest)
}

/// That a command line is refused with an error and a hint, each with these parts.
fn refused(ran: &Ran, error: &str, hint: &str) {
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[0].starts_with("error: ") && lines[1].starts_with("hint: "), "{}", ran.stderr);
    assert!(lines[0].contains(error) && lines[1].contains(hint), "no `{error}` or no `{hint}` in {}", ran.stderr);
}

#[test]
fn arguments_of_a_model_are_answered_with_the_flags_for_them() {
    let (ran, _) =
        eval(&["--model", "hf", "--model_args", "pretrained=models/mini-qwen,dtype=float32", "--tasks", "piqa"]);
    refused(&ran, "`--model_args`", "`--model models/mini-qwen --dtype f32` says the same");
    let (ran, _) = eval(&["-M", "hf", "-a", "pretrained=org/x", "revision=v2", "peft=y", "-t", "piqa"]);
    refused(&ran, "`--model_args`", "`--model org/x@v2` says the same, but for `peft`");
    let (ran, _) = eval(&["--model", "vllm", "--tasks", "piqa"]);
    refused(&ran, "`vllm` is one of lm-evaluation-harness's kinds of models", "`--model org/name`");
}

#[test]
fn flags_without_an_equivalent_are_answered() {
    for (flags, name, hint) in [
        (&["--trust_remote_code"][..], "--trust_remote_code", "leave it out"),
        (&["--confirm_run_unsafe_code"], "--confirm_run_unsafe_code", "leave it out"),
        (&["--verbosity", "DEBUG"], "--verbosity", "`-v`"),
        (&["--show_config"], "--show_config", "gac tasks show"),
        (&["--check_integrity"], "--check_integrity", "gac data verify"),
        (&["--max_batch_size", "8"], "--max_batch_size", "--batch-size"),
        (&["--wandb_args=project=x"], "--wandb_args", "gac export"),
        (&["--config", "x.yaml"], "--config", "gac run RECIPE.toml"),
    ] {
        let (ran, _) = eval(&[&["--model", MODEL, "--tasks", "piqa"], flags].concat());
        refused(&ran, &format!("`{name}` is a flag of lm-evaluation-harness's"), hint);
    }
    let ran = gac(&["run", "--model", "hf", "--tasks", "piqa"]);
    refused(&ran, "no flag of `gac run`", "`gac eval --model MODEL --tasks TASK`");
    refused(&gac(&["--model", "hf", "--tasks", "piqa"]), "no flag of `gac`", "`gac eval --model MODEL --tasks TASK`");
    refused(&gac(&["ls", "tasks"]), "no command", "gac tasks list");
    let (ran, _) = eval(&["--model", MODEL, "--tasks", "list"]);
    refused(&ran, "unknown task `list`", "gac tasks list");
    // A mistake of another kind is clap's to tell.
    let (ran, _) = eval(&["--model", MODEL, "--tasks", "piqa", "--modle", "x"]);
    assert!(ran.code == 2 && ran.stderr.contains("'--model'"), "{}", ran.stderr);
}

#[test]
fn flags_that_mean_the_same_are_taken() {
    let flags = ["--model", MODEL, "--tasks", "gsm8k,piqa", "arc_easy", "--num_fewshot", "1", "--batch_size", "auto:4"];
    let more = ["--limit", "2", "--log_samples", "--device", "cpu", "--seed", "0,1234,1234,99"];
    let settings = ["--gen_kwargs", "temperature=0.9", "do_sample=True", "max_gen_toks=8"];
    let (ran, manifest) = eval(&[&flags[..], &more, &settings].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let tasks = manifest["plan"]["tasks"].as_array().unwrap();
    let names: Vec<&str> = tasks.iter().map(|task| task["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["gsm8k", "piqa", "arc_easy"]);
    let expected = json!({"temperature": 0.9, "do_sample": true, "max_gen_toks": 8, "seed": 1234});
    assert_eq!(tasks[0]["gen_kwargs"], expected);
    assert_eq!(manifest["seeds"]["fewshot"], 99);
    assert_eq!(manifest["plan"]["log_samples"], true);
    let (ran, manifest) = eval(&["-M", MODEL, "-t", "piqa", "-f", "1", "-L", "3", "-b", "2", "-s"]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!((&manifest["plan"]["batch_size"], &manifest["tasks"][0]["documents"]), (&json!(2), &json!(3)));
}

#[test]
fn prompts_are_shown_and_responses_kept_without_scores() {
    let (ran, manifest) = eval(&["-M", MODEL, "-t", "piqa,gsm8k", "-L", "2", "-w", "-x"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (0, ""), "{}", ran.stderr);
    assert_eq!(manifest["plan"]["log_samples"], true);
    for part in
        ["piqa, first prompt:\nQuestion: ", "\nchoice: \"", "\nright: ", "gsm8k, first prompt:\n", "responses: "]
    {
        assert!(ran.stderr.contains(part), "no {part:?} in {}", ran.stderr);
    }
}

#[test]
fn shots_are_drawn_by_the_seed_and_tokens_by_the_settings() {
    let prompts = |seed: &[&str]| -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let run = folder.path().join("run");
        let base = ["eval", "--model", MODEL, "--data-dir", "datasets/mini", "--tasks", "gsm8k", "--limit", "3"];
        let more = ["--num-fewshot", "2", "--log-samples", "--output-path", run.to_str().unwrap()];
        assert_eq!(gac(&[&base[..], &more, seed].concat()).code, 0);
        let samples = support::lines(run.join("mini-llama/gsm8k/samples.jsonl").to_str().unwrap());
        samples.iter().map(|sample| sample["prompt"].as_str().unwrap().to_owned()).collect()
    };
    let mut usual = prompts(&[]);
    let mut same = prompts(&["--seed", "1234"]);
    let mut other = prompts(&["--seed", "1"]);
    for prompts in [&mut usual, &mut same, &mut other] {
        prompts.sort();
    }
    assert_eq!(usual, same);
    assert_ne!(usual, other);
}

#[test]
fn limits_that_are_none_are_refused() {
    for limit in ["0", "-1", "1.5", "nan", "ten"] {
        let (ran, _) = eval(&["--model", MODEL, "--tasks", "piqa", "--limit", limit]);
        assert_eq!(ran.code, 2);
        assert!(ran.stderr.contains(&format!("`{limit}`")) && ran.stderr.contains("share"), "{}", ran.stderr);
    }
    let (ran, manifest) = eval(&["--model", MODEL, "--tasks", "piqa", "--limit", "0.01"]);
    assert_eq!((ran.code, &manifest["tasks"][0]["documents"]), (0, &json!(3)), "{}", ran.stderr);
    assert_eq!(manifest["plan"]["tasks"][0]["limit"], json!(0.01));
}
