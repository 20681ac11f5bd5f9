//! GGUF files give what the checkpoint gives that they were made from. The files are written here, as llama.cpp's
//! converter writes them.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::quantized::gguf_file::{self, Value};
use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{DType, Device, Tensor};
use gac_inference::{
    Distribution, Engine, EngineOptions, Extension, LanguageModel, ModelSource, TokenId, Tokenizer, Wanted,
};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

/// The converter's names, and for queries and keys of Llama its order of rows.
fn converted(name: &str, tensor: &Tensor, architecture: &str, heads: usize, kv_heads: usize) -> (String, Tensor) {
    let name = name
        .replace("model.embed_tokens", "token_embd")
        .replace("model.layers", "blk")
        .replace("model.norm", "output_norm")
        .replace("lm_head", "output")
        .replace("self_attn.o_proj", "attn_output")
        .replace("self_attn.q_norm", "attn_q_norm")
        .replace("self_attn.k_norm", "attn_k_norm")
        .replace("input_layernorm", "attn_norm")
        .replace("post_attention_layernorm", "ffn_norm");
    let name = name.replace("mlp.", "ffn_").replace("self_attn.", "attn_").replace("_proj", "");
    let heads = match (architecture, name.contains("attn_q."), name.contains("attn_k.")) {
        ("llama", true, _) => heads,
        ("llama", _, true) => kv_heads,
        _ => return (name, tensor.clone()),
    };
    let (rows, columns) = tensor.dims2().unwrap();
    let halves = tensor.reshape((heads, 2, rows / heads / 2, columns)).unwrap();
    (name, halves.transpose(1, 2).unwrap().contiguous().unwrap().reshape((rows, columns)).unwrap())
}

/// Writes a fixture as a GGUF file.
fn write(fixture: &Path, architecture: &str, dtype: GgmlDType, out: &Path) {
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(fixture.join("config.json")).unwrap()).unwrap();
    let number = |key: &str| config[key].as_u64().unwrap() as u32;
    let (heads, kv_heads) = (number("num_attention_heads"), number("num_key_value_heads"));
    let theta = config["rope_parameters"]["rope_theta"].as_f64().unwrap() as f32;
    let mut metadata = vec![("general.architecture".to_owned(), Value::String(architecture.to_owned()))];
    for (key, value) in [
        ("embedding_length", Value::U32(number("hidden_size"))),
        ("feed_forward_length", Value::U32(number("intermediate_size"))),
        ("block_count", Value::U32(number("num_hidden_layers"))),
        ("attention.head_count", Value::U32(heads)),
        ("attention.head_count_kv", Value::U32(kv_heads)),
        ("context_length", Value::U32(number("max_position_embeddings"))),
        ("attention.layer_norm_rms_epsilon", Value::F32(config["rms_norm_eps"].as_f64().unwrap() as f32)),
        ("rope.freq_base", Value::F32(theta)),
    ] {
        metadata.push((format!("{architecture}.{key}"), value));
    }
    if let Some(width) = config["head_dim"].as_u64() {
        metadata.push((format!("{architecture}.attention.key_length"), Value::U32(width as u32)));
    }
    let stored = candle_core::safetensors::load(fixture.join("model.safetensors"), &Device::Cpu).unwrap();
    let tensors: Vec<(String, QTensor)> = stored
        .iter()
        .map(|(name, tensor)| {
            let wide = tensor.to_dtype(DType::F32).unwrap();
            let (name, wide) = converted(name, &wide, architecture, heads as usize, kv_heads as usize);
            let whole = wide.dims().len() == 2 && wide.dim(1).unwrap().is_multiple_of(dtype.block_size());
            let kind = if whole && !name.starts_with("token_embd") { dtype } else { GgmlDType::F32 };
            (name, QTensor::quantize(&wide, kind).unwrap())
        })
        .collect();
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (key.as_str(), value)).collect();
    let tensors: Vec<(&str, &QTensor)> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
    let mut file = std::fs::File::create(out).unwrap();
    gguf_file::write(&mut file, &metadata, &tensors).unwrap();
}

