//! The architectures that the decoder runs: each is what it changes of a Llama.

use std::path::Path;

use super::decoder::{
    Activation, Biases, Block, Caps, DecoderConfig, Multipliers, Names, NormConfig, NormKind, QueryKeyNorm,
};
use super::raw::{Kind, Problem, RawConfig};
use super::rope::{self, RopeScaling, RopeStyle};
use crate::checkpoint::files::{CheckpointError, read_json};
use crate::checkpoint::gguf::Gguf;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Cohere,
    Gemma,
    Gemma2,
    Gemma3,
    Glm,
    Glm4,
    GptNeoX,
    Granite,
    InternLm2,
    Llama,
    Mistral,
    Mixtral,
    Olmo2,
    Phi3,
    Qwen2,
    Qwen2Moe,
    Qwen3,
    Qwen3Moe,
    SmolLm3,
    StableLm,
    StarCoder2,
}

/// `model_type` and family, in alphabetical order.
const ALL: [(&str, Family); 21] = [
    ("cohere", Family::Cohere),
    ("gemma", Family::Gemma),
    ("gemma2", Family::Gemma2),
    ("gemma3_text", Family::Gemma3),
    ("glm", Family::Glm),
    ("glm4", Family::Glm4),
    ("gpt_neox", Family::GptNeoX),
    ("granite", Family::Granite),
    ("internlm2", Family::InternLm2),
    ("llama", Family::Llama),
    ("mistral", Family::Mistral),
    ("mixtral", Family::Mixtral),
    ("olmo2", Family::Olmo2),
    ("phi3", Family::Phi3),
    ("qwen2", Family::Qwen2),
    ("qwen2_moe", Family::Qwen2Moe),
    ("qwen3", Family::Qwen3),
    ("qwen3_moe", Family::Qwen3Moe),
    ("smollm3", Family::SmolLm3),
    ("stablelm", Family::StableLm),
    ("starcoder2", Family::StarCoder2),
];

/// The values of `model_type` that the decoder runs.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|(name, _)| *name)
}

impl DecoderConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// An unknown architecture (naming those that are known), or a field that is missing or out of range.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let kind: Kind = read_json(path)?;
        Self::of_kind(kind, path, || read_json(path))
    }

    /// The configuration of a GGUF file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn of_gguf(gguf: &Gguf) -> Result<Self, CheckpointError> {
        let config = gguf.config()?;
        let unreadable = |source: serde_json::Error| CheckpointError::Unreadable {
            path: gguf.path().display().to_string(),
            reason: source.to_string(),
        };
        let kind = serde_json::from_value(config.clone()).map_err(unreadable)?;
        let mut decoder =
            Self::of_kind(kind, gguf.path(), || serde_json::from_value(config.clone()).map_err(unreadable))?;
        let family = gguf.family()?;
        decoder.names = Names::of_gguf(family.architecture);
        decoder.tied_embeddings = None;
        if decoder.norm.kind == NormKind::RmsFromOne {
            // The converter adds the one.
            decoder.norm.kind = NormKind::Rms;
        }
        for rope in &mut decoder.ropes {
            rope.style = family.style.unwrap_or(rope.style);
            let divisors =
                gguf.values("rope_freqs.weight").map_err(|e| gguf.problem("rope_freqs.weight", e.to_string()))?;
            if let Some(divisors) = divisors {
                if divisors.len() != rope.width / 2 {
                    let problem = format!("has {} values, must have {}", divisors.len(), rope.width / 2);
                    return Err(gguf.problem("rope_freqs.weight", problem));
                }
                rope.scaling = RopeScaling::Divided { by: divisors };
            }
        }
        Ok(decoder)
    }

    fn of_kind(
        kind: Kind,
        path: &Path,
        read: impl Fn() -> Result<RawConfig, CheckpointError>,
    ) -> Result<Self, CheckpointError> {
        let name = kind.model_type.unwrap_or_default();
        let Some(&(_, family)) = ALL.iter().find(|(known, _)| *known == name) else {
            return Err(CheckpointError::UnknownArchitecture {
                name: if name.is_empty() { "(no `model_type`)".to_owned() } else { name },
                path: path.display().to_string(),
                known: architectures().collect(),
            });
        };
        resolve(family, &read()?).map_err(|(field, problem)| CheckpointError::Config {
            field,
            path: path.display().to_string(),
            problem,
        })
    }
}

