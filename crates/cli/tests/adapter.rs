//! Models that candle-transformers runs, alone and beside a native one.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

mod support;

use std::path::Path;

use insta::assert_snapshot;
use serde_json::{Map, Value, json};
use support::{file, gac, lines, root};

const LLAMA: &str = "models/mini-llama";

/// A Mamba of 120 rows with a tokenizer of single characters.
fn mamba(folder: &Path) -> String {
    let fixture = root().join("crates/inference/tests/adapter_fixtures/mamba-bf16");
    for name in ["config.json", "generation_config.json", "model.safetensors"] {
        std::fs::copy(fixture.join(name), folder.join(name)).unwrap();
    }
    // Byte-level: printable characters stand for themselves, space and newline for these two.
    let pieces = ["<unk>", "<s>", "</s>", "Ġ", "Ċ"].map(str::to_owned).into_iter();
    let pieces = pieces.chain((b'!'..=b'~').map(|byte| char::from(byte).to_string()));
    let vocabulary: Map<String, Value> = pieces.enumerate().map(|(id, piece)| (piece, json!(id))).collect();
    let special = |id: usize, content: &str| {
        json!({"id": id, "content": content, "special": true, "single_word": false, "lstrip": false, "rstrip": false,
               "normalized": false})
    };
    let level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null, "post_processor": null,
        "added_tokens": [special(0, "<unk>"), special(1, "<s>"), special(2, "</s>")],
        "pre_tokenizer": level, "decoder": level,
        "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null,
                  "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
                  "vocab": vocabulary, "merges": []},
    });
    std::fs::write(folder.join("tokenizer.json"), tokenizer.to_string()).unwrap();
    folder.to_str().unwrap().to_owned()
}

#[test]
fn the_list_of_architectures_says_what_is_native() {
    let ran = gac(&["models", "list"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert_snapshot!(ran.stdout);
    let json: Vec<Value> = serde_json::from_str(&gac(&["models", "list", "--json"]).stdout).unwrap();
    assert_eq!(json.len(), ran.stdout.lines().count());
    assert_eq!(json[0], json!({"model_type": "cohere", "backend": "native"}));
    assert!(json.contains(&json!({"model_type": "mamba", "backend": "candle"})));
}

#[test]
fn a_model_of_candle_votes_with_a_native_one() {
    let folder = tempfile::tempdir().unwrap();
    let mamba = mamba(folder.path());
    let (_kept, input, output) = file("{\"prompt\": \"3 + 4 =\"}\n{\"prompt\": \"What is\"}\n");
    let common = ["generate", "--prompts", &input, "--output", &output, "--max_new_tokens", "8", "--trace"];
    let trace = |more: &[&str]| {
        let ran = gac(&[&common[..], more].concat());
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        lines(&output)
    };
    let both = trace(&["--model", LLAMA, "--model", &mamba]);
    assert!(both.iter().all(|line| line["ensembled"] == line["tokens"] || line["ensembled"].as_u64() > Some(0)));
    // With all the weight the native member's text is what it writes alone, and likewise candle's.
    for (weights, model) in [("1,0", LLAMA), ("0,1", mamba.as_str())] {
        let weighted = trace(&["--model", LLAMA, "--model", &mamba, "--weights", weights]);
        let alone = trace(&["--model", model]);
        for (weighted, alone) in weighted.iter().zip(&alone) {
            assert_eq!(weighted["text"], alone["text"], "{model}");
        }
    }
}

#[test]
fn quantising_a_model_of_candle_is_refused_with_a_hint() {
    let folder = tempfile::tempdir().unwrap();
    let mamba = mamba(folder.path());
    let (_kept, input, output) = file("{\"text\": \"3 + 4\"}\n");
    let scored = ["score", "--input", &input, "--output", &output, "--model", &mamba];
    assert_eq!(gac(&scored).code, 0);
    let ran = gac(&[&scored[..], &["--quantize", "q8_0"]].concat());
    assert_eq!(ran.code, 2);
    assert!(ran.stderr.contains("`mamba`") && ran.stderr.contains("hint:"), "{}", ran.stderr);
}