fn score(source: &ModelSource, tokens: &[TokenId]) -> Vec<Distribution> {
    let mut engine = Engine::load(source, &EngineOptions::default()).unwrap();
    let sequence = engine.open(&[]).unwrap();
    engine.extend(&[Extension { sequence, tokens, wanted: Wanted::All }]).unwrap().remove(0)
}

/// Mean difference of the log-probabilities of the tokens that follow.
fn difference(a: &[Distribution], b: &[Distribution], tokens: &[TokenId]) -> f64 {
    let each =
        tokens[1..].iter().zip(a.iter().zip(b)).map(|(&token, (a, b))| (a.log_prob(token) - b.log_prob(token)).abs());
    each.sum::<f64>() / (tokens.len() - 1) as f64
}

#[test]
fn a_gguf_file_scores_as_the_checkpoint_it_was_made_from() {
    let folder = tempfile::tempdir().unwrap();
    let tokens: Vec<TokenId> = (0..90).map(|at| TokenId(at * 37 % 119)).collect();
    for (name, architecture) in [("llama-dynamic-rope-bf16", "llama"), ("qwen2-bf16", "qwen2"), ("qwen3-bf16", "qwen3")]
    {
        let stored = score(&ModelSource::Folder(fixture(name)), &tokens);
        for (dtype, most) in [(GgmlDType::F32, 1e-6), (GgmlDType::BF16, 1e-6), (GgmlDType::Q8_0, 0.1)] {
            let path = folder.path().join(format!("{name}-{dtype:?}.gguf"));
            write(&fixture(name), architecture, dtype, &path);
            let source = ModelSource::parse(path.to_str().unwrap()).unwrap();
            let difference = difference(&stored, &score(&source, &tokens), &tokens);
            println!("{name} {dtype:?}: {difference:.1e}");
            assert!(difference < most, "{name} {dtype:?}: {difference}");
        }
    }
}

#[test]
fn an_architecture_that_is_not_read_from_gguf_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let metadata = [("general.architecture", &Value::String("mamba".to_owned()))];
    gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &[]).unwrap();
    let error = Engine::load(&ModelSource::Gguf(path), &EngineOptions::default()).err().unwrap().to_string();
    assert!(error.contains("`mamba`") && error.contains("llama, qwen2, qwen3"), "{error}");
}

#[test]
fn a_truncated_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    write(&fixture("qwen2-bf16"), "qwen2", GgmlDType::F32, &path);
    let bytes = std::fs::read(&path).unwrap();
    for length in [0, 3, 40, 500, bytes.len() / 2, bytes.len() - 5] {
        std::fs::write(&path, &bytes[..length]).unwrap();
        assert!(Engine::load(&ModelSource::Gguf(path.clone()), &EngineOptions::default()).is_err(), "{length} bytes");
    }
}

/// The folder of real tokenizers, where there is one.
fn real(name: &str) -> Option<PathBuf> {
    let shared = std::env::var_os("GAC_SHARED")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared"), PathBuf::from);
    Some(shared.join("tokenizers").join(name)).filter(|folder| folder.join("tokenizer.json").is_file())
}