fn resolve(family: Family, raw: &RawConfig) -> Result<DecoderConfig, Problem> {
    check_sizes(raw)?;
    let heads = raw.num_attention_heads;
    let kv_heads = raw.num_key_value_heads.unwrap_or_else(|| family.default_kv_heads(heads));
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(("num_key_value_heads", format!("is {kv_heads}, must divide the {heads} attention heads")));
    }
    let head_dim = raw.head_dim.unwrap_or_else(|| family.default_head_dim(raw.hidden_size / heads));
    if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > 1 << 16 {
        return Err(("head_dim", format!("is {head_dim}, must be even and positive")));
    }
    let context = raw.max_position_embeddings.unwrap_or(2048);
    if context == 0 {
        return Err(("max_position_embeddings", "is 0, must be positive".to_owned()));
    }
    let layers = family.layers(raw)?;
    if layers.iter().any(|layer| layer.window == Some(0)) {
        return Err(("sliding_window", "is 0, must be positive or null".to_owned()));
    }
    let style = match family {
        Family::Cohere | Family::Glm | Family::Glm4 => RopeStyle::Pairs,
        _ => RopeStyle::Halves,
    };
    let default_theta = if family == Family::Gemma3 { 1_000_000.0 } else { 10_000.0 };
    let full = rope::resolve(raw, "full_attention", head_dim, style, default_theta)?;
    let sliding = rope::resolve(raw, "sliding_attention", head_dim, style, 10_000.0)?;
    let norm = NormConfig { kind: family.norm(), epsilon: family.epsilon(raw) };
    if !(norm.epsilon.is_finite() && norm.epsilon >= 0.0) {
        return Err(("rms_norm_eps", format!("is {}, must be a small positive number", norm.epsilon)));
    }
    Ok(DecoderConfig {
        vocabulary: raw.vocab_size,
        hidden: raw.hidden_size,
        heads,
        kv_heads,
        head_dim,
        layers,
        norm,
        block: family.block(raw),
        query_key_norm: family.query_key_norm(raw),
        ropes: if family == Family::Gemma3 { vec![full, sliding] } else { vec![full] },
        biases: family.biases(raw),
        activation: family.activation(raw)?,
        attention_scale: family.attention_scale(raw, head_dim),
        caps: family.caps(raw)?,
        multipliers: family.multipliers(raw),
        tied_embeddings: raw.tie_word_embeddings.or_else(|| family.default_tied()),
        context,
        names: family.names(),
    })
}

fn check_sizes(raw: &RawConfig) -> Result<(), Problem> {
    for (field, value, most) in [
        ("vocab_size", raw.vocab_size, 1 << 24),
        ("hidden_size", raw.hidden_size, 1 << 20),
        ("intermediate_size", raw.intermediate_size, 1 << 24),
        ("num_hidden_layers", raw.num_hidden_layers, 4096),
        ("num_attention_heads", raw.num_attention_heads, 1 << 16),
    ] {
        if value == 0 || value > most {
            return Err((field, format!("is {value}, must be within 1..={most}")));
        }
    }
    Ok(())
}

impl Family {
    /// transformers' default where `num_key_value_heads` is absent.
    fn default_kv_heads(self, heads: usize) -> usize {
        match self {
            Self::Mistral | Self::Mixtral => 8,
            Self::Qwen2 | Self::Qwen3 => 32,
            Self::Qwen2Moe => 16,
            Self::Qwen3Moe => 4,
            Self::StarCoder2 => 2,
            _ => heads,
        }
    }

    /// transformers' default where `head_dim` is absent, mostly `hidden / heads`.
    fn default_head_dim(self, quotient: usize) -> usize {
        match self {
            Self::Gemma | Self::Gemma2 | Self::Gemma3 => 256,
            Self::Qwen3 | Self::Qwen3Moe | Self::Glm | Self::Glm4 => 128,
            _ => quotient,
        }
    }

    fn default_tied(self) -> Option<bool> {
        matches!(self, Self::Cohere | Self::Gemma | Self::Gemma2 | Self::Gemma3 | Self::StarCoder2).then_some(true)
    }

    fn norm(self) -> NormKind {
        match self {
            Self::Gemma | Self::Gemma2 | Self::Gemma3 => NormKind::RmsFromOne,
            Self::GptNeoX | Self::StableLm | Self::StarCoder2 => NormKind::Layer,
            Self::Cohere => NormKind::LayerWithoutBias,
            _ => NormKind::Rms,
        }
    }

    fn epsilon(self, raw: &RawConfig) -> f64 {
        match self {
            Self::Cohere | Self::GptNeoX | Self::StableLm => raw.layer_norm_eps.unwrap_or(1e-5),
            Self::StarCoder2 => raw.norm_epsilon.unwrap_or(1e-5),
            _ => raw.rms_norm_eps.unwrap_or(1e-6),
        }
    }

    fn block(self, raw: &RawConfig) -> Block {
        match self {
            Self::Gemma2 | Self::Gemma3 | Self::Glm4 => Block::Around,
            Self::Olmo2 => Block::After,
            Self::Cohere => Block::Parallel,
            Self::GptNeoX if raw.use_parallel_residual.unwrap_or(true) => Block::ParallelTwoNorms,
            Self::StableLm if raw.use_parallel_residual.unwrap_or(false) => Block::Parallel,
            _ => Block::Before,
        }
    }

