//! Checkpoints are untrusted: whatever stands in their files, loading ends in a model or in an error, never in a panic.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use gac_inference::{EngineOptions, Extension, ModelSource, TokenId, Tokenizer, Wanted, check_model, load_model};
use proptest::prelude::*;
use serde_json::{Value, json};

const FIXTURES: [&str; 4] = ["llama-yarn-bf16", "qwen2-moe-bf16", "gemma3-bf16", "phi3-longrope-bf16"];

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn adapter_fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapter_fixtures");
    let mut folders: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn mini() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/mini-llama")
}

/// A copy of a checkpoint in which `file` holds `bytes`.
fn with_file(folder: &Path, file: &str, bytes: &[u8]) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
        }
    }
    std::fs::write(copy.path().join(file), bytes).unwrap();
    copy
}

/// Loads and, where that works, computes.
fn try_model(folder: &Path) -> Result<(), String> {
    let source = ModelSource::Folder(folder.to_owned());
    let options = EngineOptions { cache_bytes: 1 << 20, ..EngineOptions::default() };
    let mut engine = load_model(&source, &options).map_err(|error| error.to_string())?;
    let sequence = engine.open(&[]).map_err(|error| error.to_string())?;
    let tokens = [TokenId(1), TokenId(2), TokenId(3)];
    let batch = [Extension { sequence, tokens: &tokens, wanted: Wanted::All }];
    engine.extend(&batch).map(|_| ()).map_err(|error| error.to_string())
}

/// Values that configuration fields do not expect.
fn odd_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        Just(json!(0)),
        Just(json!(1)),
        Just(json!(3)),
        Just(json!(-1)),
        Just(json!(1e300)),
        Just(json!(u64::MAX)),
        Just(json!(0.3)),
        Just(json!(true)),
        Just(json!("x")),
        Just(json!([])),
        Just(json!([1, 2])),
        Just(json!({})),
        Just(json!({"rope_type": "yarn", "factor": 1e-300})),
        (1u64..5000).prop_map(|number| json!(number)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn a_configuration_with_any_field_changed_loads_or_is_refused(
        which in 0..FIXTURES.len(), field in any::<prop::sample::Index>(), value in odd_value(), remove in any::<bool>()
    ) {
        let folder = fixture(FIXTURES[which]);
        let mut config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
        let fields = config.as_object_mut().unwrap();
        let name = fields.keys().nth(field.index(fields.len())).unwrap().clone();
        if remove { fields.remove(&name); } else { fields.insert(name, value); }
        let copy = with_file(&folder, "config.json", config.to_string().as_bytes());
        let _ = try_model(copy.path());
    }

    #[test]
    fn a_configuration_for_candle_with_any_field_changed_loads_or_is_refused(
        which in any::<prop::sample::Index>(), field in any::<prop::sample::Index>(), value in odd_value(), remove in any::<bool>()
    ) {
        let folders = adapter_fixtures();
        let folder = &folders[which.index(folders.len())];
        let mut config: Value = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
        let fields = config.as_object_mut().unwrap();
        let name = fields.keys().nth(field.index(fields.len())).unwrap().clone();
        if remove { fields.remove(&name); } else { fields.insert(name, value); }
        let copy = with_file(folder, "config.json", config.to_string().as_bytes());
        let _ = try_model(copy.path());
    }

    #[test]
    fn weights_with_any_bytes_of_the_header_changed_load_or_are_refused(
        at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..9), cut in any::<prop::sample::Index>(), shorten in any::<bool>()
    ) {
        let folder = fixture(FIXTURES[0]);
        let mut weights = std::fs::read(folder.join("model.safetensors")).unwrap();
        let header = 8 + u64::from_le_bytes(weights[..8].try_into().unwrap()) as usize;
        let at = at.index(header - bytes.len());
        weights[at..at + bytes.len()].copy_from_slice(&bytes);
        if shorten { weights.truncate(cut.index(weights.len())); }
        let copy = with_file(&folder, "model.safetensors", &weights);
        let _ = try_model(copy.path());
    }

    #[test]
    fn a_tokenizer_with_any_bytes_changed_loads_or_is_refused(
        at in any::<prop::sample::Index>(), bytes in prop::collection::vec(any::<u8>(), 1..4)
    ) {
        let mut tokenizer = std::fs::read(mini().join("tokenizer.json")).unwrap();
        let at = at.index(tokenizer.len() - bytes.len());
        tokenizer[at..at + bytes.len()].copy_from_slice(&bytes);
        let copy = with_file(&mini(), "tokenizer.json", &tokenizer);
        let _ = Tokenizer::load(&ModelSource::Folder(copy.path().to_owned()), Some(1000));
    }
}