/// Writes the metadata that the converter makes of a `tokenizer.json`.
fn write_tokenizer(json: &serde_json::Value, pre: Option<&str>, out: &Path) {
    let vocabulary: HashMap<String, u64> = serde_json::from_value(json["model"]["vocab"].clone()).unwrap();
    let added = json["added_tokens"].as_array().unwrap();
    let rows =
        vocabulary.values().copied().chain(added.iter().map(|token| token["id"].as_u64().unwrap())).max().unwrap() + 1;
    let mut tokens: Vec<String> = (0..rows).map(|id| format!("[unused{id}]")).collect();
    let mut kinds = vec![5i32; rows as usize];
    for (piece, &id) in &vocabulary {
        tokens[id as usize].clone_from(piece);
        kinds[id as usize] = if pre.is_none() && piece.starts_with("<0x") { 6 } else { 1 };
    }
    for token in added {
        let id = token["id"].as_u64().unwrap() as usize;
        token["content"].as_str().unwrap().clone_into(&mut tokens[id]);
        kinds[id] = if token["special"] == true { 3 } else { 4 };
    }
    let texts = |texts: Vec<String>| Value::Array(texts.into_iter().map(Value::String).collect());
    let mut metadata = vec![
        ("tokenizer.ggml.token_type", Value::Array(kinds.into_iter().map(Value::I32).collect())),
        ("tokenizer.ggml.add_bos_token", Value::Bool(false)),
    ];
    #[allow(clippy::single_match_else, reason = "two kinds of tokenizer")]
    match pre {
        Some(pre) => {
            let merges = json["model"]["merges"].as_array().unwrap().iter().map(|merge| match merge.as_str() {
                Some(text) => text.to_owned(),
                None => format!("{} {}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()),
            });
            metadata.push(("tokenizer.ggml.model", Value::String("gpt2".to_owned())));
            metadata.push(("tokenizer.ggml.pre", Value::String(pre.to_owned())));
            metadata.push(("tokenizer.ggml.merges", texts(merges.collect())));
        }
        None => {
            metadata.push(("tokenizer.ggml.model", Value::String("llama".to_owned())));
            metadata.push(("tokenizer.ggml.unknown_token_id", Value::U32(0)));
            // A piece's score is its place among the merges; pieces that nothing is merged to are never preferred.
            let mut scores = vec![-1e9f32; rows as usize];
            for (rank, merge) in json["model"]["merges"].as_array().unwrap().iter().enumerate() {
                let piece = match merge.as_str() {
                    Some(text) => text.replacen(' ', "", 1),
                    None => format!("{}{}", merge[0].as_str().unwrap(), merge[1].as_str().unwrap()),
                };
                let score = &mut scores[vocabulary[&piece] as usize];
                *score = score.max(-(rank as f32));
            }
            let scores = scores.into_iter().map(Value::F32).collect();
            metadata.push(("tokenizer.ggml.scores", Value::Array(scores)));
        }
    }
    metadata.push(("tokenizer.ggml.tokens", texts(tokens)));
    let metadata: Vec<(&str, &Value)> = metadata.iter().map(|(key, value)| (*key, value)).collect();
    gguf_file::write(&mut std::fs::File::create(out).unwrap(), &metadata, &[]).unwrap();
}

#[test]
fn the_tokenizer_of_a_gguf_file_is_the_one_it_was_made_from() {
    let texts = [
        "The quick brown fox's 12345 jumps, isn't it?\n\n\tOver  the lazy dog.",
        " Ωμέγα und Straße, 東京 🦀🦀 \u{200d}e\u{301}",
        "def f(x):\n    return x**2  # comment\r\n",
        "",
        "x",
    ];
    let folder = tempfile::tempdir().unwrap();
    let mut compared = 0;
    for (name, pre) in [
        ("llama-3.2-3b-instruct", Some("llama-bpe")),
        ("qwen2.5-7b-instruct", Some("qwen2")),
        ("mistral-7b-instruct-v0.2", None),
        ("phi-3-mini-4k-instruct", None),
    ] {
        let Some(real) = real(name) else { continue };
        let json: serde_json::Value =
            serde_json::from_slice(&std::fs::read(real.join("tokenizer.json")).unwrap()).unwrap();
        let path = folder.path().join(format!("{name}.gguf"));
        write_tokenizer(&json, pre, &path);
        let made = Tokenizer::load(&ModelSource::Gguf(path), None).unwrap();
        let original = Tokenizer::load(&ModelSource::Folder(real), None).unwrap();
        for text in texts {
            let encode = |tokenizer: &Tokenizer| tokenizer.encoder().encode_without_special(text).unwrap();
            assert_eq!(encode(&made), encode(&original), "{name}: {text:?}");
        }
        compared += 1;
    }
    println!("{compared} real tokenizers compared");
}
