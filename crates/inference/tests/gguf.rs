//! GGUF files give what the checkpoint gives that they were made from. The files are written here, as llama.cpp's
//! converter writes them.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{self, Value};
use gac_inference::{
    ChatError, ChatMessage, ChatTemplate, Conversation, Distribution, Engine, EngineOptions, Extension, LanguageModel,
    ModelSource, Role, TemplateChoice, TokenId, UnixTime, Wanted,
};

mod convert;

use convert::{relayered, write};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
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

/// Compares what a checkpoint and GGUF files made of it score.
fn compare(name: &str, checkpoint: &Path, architecture: &str) {
    let folder = tempfile::tempdir().unwrap();
    let tokens: Vec<TokenId> = (0..90).map(|at| TokenId(at * 37 % 119)).collect();
    let stored = score(&ModelSource::Folder(checkpoint.to_owned()), &tokens);
    for (dtype, most) in [(GgmlDType::F32, 2e-6), (GgmlDType::BF16, 2e-6), (GgmlDType::Q8_0, 0.25)] {
        let path = folder.path().join(format!("{name}-{dtype:?}.gguf"));
        write(checkpoint, architecture, dtype, &path);
        let source = ModelSource::parse(path.to_str().unwrap()).unwrap();
        let difference = difference(&stored, &score(&source, &tokens), &tokens);
        assert!(difference < most, "{name} {dtype:?}: {difference}");
    }
}

#[test]
fn a_gguf_file_scores_as_the_checkpoint_it_was_made_from() {
    for (name, architecture) in [
        ("cohere-bf16", "command-r"),
        ("cohere-norms-bf16", "command-r"),
        ("gemma-bf16", "gemma"),
        ("glm4-bf16", "glm4"),
        ("gpt-neox-bf16", "gptneox"),
        ("gpt-neox-sequential-bf16", "gptneox"),
        ("granite-bf16", "granite"),
        ("internlm2-bf16", "internlm2"),
        ("llama-dynamic-rope-bf16", "llama"),
        ("mixtral-bf16", "llama"),
        ("olmo2-bf16", "olmo2"),
        ("phi3-longrope-bf16", "phi3"),
        ("phi3-partial-window-bf16", "phi3"),
        ("qwen2-bf16", "qwen2"),
        ("qwen3-bf16", "qwen3"),
        ("qwen3-moe-bf16", "qwen3moe"),
        ("stablelm-bf16", "stablelm"),
        ("stablelm-parallel-norms-bf16", "stablelm"),
        ("starcoder2-bf16", "starcoder2"),
    ] {
        compare(name, &fixture(name), architecture);
    }
}

#[test]
fn what_a_gguf_file_does_not_say_is_what_the_architecture_means() {
    // Scores are scaled by the width of a head.
    let gemma2 = relayered(&fixture("gemma2-bf16"), &[0, 1], |config| config["query_pre_attn_scalar"] = 12.into());
    compare("gemma2", gemma2.path(), "gemma2");
    // Every sixth layer sees everything.
    let gemma3 = relayered(&fixture("gemma3-bf16"), &[0, 1, 0, 1, 0, 1], |config| {
        config["query_pre_attn_scalar"] = 12.into();
        config["layer_types"] =
            (1..=6).map(|at| if at == 6 { "full_attention" } else { "sliding_attention" }).collect();
    });
    compare("gemma3", gemma3.path(), "gemma3");
    // Every layer has experts.
    let qwen2_moe = relayered(&fixture("qwen2-moe-bf16"), &[1, 1], |config| {
        config["mlp_only_layers"] = Vec::<u64>::new().into();
    });
    compare("qwen2-moe", qwen2_moe.path(), "qwen2moe");
}

