//! The architectures that the decoder runs: each is what it changes of a Llama.

use std::path::Path;

use serde_json::{Map, Value};

use super::decoder::{
    Activation, Biases, Block, Caps, DecoderConfig, Multipliers, Names, NormConfig, NormKind, QueryKeyNorm,
};
use super::fields::Problem;
use super::raw::RawConfig;
use super::rope::{self, RopeScaling, RopeStyle};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::json::read_object;
use crate::checkpoint::multimodal::language_config;
use crate::checkpoint::quantised::refuse_configured;

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
const ALL: [(&str, Family); 22] = [
    ("cohere", Family::Cohere),
    ("gemma", Family::Gemma),
    ("gemma2", Family::Gemma2),
    ("gemma3", Family::Gemma3),
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
    /// An unknown architecture (naming those that are known), quantised weights, or a field that is missing, of another
    /// kind or out of range.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let config = read_object(path)?;
        let family = Family::of(&config, path)?;
        refuse_configured(&config, path)?;
        let config = language_config(config, path)?;
        Self::of(family, &config, path)
    }

    /// The configuration of a GGUF file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn of_gguf(gguf: &Gguf) -> Result<Self, CheckpointError> {
        let config = gguf.config()?;
        let mut decoder = Self::of(Family::of(&config, gguf.path())?, &config, gguf.path())?;
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

    fn of(family: Family, config: &Map<String, Value>, path: &Path) -> Result<Self, CheckpointError> {
        RawConfig::read(config)
            .and_then(|raw| resolve(family, &raw))
            .map_err(|(field, problem)| CheckpointError::Config { field, path: path.display().to_string(), problem })
    }
}

impl Family {
    fn of(config: &Map<String, Value>, path: &Path) -> Result<Self, CheckpointError> {
        let name = config.get("model_type").and_then(Value::as_str).unwrap_or("(no `model_type`)");
        ALL.iter().find(|(known, _)| *known == name).map(|(_, family)| *family).ok_or_else(|| {
            CheckpointError::UnknownArchitecture {
                name: name.to_owned(),
                path: path.display().to_string(),
                known: architectures().collect(),
            }
        })
    }
}

fn resolve(family: Family, raw: &RawConfig) -> Result<DecoderConfig, Problem> {
    let defaults = family.defaults();
    let vocabulary = raw.vocab_size.unwrap_or(defaults.vocabulary);
    let heads = raw.num_attention_heads.unwrap_or(defaults.heads);
    check_sizes(raw, vocabulary, heads)?;
    let kv_heads = raw.num_key_value_heads.or(defaults.kv_heads, None).unwrap_or(heads);
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(("num_key_value_heads", format!("is {kv_heads}, must divide the {heads} attention heads")));
    }
    let head_dim = raw.head_dim.or(defaults.head_dim, None).unwrap_or(raw.hidden_size / heads);
    if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > 1 << 16 {
        return Err(("head_dim", format!("is {head_dim}, must be even and positive")));
    }
    let context = raw.max_position_embeddings.unwrap_or(defaults.context);
    if context == 0 {
        return Err(("max_position_embeddings", "is 0, must be positive".to_owned()));
    }
    if raw.use_bidirectional_attention == Some(true) {
        let problem = "is true: it is an encoder, in which tokens see those after them; it must be false or absent";
        return Err(("use_bidirectional_attention", problem.to_owned()));
    }
    let layers = family.layers(raw)?;
    if layers.iter().any(|layer| layer.window == Some(0)) {
        return Err(("sliding_window", "is 0, must be positive or null".to_owned()));
    }
    let style = match family {
        Family::Cohere | Family::Glm | Family::Glm4 => RopeStyle::Pairs,
        _ => RopeStyle::Halves,
    };
    let ropes = rope::resolve(family, raw, head_dim, context, style)?;
    let norm = NormConfig { kind: family.norm(), epsilon: family.epsilon(raw).unwrap_or(defaults.epsilon) };
    if !(norm.epsilon.is_finite() && norm.epsilon >= 0.0) {
        return Err(("rms_norm_eps", format!("is {}, must be a small positive number", norm.epsilon)));
    }
    Ok(DecoderConfig {
        vocabulary,
        hidden: raw.hidden_size,
        heads,
        kv_heads,
        head_dim,
        layers,
        norm,
        block: family.block(raw),
        query_key_norm: family.query_key_norm(raw),
        ropes,
        biases: family.biases(raw),
        activation: family.activation(raw)?,
        attention_scale: family.attention_scale(raw, head_dim),
        caps: family.caps(raw)?,
        multipliers: family.multipliers(raw),
        tied_embeddings: raw.tie_word_embeddings.or(defaults.tied),
        context,
        names: family.names(),
    })
}

fn check_sizes(raw: &RawConfig, vocabulary: usize, heads: usize) -> Result<(), Problem> {
    for (field, value, most) in [
        ("vocab_size", vocabulary, 1 << 24),
        ("hidden_size", raw.hidden_size, 1 << 20),
        ("intermediate_size", raw.intermediate_size, 1 << 24),
        ("num_hidden_layers", raw.num_hidden_layers, 4096),
        ("num_attention_heads", heads, 1 << 16),
    ] {
        if value == 0 || value > most {
            return Err((field, format!("is {value}, must be within 1..={most}")));
        }
    }
    Ok(())
}

impl Family {
    fn norm(self) -> NormKind {
        match self {
            Self::Gemma | Self::Gemma2 | Self::Gemma3 => NormKind::RmsFromOne,
            Self::GptNeoX | Self::StableLm | Self::StarCoder2 => NormKind::Layer,
            Self::Cohere => NormKind::LayerWithoutBias,
            _ => NormKind::Rms,
        }
    }

    fn epsilon(self, raw: &RawConfig) -> Option<f64> {
        match self {
            Self::Cohere | Self::GptNeoX | Self::StableLm => raw.layer_norm_eps,
            Self::StarCoder2 => raw.norm_epsilon,
            _ => raw.rms_norm_eps,
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
                let bias = raw.bias.unwrap_or(true);
                Biases { qkv: bias, out: bias, mlp: false }
            }
            Self::Qwen2 => Biases { qkv: true, out: false, mlp: false },
            Self::Qwen2Moe => Biases { qkv: raw.qkv_bias.unwrap_or(true), out: false, mlp: false },
            Self::Glm | Self::Glm4 => Biases { qkv: raw.attention_bias.unwrap_or(true), out: false, mlp: false },
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
        let of = |attention, logits| Caps {
            attention: raw.attn_logit_softcapping.or(attention, None),
            logits: raw.final_logit_softcapping.or(logits, None),
        };
        let caps = match self {
            Self::Gemma2 => of(Some(50.0), Some(30.0)),
            Self::Gemma3 => of(None, None),
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
