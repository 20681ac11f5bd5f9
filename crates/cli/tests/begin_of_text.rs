//! Begin-of-text, once or not at all, in every command that reads prompts.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use serde_json::Value;
use support::{file, gac, lines};

/// Its prompts begin with `<s>`.
const LLAMA: &str = "models/mini-llama";
/// It has no such symbol.
const QWEN: &str = "models/mini-qwen";

fn score(input: &str, more: &[&str]) -> Vec<Value> {
    let (_folder, input, output) = file(input);
    let ran = gac(&[&["score", "-q", "--input", &input, "--output", &output, "--model"], more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    lines(&output)
}

/// The numbers of tokens that were scored, and the sums of their log-probabilities.
fn sums(lines: &[Value]) -> Vec<(usize, f64)> {
    let sum = |line: &Value| (line["logprobs"].as_array().unwrap().len(), line["sum"].as_f64().unwrap());
    lines.iter().map(sum).collect()
}

fn generate(prompts: &[&str], more: &[&str]) -> Vec<Value> {
    let prompts: Vec<String> = prompts.iter().map(|prompt| serde_json::json!({"prompt": prompt}).to_string()).collect();
    let prompts = prompts.join("\n");
    let (_folder, input, output) = file(&prompts);
    let args = ["generate", "-q", "--prompts", &input, "--output", &output, "--max-new-tokens", "2", "--trace"];
    let ran = gac(&[&args, more].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    lines(&output)
}

/// What decides whether two prompts were read alike.
fn read_alike(a: &Value, b: &Value) -> bool {
    a["steps"] == b["steps"] && a["text"] == b["text"]
}

#[test]
fn a_prompt_that_begins_with_it_is_read_as_one_that_does_not() {
    let texts = "{\"text\": \"<s>A river runs\"}\n{\"text\": \"A river runs\"}\n";
    let scored = sums(&score(texts, &[LLAMA]));
    assert_eq!(scored[0], scored[1]);
    let pairs = "{\"context\": \"<s>A river\", \"continuation\": \" runs\"}\n{\"context\": \"A river\", \
                 \"continuation\": \" runs\"}\n";
    let scored = sums(&score(pairs, &[LLAMA]));
    assert_eq!(scored[0], scored[1]);
    let alone = generate(&["<s>A river runs", "A river runs"], &["--model", LLAMA]);
    assert!(read_alike(&alone[0], &alone[1]), "{alone:?}");
    // A model that does not know the symbol reads it as text: the members' prompts are their own.
    let pair = generate(&["<s>A river runs", "A river runs"], &["--model", LLAMA, "--model", QWEN]);
    assert!(!read_alike(&pair[0], &pair[1]));
}

#[test]
fn it_is_left_out_or_put_in_as_a_flag_says() {
    let texts = "{\"text\": \"A river runs\"}\n{\"text\": \"<s>A river runs\"}\n";
    let as_filed = sums(&score(texts, &[LLAMA]));
    for without in [&["--add-bos", "false"][..], &["--add_bos_token=false"]] {
        let without = sums(&score(texts, &[&[LLAMA], without].concat()));
        assert_eq!(without[0].0, as_filed[0].0 - 1);
        assert_eq!(without[1], as_filed[1], "what the text says is there");
    }
    assert_eq!(sums(&score(texts, &[LLAMA, "--add-bos", "true"])), as_filed);
    let plain = generate(&["A river runs"], &["--model", LLAMA, "--model", QWEN]);
    let each = ["--model", LLAMA, "--model", QWEN, "--add-bos", "true,false"];
    assert!(read_alike(&plain[0], &generate(&["A river runs"], &each)[0]), "one value per model");
    let all = ["--model", LLAMA, "--model", QWEN, "--add-bos", "false"];
    assert!(!read_alike(&plain[0], &generate(&["A river runs"], &all)[0]), "one value for all models");
}

#[test]
fn a_flag_that_cannot_be_followed_is_an_error() {
    let (_folder, input, output) = file("{\"prompt\": \"A river\"}\n");
    let ran = gac(&["score", "--model", QWEN, "--input", &input, "--output", &output, "--add-bos", "true"]);
    assert_eq!(ran.code, 2);
    let args =
        ["generate", "--prompts", &input, "--output", &output, "--model", LLAMA, "--model", QWEN, "--model", QWEN];
    let ran = gac(&[&args[..], &["--add-bos", "true,false"]].concat());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("given 2 times for 3 models") && ran.stderr.contains("hint: "), "{}", ran.stderr);
    let (_folder, input, output) = file("{\"text\": \"A river\"}\n");
    let ran = gac(&["score", "--model", QWEN, "--input", &input, "--output", &output, "--add-bos", "true"]);
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("name no such token") && ran.stderr.contains("bos_token"), "{}", ran.stderr);
}

#[test]
fn a_run_with_it_is_not_gone_on_with_without_it() {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let run = run.to_str().unwrap();
    let recipe = folder.path().join("recipe.toml");
    let models = support::root().join("models");
    let ran = |add_bos: &str| {
        let text = format!(
            "[models.llama]\npath = {:?}\n{add_bos}\n[[systems]]\nname = \"alone\"\nmembers = [\"llama\"]\n[[tasks]]\nname = \
             \"piqa\"\n",
            models.join("mini-llama")
        );
        std::fs::write(&recipe, text).unwrap();
        let ran = gac(&[
            "run",
            recipe.to_str().unwrap(),
            "--limit",
            "2",
            "--data-dir",
            "datasets/mini",
            "--output-path",
            run,
        ]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        let manifest: Value =
            serde_json::from_slice(&std::fs::read(folder.path().join("run/manifest.json")).unwrap()).unwrap();
        (ran.stderr, manifest["plan"]["models"][0].clone())
    };
    let (_, model) = ran("");
    assert_eq!(model.get("add_bos"), None, "{model}");
    let (said, model) = ran("add-bos = false");
    assert_eq!(model["add_bos"], false);
    assert!(said.contains("2 samples") && said.contains("set aside"), "{said}");
    let (said, _) = ran("add_bos_token = false");
    assert!(!said.contains("set aside"), "{said}");
}
