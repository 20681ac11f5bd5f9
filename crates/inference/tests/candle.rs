//! The decoder against candle-transformers' own Qwen2: same weights, same arithmetic library, other code.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::Path;

use candle_core::{DType, Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::qwen2::{Config, ModelForCausalLM};
use gac_inference::{Engine, EngineOptions, Extension, LanguageModel, ModelSource, TokenId, Wanted};

#[test]
fn logits_equal_candle_transformers_qwen2() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/qwen2-bf16");
    let config: Config =
        serde_json::from_slice(&std::fs::read(folder.join("config_v4.json")).map(|text| with_window(&text)).unwrap())
            .unwrap();
    let weights = std::fs::read(folder.join("model.safetensors")).unwrap();
    let weights = VarBuilder::from_buffered_safetensors(weights, DType::F32, &Device::Cpu).unwrap();
    let mut reference = ModelForCausalLM::new(&config, weights).unwrap();

    let tokens: Vec<u32> = (0..40).map(|i| i * 13 % 120).collect();
    let input = Tensor::new(tokens.as_slice(), &Device::Cpu).unwrap().unsqueeze(0).unwrap();
    let expected = reference.forward(&input, 0).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();

    let mut engine = Engine::load(&ModelSource::Folder(folder), &EngineOptions::default()).unwrap();
    let sequence = engine.open(&[]).unwrap();
    let tokens: Vec<TokenId> = tokens.into_iter().map(TokenId).collect();
    let extension = Extension { sequence, tokens: &tokens, wanted: Wanted::Last };
    let distribution = engine.extend(&[extension]).unwrap().remove(0).remove(0);
    let first = f64::from(expected[0]) - distribution.log_prob(TokenId(0));
    for (id, &expected) in (0..).zip(&expected) {
        // Logits are equal up to their normaliser.
        let difference = f64::from(expected) - distribution.log_prob(TokenId(id)) - first;
        assert!(difference.abs() < 1e-3, "token {id}: {difference}");
    }
}

/// candle-transformers wants a number where transformers writes null for "no window".
fn with_window(config: &[u8]) -> Vec<u8> {
    let mut config: serde_json::Value = serde_json::from_slice(config).unwrap();
    config["sliding_window"] = 512.into();
    serde_json::to_vec(&config).unwrap()
}
