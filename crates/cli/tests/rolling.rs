//! Texts scored in windows, against lm-evaluation-harness's own `hf` (`scripts/lm_eval/rolling.py` recorded it).

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure, not every file uses every helper")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use support::{gac, lines, root};

const DATA: &str = "crates/harness/tests/fixtures/lm_eval/data";

/// A copy of a model with another context.
fn with_context(model: &str, context: u64, folder: &Path) -> PathBuf {
    let copy = folder.join(format!("{model}-{context}"));
    fs::create_dir_all(&copy).unwrap();
    for file in fs::read_dir(root().join("models").join(model)).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), copy.join(file.file_name())).unwrap();
    }
    let path = copy.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config["max_position_embeddings"] = context.into();
    fs::write(path, config.to_string()).unwrap();
    copy
}

/// The values of `wikitext`, and each document's log-likelihood.
fn perplexities(system: &[&str], output: &Path) -> (Value, Vec<Value>) {
    let output = output.to_str().unwrap();
    let task = ["--tasks", "wikitext", "--limit", "6", "--data-dir", DATA, "--output-path", output];
    let ran = gac(&[&["eval"][..], system, &task].concat());
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let folder = fs::read_dir(output).unwrap().map(|entry| entry.unwrap().path()).find(|path| path.is_dir()).unwrap();
    let folder = folder.join("wikitext");
    let results: Value = serde_json::from_slice(&fs::read(folder.join("results.json")).unwrap()).unwrap();
    (results["aggregates"].clone(), lines(folder.join("samples.jsonl").to_str().unwrap()))
}

fn value(aggregates: &Value, metric: &str) -> f64 {
    let aggregates = aggregates.as_array().unwrap();
    aggregates.iter().find(|found| found["key"]["metric"] == metric).unwrap()["value"].as_f64().unwrap()
}

#[test]
fn perplexities_are_lm_evaluation_harnesss_whatever_the_context() {
    let path = root().join("crates/cli/tests/fixtures/rolling.json");
    let recorded: Vec<Value> = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    assert_eq!(recorded.len(), 6);
    let folder = tempfile::tempdir().unwrap();
    for (number, expected) in recorded.iter().enumerate() {
        let (name, context) = (expected["model"].as_str().unwrap(), expected["context"].as_u64().unwrap());
        let model = with_context(name, context, folder.path());
        let (found, samples) =
            perplexities(&["--model", model.to_str().unwrap()], &folder.path().join(format!("run-{number}")));
        let close = |own: f64, expected: &Value, what: &str| {
            let expected = expected.as_f64().unwrap();
            // Perplexities of a thousand million tell more than f32 does.
            let tolerance = if what.ends_with("perplexity") { 2e-6 } else { 1e-6 };
            assert!(
                (own - expected).abs() <= tolerance * expected.abs(),
                "{name}, {context}, {what}: {own} is not {expected}"
            );
        };
        for metric in ["word_perplexity", "byte_perplexity", "bits_per_byte"] {
            close(value(&found, metric), &expected[metric], metric);
        }
        assert_eq!(samples.len(), expected["sums"].as_object().unwrap().len());
        for sample in samples {
            let document = sample["doc_id"].to_string();
            close(sample["response"]["choices"][0]["sum"].as_f64().unwrap(), &expected["sums"][&document], &document);
        }
    }
}

#[test]
fn members_of_different_contexts_score_a_text_together() {
    let folder = tempfile::tempdir().unwrap();
    let perplexity = |first: u64, second: u64| {
        let members =
            [with_context("mini-llama", first, folder.path()), with_context("mini-qwen", second, folder.path())];
        let [first_, second_] = members.each_ref().map(|path| path.to_str().unwrap());
        let (found, _) = perplexities(
            &["--model", first_, "--model", second_],
            &folder.path().join(format!("run-{first}-{second}")),
        );
        value(&found, "word_perplexity")
    };
    let (whole, short, shorter) = (perplexity(8192, 8192), perplexity(8192, 48), perplexity(24, 48));
    // Less is read before a token.
    assert!(whole.is_finite() && short.is_finite() && shorter.is_finite(), "{whole}, {short}, {shorter}");
    assert!((short - whole).abs() > 1e-6 && (shorter - short).abs() > 1e-6, "{whole}, {short}, {shorter}");
}