#[test]
fn tensors_that_no_layer_asks_for_are_no_error() {
    let folder = fixture(FIXTURES[0]);
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["num_hidden_layers"] = json!(1);
    let copy = with_file(&folder, "config.json", config.to_string().as_bytes());
    assert_eq!(try_model(copy.path()), Ok(()));
}

#[test]
fn settings_that_candle_would_ignore_are_refused_and_named() {
    for (fixture, field, value) in [
        ("deepseek2-bf16", "topk_method", json!("group_limited_greedy")),
        ("deepseek2-bf16", "num_experts_per_tok", json!(9)),
        ("deepseek2-bf16", "rope_scaling", json!({"rope_type": "linear", "factor": 2.0})),
        ("falcon-bf16", "alibi", json!(true)),
        ("falcon-bf16", "new_decoder_architecture", json!(true)),
        ("falcon-bf16", "num_hidden_layers", json!(0)),
        ("gpt-bigcode-bf16", "multi_query", json!(false)),
        ("granite-hybrid-attention-bf16", "num_local_experts", json!(8)),
        ("granite-hybrid-attention-bf16", "position_embedding_type", json!("nope")),
        ("granite-hybrid-attention-bf16", "layer_types", json!(["mamba", "attention"])),
        ("helium-bf16", "num_attention_heads", json!(0)),
        ("lfm2-bf16", "block_multiple_of", json!(0)),
        ("mamba-bf16", "state_size", json!(32)),
        ("mamba-bf16", "tie_word_embeddings", json!(false)),
        ("mamba2-bf16", "n_groups", json!(2)),
        ("mamba2-bf16", "head_dim", json!(0)),
        ("mamba2-bf16", "time_step_limit", json!([0.0, 0.1])),
        ("olmo-bf16", "num_key_value_heads", json!(0)),
        ("phi-bf16", "qk_layernorm", json!(true)),
        ("recurrent-gemma-bf16", "block_types", json!([])),
        ("recurrent-gemma-bf16", "intermediate_size", json!(0)),
    ] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/adapter_fixtures").join(fixture);
        let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
        let mut config: Value = serde_json::from_str(&config).unwrap();
        config[field] = value;
        let copy = with_file(&folder, "config.json", config.to_string().as_bytes());
        let checked = check_model(&ModelSource::Folder(copy.path().to_owned()), &EngineOptions::default());
        let error = checked.unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{fixture}: {error}");
    }
}

#[test]
fn a_missing_tensor_is_named() {
    let folder = fixture(FIXTURES[0]);
    let config = std::fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&config).unwrap();
    config["num_hidden_layers"] = json!(3);
    let copy = with_file(&folder, "config.json", config.to_string().as_bytes());
    let error = try_model(copy.path()).unwrap_err();
    assert!(error.contains("model.layers.2."), "{error}");
    let folder = adapter_fixtures().into_iter().find(|folder| folder.ends_with("olmo-bf16")).unwrap();
    config = serde_json::from_slice(&std::fs::read(folder.join("config.json")).unwrap()).unwrap();
    config["num_hidden_layers"] = json!(3);
    let copy = with_file(&folder, "config.json", config.to_string().as_bytes());
    let error = try_model(copy.path()).unwrap_err();
    assert!(error.contains("`model.layers.2."), "{error}");
}
