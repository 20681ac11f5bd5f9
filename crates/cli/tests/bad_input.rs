//! Bad input: one paragraph with a hint, exit code 2, nothing half-written.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;
use std::path::Path;

use support::{Ran, file, gac, root};

const MODEL: &str = "models/mini-llama";

/// Checks what every refusal has in common, and that it says `expected`.
fn refused(ran: &Ran, expected: &[&str]) {
    assert_eq!(ran.code, 2, "{}", ran.stderr);
    assert!(ran.stdout.is_empty(), "{}", ran.stdout);
    assert!(ran.stderr.starts_with("error: "), "{}", ran.stderr);
    assert!(!ran.stderr.contains("panicked"), "{}", ran.stderr);
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert!(lines.len() == 2 && lines[1].starts_with("hint: "), "not an error and a hint:\n{}", ran.stderr);
    for expected in expected {
        assert!(ran.stderr.contains(expected), "no `{expected}` in:\n{}", ran.stderr);
    }
}

/// A copy of the miniature Llama in which `change` has changed files.
fn broken_model(change: impl Fn(&Path)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(root().join(MODEL)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    change(copy.path());
    copy
}

fn generate(model: &str, prompts: &str, more: &[&str]) -> Ran {
    let (_folder, input, output) = file(prompts);
    let mut args = vec!["generate", "--model", model, "--prompts", &input, "--output", &output];
    args.extend(more);
    let ran = gac(&args);
    assert!(ran.code == 0 || !Path::new(&output).exists(), "half-written output");
    ran
}

const PROMPT: &str = "{\"prompt\": \"Question: What\"}\n";

#[test]
fn settings_of_a_chat_without_one_are_refused_once() {
    for flags in [&["--system-instruction", "x"][..], &["--fewshot-as-multiturn"]] {
        let ran = generate(MODEL, PROMPT, flags);
        refused(&ran, &["makes no sense", "hint: apply the chat templates"]);
        assert_eq!(ran.stderr.matches("prompts are no chats").count(), 1, "{}", ran.stderr);
    }
}

#[test]
fn a_missing_model_folder_is_named() {
    refused(&generate("no/such/folder", PROMPT, &[]), &["no/such/folder", "hint: "]);
}

#[test]
fn a_hub_model_that_is_not_cached_is_refused_offline() {
    refused(&generate("org/name", PROMPT, &[]), &["config.json", "org/name", "hint: "]);
}

#[test]
fn a_missing_prompts_file_is_named() {
    let ran = gac(&["generate", "--model", MODEL, "--prompts", "nowhere.jsonl", "--output", "/tmp/x.jsonl"]);
    refused(&ran, &["nowhere.jsonl"]);
}

#[test]
fn truncated_weights_are_refused() {
    let model = broken_model(|folder| {
        let path = folder.join("model.safetensors");
        let bytes = fs::read(&path).unwrap();
        fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
    });
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["model.safetensors", "hint: "]);
    let model = broken_model(|folder| fs::write(folder.join("model.safetensors"), b"\x08\0\0").unwrap());
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["model.safetensors", "hint: "]);
}

#[test]
fn an_unknown_architecture_is_named_with_those_that_are_known() {
    let model = broken_model(|folder| fs::write(folder.join("config.json"), r#"{"model_type": "rwkv5"}"#).unwrap());
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["`rwkv5`", "llama, mamba, mamba2, mistral"]);
}

#[test]
fn a_config_that_does_not_parse_is_refused_with_the_place() {
    let model = broken_model(|folder| fs::write(folder.join("config.json"), "{\n oops").unwrap());
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["config.json", "line 2"]);
}

#[test]
fn a_tokenizer_without_byte_information_is_refused() {
    let model = broken_model(|folder| {
        let text = r#"{"version": "1.0", "added_tokens": [], "normalizer": null, "pre_tokenizer": null, "decoder": null,
            "post_processor": null, "truncation": null, "padding": null,
            "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"}}"#;
        fs::write(folder.join("tokenizer.json"), text).unwrap();
    });
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["tokenizer.json", "bytes", "hint: "]);
}

#[test]
fn a_tokenizer_larger_than_the_model_is_refused() {
    let model = broken_model(|folder| {
        let path = folder.join("tokenizer.json");
        let mut tokenizer: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        tokenizer["model"]["vocab"]["surplus"] = 500_000.into();
        fs::write(&path, serde_json::to_vec(&tokenizer).unwrap()).unwrap();
    });
    refused(&generate(model.path().to_str().unwrap(), PROMPT, &[]), &["surplus", "500000", "rows"]);
}

#[test]
fn a_line_that_does_not_parse_is_named() {
    refused(&generate(MODEL, "{\"prompt\": \"a\"}\n{\"prompt\"\n", &[]), &["line 2", "hint: "]);
    refused(&generate(MODEL, "{\"prompt\": \"a\"}\n\n{\"text\": \"a\"}\n", &[]), &["line 3", "prompt"]);
    refused(&generate(MODEL, "", &[]), &["no lines"]);
}