#[test]
fn a_file_with_any_value_of_its_metadata_changed_loads_or_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let odd = [
        Value::U32(0),
        Value::U32(3),
        Value::U32(u32::MAX),
        Value::F32(f32::NAN),
        Value::F32(-1e30),
        Value::String("x".to_owned()),
        Value::Array(Vec::new()),
    ];
    for (name, architecture) in
        [("qwen3-moe-bf16", "qwen3moe"), ("phi3-longrope-bf16", "phi3"), ("gemma3-bf16", "gemma3")]
    {
        write(&fixture(name), architecture, GgmlDType::F32, &path);
        let mut file = std::fs::File::open(&path).unwrap();
        let content = gguf_file::Content::read(&mut file).unwrap();
        let tensors: Vec<(String, _)> = content
            .tensor_infos
            .keys()
            .map(|name| (name.clone(), content.tensor(&mut file, name, &Device::Cpu).unwrap()))
            .collect();
        let tensors: Vec<_> = tensors.iter().map(|(name, tensor)| (name.as_str(), tensor)).collect();
        for changed in content.metadata.keys() {
            for value in &odd {
                let other = |key: &String| if key == changed { value.clone() } else { content.metadata[key].clone() };
                let metadata: Vec<_> = content.metadata.keys().map(|key| (key.as_str(), other(key))).collect();
                let metadata: Vec<_> = metadata.iter().map(|(key, value)| (*key, value)).collect();
                gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &tensors).unwrap();
                let options = EngineOptions { cache_bytes: 1 << 20, ..EngineOptions::default() };
                let Ok(mut engine) = Engine::load(&ModelSource::Gguf(path.clone()), &options) else { continue };
                let sequence = engine.open(&[]).unwrap();
                let tokens = [TokenId(1), TokenId(2), TokenId(3)];
                let _ = engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::All }]);
            }
        }
    }
}

#[test]
fn the_chat_template_of_a_gguf_file_is_its_metadata() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let text = |text: &str| Value::String(text.to_owned());
    let template =
        text("{{ bos_token }}{% for m in messages %}[{{ m.role }}] {{ m.content }}{% endfor %}{{ eos_token }}");
    let tokens = Value::Array(["<s>", "a", "</s>"].map(text).to_vec());
    let (begin, end) = (Value::U32(0), Value::U32(2));
    let metadata = [
        ("tokenizer.chat_template", &template),
        ("tokenizer.ggml.tokens", &tokens),
        ("tokenizer.ggml.bos_token_id", &begin),
        ("tokenizer.ggml.eos_token_id", &end),
    ];
    let messages = Conversation::from(vec![ChatMessage::new(Role::User, "Hi")]);
    let load = |metadata: &[(&str, &Value)]| {
        gguf_file::write(&mut std::fs::File::create(&path).unwrap(), metadata, &[]).unwrap();
        ChatTemplate::load(&ModelSource::Gguf(path.clone()), None)
    };
    let named = |name: &str| Some(TemplateChoice::Name(name.to_owned()));
    let shown = load(&metadata).unwrap().render(&messages, UnixTime::now()).unwrap();
    assert_eq!(shown, "<s>[user] Hi</s>");
    assert!(matches!(load(&metadata[1..]), Err(ChatError::NoTemplate { .. })));

    let (names, rag) = (Value::Array(vec![text("rag")]), text("{{ eot_token }}:{{ messages[0].content }}"));
    let more = [
        ("tokenizer.chat_templates", &names),
        ("tokenizer.chat_template.rag", &rag),
        ("tokenizer.ggml.eot_token_id", &end),
    ];
    assert_eq!(load(&[&metadata[..], &more].concat()).unwrap().render(&messages, UnixTime(0)).unwrap(), shown);
    let picked = ChatTemplate::load(&ModelSource::Gguf(path.clone()), named("rag").as_ref()).unwrap();
    assert_eq!(picked.render(&messages, UnixTime(0)).unwrap(), "</s>:Hi");
    let error = ChatTemplate::load(&ModelSource::Gguf(path.clone()), named("chat").as_ref()).unwrap_err();
    assert!(error.to_string().contains("default, rag"), "{error}");
}

#[test]
fn an_architecture_that_is_not_read_from_gguf_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.gguf");
    let metadata = [("general.architecture", &Value::String("mamba".to_owned()))];
    gguf_file::write(&mut std::fs::File::create(&path).unwrap(), &metadata, &[]).unwrap();
    let error = Engine::load(&ModelSource::Gguf(path), &EngineOptions::default()).err().unwrap().to_string();
    assert!(error.contains("`mamba`") && error.contains("llama, olmo2, phi3, qwen2, qwen2moe"), "{error}");
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
