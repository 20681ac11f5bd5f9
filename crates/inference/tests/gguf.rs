//! GGUF files give what the checkpoint gives that they were made from. The files are written here, as llama.cpp's
//! converter writes them.

#![allow(clippy::unwrap_used, reason = "test code: a panic is a failure")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use candle_core::Device;
use candle_core::quantized::GgmlDType;
use candle_core::quantized::gguf_file::{self, Value};
use gac_inference::{
    ChatError, ChatMessage, ChatTemplate, Conversation, Distribution, Engine, EngineOptions, Extension, LanguageModel,
    ModelSource, Role, TemplateChoice, TokenId, Tokenizer, UnixTime, Wanted,
};
use gac_needs::{folder, needs};

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

#[needs(shared)]
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
    for (name, pre) in [
        ("llama-3.2-3b-instruct", Some("llama-bpe")),
        ("qwen2.5-7b-instruct", Some("qwen2")),
        ("mistral-7b-instruct-v0.2", None),
        ("phi-3-mini-4k-instruct", None),
    ] {
        let real = folder!(shared).join("tokenizers").join(name);
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
    }
}