    fn query_key_norm(self, raw: &RawConfig) -> QueryKeyNorm {
        match self {
            Self::Qwen3 | Self::Qwen3Moe | Self::Gemma3 => QueryKeyNorm::PerHead,
            Self::Olmo2 => QueryKeyNorm::Whole,
            Self::Cohere if raw.use_qk_norm.unwrap_or(false) => QueryKeyNorm::PerHeadOwnWeights,
            Self::StableLm if raw.qk_layernorm.unwrap_or(false) => QueryKeyNorm::PerHeadOwnWeights,
            _ => QueryKeyNorm::None,
        }
    }

    fn biases(self, raw: &RawConfig) -> Biases {
        let attention = raw.attention_bias.unwrap_or(false);
        let all = |bias| Biases { qkv: bias, out: bias, mlp: bias };
        match self {
            Self::Llama | Self::SmolLm3 | Self::Granite => {
                Biases { qkv: attention, out: attention, mlp: raw.mlp_bias.unwrap_or(false) }
            }
            Self::Gemma | Self::Gemma2 | Self::Gemma3 | Self::Cohere | Self::Olmo2 | Self::Qwen3 | Self::Qwen3Moe => {
                Biases { qkv: attention, out: attention, mlp: false }
            }
            Self::InternLm2 => {
                let bias = raw.bias.unwrap_or(false);
                Biases { qkv: bias, out: bias, mlp: false }
            }
            Self::Qwen2 => Biases { qkv: true, out: false, mlp: false },
            Self::Qwen2Moe => Biases { qkv: raw.qkv_bias.unwrap_or(true), out: false, mlp: false },
            Self::Glm | Self::Glm4 => Biases { qkv: attention, out: false, mlp: false },
            Self::StableLm => Biases { qkv: raw.use_qkv_bias.unwrap_or(false), out: false, mlp: false },
            Self::StarCoder2 => all(raw.use_bias.unwrap_or(true)),
            Self::GptNeoX => {
                let attention = raw.attention_bias.unwrap_or(true);
                Biases { qkv: attention, out: attention, mlp: true }
            }
            Self::Mistral | Self::Mixtral | Self::Phi3 => all(false),
        }
    }

    fn activation(self, raw: &RawConfig) -> Result<Activation, Problem> {
        let (field, name) = match (&raw.hidden_activation, &raw.hidden_act) {
            (Some(name), _) => ("hidden_activation", name.as_str()),
            // Gemma's first configurations say `gelu` and mean the approximation.
            (None, Some(name)) if self == Self::Gemma && name == "gelu" => ("hidden_act", "gelu_pytorch_tanh"),
            (None, Some(name)) => ("hidden_act", name.as_str()),
            (None, None) => match self {
                Self::Gemma | Self::Gemma2 | Self::Gemma3 | Self::StarCoder2 => ("hidden_act", "gelu_pytorch_tanh"),
                Self::GptNeoX => ("hidden_act", "gelu"),
                _ => ("hidden_act", "silu"),
            },
        };
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            other => {
                Err((field, format!("is `{other}`; known are silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh")))
            }
        }
    }

    fn attention_scale(self, raw: &RawConfig, head_dim: usize) -> f64 {
        let usual = 1.0 / (head_dim as f64).sqrt();
        match self {
            Self::Gemma2 | Self::Gemma3 => 1.0 / raw.query_pre_attn_scalar.unwrap_or(256.0).sqrt(),
            Self::Granite => raw.attention_multiplier.unwrap_or(1.0),
            _ => usual,
        }
    }

    fn caps(self, raw: &RawConfig) -> Result<Caps, Problem> {
        let caps = match self {
            Self::Gemma2 | Self::Gemma3 => {
                Caps { attention: raw.attn_logit_softcapping, logits: raw.final_logit_softcapping }
            }
            _ => Caps::default(),
        };
        for (field, cap) in [("attn_logit_softcapping", caps.attention), ("final_logit_softcapping", caps.logits)] {
            if cap.is_some_and(|cap| !(cap.is_finite() && cap > 0.0)) {
                return Err((field, format!("is {}, must be positive or null", cap.unwrap_or_default())));
            }
        }
        Ok(caps)
    }

    fn multipliers(self, raw: &RawConfig) -> Multipliers {
        let mut multipliers = Multipliers { embedding: 1.0, residual: 1.0, logits: 1.0 };
        match self {
            Self::Gemma | Self::Gemma2 | Self::Gemma3 => multipliers.embedding = (raw.hidden_size as f64).sqrt(),
            Self::Cohere => multipliers.logits = raw.logit_scale.unwrap_or(0.0625),
            Self::Granite => {
                multipliers = Multipliers {
                    embedding: raw.embedding_multiplier.unwrap_or(1.0),
                    residual: raw.residual_multiplier.unwrap_or(1.0),
                    logits: 1.0 / raw.logits_scaling.unwrap_or(1.0),
                };
            }
            _ => {}
        }
        multipliers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
