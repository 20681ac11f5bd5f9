//! `config.json` in the ways in which it is written, right and wrong.

use serde_json::Value;

use super::rope::RopeScaling;
use super::{DecoderConfig, MlpConfig};
use crate::checkpoint::error::CheckpointError;

const BASE: &str = r#""architectures": ["XForCausalLM"], "vocab_size": 100, "hidden_size": 64,
    "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2"#;

fn parse(extra: &str) -> Result<DecoderConfig, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, format!("{{{BASE}, {extra}}}")).unwrap();
    DecoderConfig::load(&path)
}

fn windows(config: &DecoderConfig) -> Vec<Option<usize>> {
    config.layers.iter().map(|layer| layer.window).collect()
}
#[test]
fn both_styles_of_rope_settings_mean_the_same() {
    let v4 = parse(
        r#""model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 8192, "rope_scaling":
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 8192}"#,
    )
    .unwrap();
    let v5 = parse(
        r#""model_type": "llama", "max_position_embeddings": 8192, "rope_parameters":
        {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
         "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#,
    )
    .unwrap();
    assert_eq!(v4, v5);
    assert!((v4.ropes[0].theta - 500_000.0).abs() < f64::EPSILON);
}

#[test]
fn the_old_name_of_the_rope_type_is_read() {
    let config = parse(r#""model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2.0}"#).unwrap();
    assert_eq!(config.ropes[0].scaling, RopeScaling::Linear { factor: 2.0 });
}

#[test]
fn an_unknown_architecture_is_named_with_those_that_are_known() {
    let error = parse(r#""model_type": "mamba""#).unwrap_err().to_string();
    assert!(error.contains("`mamba`") && error.contains("llama, mistral, mixtral"), "{error}");
}

#[test]
fn qwen2_layers_have_a_window_only_from_max_window_layers_on() {
    let config =
        parse(r#""model_type": "qwen2", "use_sliding_window": true, "sliding_window": 16, "max_window_layers": 1"#)
            .unwrap();
    assert_eq!(windows(&config), [None, Some(16)]);
    let off = parse(r#""model_type": "qwen2", "use_sliding_window": false, "sliding_window": 16"#).unwrap();
    assert_eq!(windows(&off), [None, None]);
    assert!(off.biases.qkv && !off.biases.out);
}

#[test]
fn impossible_fields_are_named() {
    for (extra, field) in [
        (r#""model_type": "llama", "head_dim": 7"#, "head_dim"),
        (r#""model_type": "llama", "hidden_act": "tanh""#, "hidden_act"),
        (r#""model_type": "mistral", "sliding_window": 0"#, "sliding_window"),
        (r#""model_type": "llama", "rope_scaling": {"rope_type": "spiral"}"#, "rope_scaling"),
        (r#""model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 0}"#, "rope_scaling"),
    ] {
        let error = parse(extra).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }
}

fn read(text: &str) -> Result<DecoderConfig, CheckpointError> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    DecoderConfig::load(&path)
}

#[test]
fn configurations_in_the_wild_say_what_transformers_reads() {
    let text = include_str!("../../../tests/configs.json");
    let entries: Vec<Value> = serde_json::from_str(text).unwrap();
    assert!(entries.len() > 120);
    for entry in &entries {
        let name = entry["name"].as_str().unwrap();
        let said = &entry["said"];
        let config = read(entry["text"].as_str().unwrap()).unwrap_or_else(|error| panic!("{name}: {error}"));
        let sizes = [config.vocabulary, config.heads, config.kv_heads, config.head_dim, config.context];
        let expected =
            ["vocabulary", "heads", "kv_heads", "head_dim", "context"].map(|name| said[name].as_u64().unwrap());
        assert_eq!(sizes.map(|size| size as u64), expected, "{name}");
        assert_eq!(Some(config.norm.epsilon), said["epsilon"].as_f64(), "{name}");
        assert_eq!(serde_json::to_value(windows(&config)).unwrap(), said["windows"], "{name}");
        let thetas: Vec<f64> = config.ropes.iter().map(|rope| rope.theta).collect();
        let numbers = |name: &str| said[name].as_array().unwrap().iter().map(Value::as_f64).collect::<Option<Vec<_>>>();
        assert_eq!(Some(thetas), numbers("theta"), "{name}");
        let widths: Vec<usize> = config.ropes.iter().map(|rope| rope.width).collect();
        assert_eq!(serde_json::to_value(widths).unwrap(), said["rotated"], "{name}");
        let scalings: Vec<&str> = config
            .ropes
            .iter()
            .map(|rope| match rope.scaling {
                RopeScaling::None => "default",
                RopeScaling::Linear { .. } => "linear",
                RopeScaling::Llama3 { .. } => "llama3",
                RopeScaling::Yarn { .. } => "yarn",
                RopeScaling::Long { .. } => "longrope",
                RopeScaling::Divided { .. } => "divided",
            })
            .collect();
        assert_eq!(serde_json::to_value(scalings).unwrap(), said["scaling"], "{name}");
        let caps = [config.caps.attention, config.caps.logits];
        let expected = [0, 1].map(|at| said["caps"][at].as_f64().filter(|_| config.caps != super::Caps::default()));
        assert_eq!(caps, expected, "{name}");
        let experts = config.layers.iter().find_map(|layer| match &layer.mlp {
            MlpConfig::Experts(experts) => Some(experts.experts as u64),
            _ => None,
        });
        assert_eq!(experts, said["experts"].as_u64(), "{name}");
        let unplaced = config.layers.iter().zip(0..).filter(|(layer, _)| layer.rope.is_none());
        let unplaced: Vec<usize> = unplaced.map(|(_, index)| index).collect();
        assert_eq!(serde_json::to_value(unplaced).unwrap(), said["no_positions"], "{name}");
    }
}

#[test]
fn a_byte_order_mark_and_whole_floats_are_no_obstacle() {
    let sizes = r#""vocab_size": 100.0, "hidden_size": 64.0, "intermediate_size": 128, "num_hidden_layers": 2.0"#;
    let config =
        read(&format!("\u{feff}{{\"model_type\": \"llama\", \"num_attention_heads\": 4.0, {sizes}}}")).unwrap();
    assert_eq!((config.vocabulary, config.layers.len(), config.heads), (100, 2, 4));
}

#[test]
fn wrong_fields_are_named_with_their_file_their_value_and_what_would_be_valid() {
    for (extra, said) in [
        (r#""num_attention_heads": "4""#, "`num_attention_heads` in `"),
        (r#""num_attention_heads": "4""#, r#"is "4", must be a whole number"#),
        (r#""head_dim": 16.5"#, "`head_dim` in"),
        (r#""rope_theta": NaN"#, "has a `rope_theta` that is NaN, must be a number"),
        (r#""rope_theta": -Infinity"#, "is -Infinity, must be a number"),
        (r#""rms_norm_eps": "1e-6""#, r#"is "1e-6", must be a number"#),
        (r#""tie_word_embeddings": 1"#, "is 1, must be true or false"),
        (r#""attention_bias": "false""#, r#"is "false", must be true or false"#),
        (r#""hidden_act": 3"#, "is 3, must be a text"),
        (r#""rope_scaling": "linear""#, r#"is "linear", must be an object"#),
        (r#""rope_scaling": {"type": "linear", "factor": "2"}"#, r#"has a `factor` that is "2", must be a number"#),
        (r#""rope_scaling": {"type": "linear", "rope_type": "yarn", "factor": 2}"#, "does not agree"),
        (
            r#""rope_theta": 5.0, "rope_parameters": {"rope_theta": 6.0}"#,
            "`rope_theta` 5.0, but `rope_theta` 6.0 in `rope_parameters`",
        ),
        (
            r#""rope_scaling": {"type": "linear", "factor": 2}, "rope_parameters": {"rope_type": "linear", "factor": 4}"#,
            "`factor` 2 in `rope_scaling`, but `factor` 4 in `rope_parameters`",
        ),
        (
            r#""rope_scaling": {"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}"#,
            "must be above `low_freq_factor`",
        ),
        (
            r#""layer_types": ["full_attention", "linear_attention"]"#,
            "must be a list of `full_attention` and `sliding_attention`",
        ),
        (r#""num_experts": 4, "num_local_experts": 8"#, "is 4, but `num_local_experts`, its other name, is 8"),
        (r#""use_bidirectional_attention": true"#, "it is an encoder"),
        (r#""quantization_config": {"quant_method": "gptq"}"#, "quantised (GPTQ)"),
    ] {
        let error = parse(&format!(r#""model_type": "llama", {extra}"#)).unwrap_err();
        assert!(error.to_string().contains(said) && error.to_string().contains("config.json`"), "{extra}: {error}");
        assert!(!matches!(error, CheckpointError::Unreadable { .. }), "{extra}");
    }
    let error = parse(r#""model_type": "qwen2", "layer_types": ["full_attention"]"#).unwrap_err().to_string();
    assert!(error.contains("`layer_types`") && error.contains("`num_hidden_layers` is 2"), "{error}");
    let error = read(r#"{"model_type": "llama", "hidden_size": 64, "num_hidden_layers": 2}"#).unwrap_err().to_string();
    assert!(error.contains("`intermediate_size`") && error.contains("is missing"), "{error}");
}

#[test]
fn only_a_file_that_is_no_json_is_called_damaged() {
    for text in ["{\"model_type\": \"llama\"", "[1, 2]", "{\"a\": 01}"] {
        let error = read(text).unwrap_err();
        assert!(matches!(error, CheckpointError::Unreadable { .. }), "{error}");
    }
    let error = read("").unwrap_err();
    assert!(error.to_string().ends_with("config.json` is empty"), "{error}");
}