#[test]
fn a_prompt_longer_than_the_context_is_refused_with_its_line() {
    let long = "word ".repeat(20_000);
    let prompts = format!("{{\"prompt\": \"short\"}}\n{{\"prompt\": \"{long}\"}}\n");
    refused(&generate(MODEL, &prompts, &[]), &["line 2", "context", "hint: "]);
}

#[test]
fn weights_and_thresholds_out_of_range_are_refused() {
    let two = ["--model", "models/mini-qwen"];
    let with = |more: &[&str]| generate(MODEL, PROMPT, &[&two, more].concat());
    refused(&with(&["--weights", "1,-1"]), &["-1"]);
    refused(&with(&["--weights", "0,0"]), &["at least one"]);
    refused(&with(&["--weights", "1"]), &["1 weights for 2 members"]);
    refused(&with(&["--weights", "1,NaN"]), &["NaN"]);
    refused(&with(&["--gate", MODEL, "--threshold", "1.5"]), &["1.5", "from 0 to 1"]);
    refused(&with(&["--gate", MODEL, "--threshold", "-0.1"]), &["-0.1"]);
    refused(&with(&["--gate", MODEL]), &["threshold"]);
    refused(&with(&["--threshold", "0.5"]), &["gate"]);
    refused(&with(&["--gate", "models/other", "--threshold", "0.5"]), &["models/other", "hint: "]);
}

#[test]
fn a_device_that_was_not_compiled_in_is_refused() {
    if !cfg!(feature = "cuda") {
        refused(&generate(MODEL, PROMPT, &["--device", "cuda:0"]), &["cuda:0", "--features cuda"]);
    }
}

fn eval(tasks: &str, data: &str, output: &Path) -> Ran {
    let output = output.to_str().unwrap();
    gac(&["eval", "--model", MODEL, "--tasks", tasks, "--data-dir", data, "--limit", "2", "--output-path", output])
}

#[test]
fn an_unknown_task_is_answered_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    refused(&eval("gsm8", "datasets/mini", &output), &["`gsm8`", "gsm8k", "gac tasks list"]);
    assert!(!output.exists());
}

#[test]
fn a_data_folder_without_the_file_names_the_path_looked_for() {
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("run");
    let data = folder.path().to_str().unwrap();
    refused(&eval("gsm8k", data, &output), &["openai/gsm8k/main/", data]);
    assert!(!output.exists());
}

#[test]
fn a_recipe_that_does_not_parse_is_refused_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let recipe = folder.path().join("bad.toml");
    fs::write(&recipe, "tasks = [\"gsm8k\"]\nsystem = 3\n").unwrap();
    refused(&gac(&["run", recipe.to_str().unwrap()]), &["bad.toml", "line 2", "system"]);
    refused(&gac(&["run", "no/such/recipe.toml"]), &["no/such/recipe.toml", "hint: "]);
}

#[test]
fn a_wrong_flag_ends_with_code_2() {
    let ran = gac(&["eval", "--modle", "x"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("--modle"), "{}", ran.stderr);
}

#[test]
fn a_report_of_what_is_no_whole_run_says_what_is_wrong_and_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let report = |path: &Path| gac(&["report", path.to_str().unwrap()]);
    refused(&report(&run), &["holds no run", "run` holds", "hint: a run's folder is"]);
    let ran = eval("gsm8k", "datasets/mini", &run);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    refused(&report(&run.join("manifest.json")), &["holds no run", "hint: a run's folder is"]);

    let system = fs::read_dir(&run).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let samples = system.join("gsm8k/samples.jsonl");
    let whole = fs::read_to_string(&samples).unwrap();
    let (first, rest) = whole.split_once('\n').unwrap();
    fs::write(&samples, format!("{}\n{rest}", &first[..50])).unwrap();
    refused(&report(&run), &["line 1 of", "gsm8k/samples.jsonl`", "at line 1 column 50", "hint: the file was changed"]);
    // What the hints say.
    fs::write(&samples, rest).unwrap();
    refused(&report(&run), &["has 1 samples where the manifest says 2", "hint: `gac run` with the same recipe"]);
    fs::remove_file(&samples).unwrap();
    refused(&report(&run), &["failed to read `", "hint: `gac run` with the same recipe"]);
    fs::write(&samples, rest).unwrap();
    assert_eq!(eval("gsm8k", "datasets/mini", &run).code, 0);
    assert_eq!(report(&run).code, 0);

    fs::write(run.join("manifest.json"), "{").unwrap();
    refused(&report(&run), &["manifest.json` is not a manifest", "hint: the file was changed"]);
}

#[test]
fn a_sweep_without_a_gate_is_refused_in_words_of_its_flags() {
    let base = ["sweep", "--model", MODEL, "--tasks", "gsm8k", "--data-dir", "datasets/mini"];
    refused(&gac(&base), &["a sweep needs a gate", "hint: add models with `--model`"]);
    let two = gac(&[&base[..], &["--model", "models/mini-qwen"]].concat());
    refused(&two, &["a sweep needs a gate", "with `--gate`: `mini-llama`, `mini-qwen`"]);
}
