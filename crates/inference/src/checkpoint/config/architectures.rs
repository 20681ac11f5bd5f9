//! The architectures that the decoder runs, a row for each.

use super::architecture::{Architecture, Defaults, Mlps, Windows, attention_bias};
use super::decoder::{Biases, Block, Caps, Multipliers, NormKind, QueryKeyNorm};
use super::names::TensorNames;
use super::raw::RawConfig;
use super::rope::RopeStyle;

/// The values of `model_type` that the decoder runs.
pub fn architectures() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|architecture| architecture.name)
}

/// The architecture with a `model_type`.
pub(super) fn find(name: &str) -> Option<&'static Architecture> {
    ALL.iter().find(|architecture| architecture.name == name)
}

const LLAMA: Architecture = Architecture::LLAMA;
const USUAL: Defaults = Defaults::LLAMA;
const NO_BIASES: Biases = Biases { qkv: false, out: false, mlp: false };

/// In alphabetical order.
static ALL: [Architecture; 22] = [
    Architecture {
        name: "cohere",
        defaults: Defaults {
            vocabulary: 256_000,
            heads: 64,
            context: 8192,
            epsilon: 1e-5,
            theta: 500_000.0,
            tied: Some(true),
            ..USUAL
        },
        norm: NormKind::LayerWithoutBias,
        epsilon: |raw| raw.layer_norm_eps,
        block: |_| Block::Parallel,
        query_key_norm: |raw| own_weights(raw.use_qk_norm),
        biases: attention_bias,
        multipliers: |raw| Multipliers { logits: raw.logit_scale.unwrap_or(0.0625), ..Multipliers::ONE },
        rope_style: RopeStyle::Pairs,
        ..LLAMA
    },
    GEMMA,
    Architecture {
        name: "gemma2",
        defaults: Defaults { heads: 8, kv_heads: Some(4), window: Some(4096), ..GEMMA.defaults },
        caps: Some(Caps { attention: Some(50.0), logits: Some(30.0) }),
        windows: Windows::Listed(|_, layer| layer.is_multiple_of(2)),
        ..GEMMA_OF_FOUR_NORMS
    },
    GEMMA3,
    Architecture { name: "gemma3_text", ..GEMMA3 },
    GLM,
    Architecture { name: "glm4", block: |_| Block::Around, names: TensorNames::GLM4, ..GLM },
    Architecture {
        name: "gpt_neox",
        defaults: Defaults { vocabulary: 50_432, heads: 64, epsilon: 1e-5, activation: "gelu", partial: 0.25, ..USUAL },
        norm: NormKind::Layer,
        epsilon: |raw| raw.layer_norm_eps,
        block: |raw| {
            if raw.use_parallel_residual.unwrap_or(true) { Block::ParallelTwoNorms } else { Block::Before }
        },
        biases: |raw| {
            let bias = raw.attention_bias.unwrap_or(true);
            Biases { qkv: bias, out: bias, mlp: true }
        },
        mlp: Mlps::Plain,
        names: TensorNames::GPT_NEOX,
        ..LLAMA
    },
    Architecture {
        name: "granite",
        attention_scale: |raw, _| raw.attention_multiplier.unwrap_or(1.0),
        multipliers: |raw| Multipliers {
            embedding: raw.embedding_multiplier.unwrap_or(1.0),
            residual: raw.residual_multiplier.unwrap_or(1.0),
            logits: 1.0 / raw.logits_scaling.unwrap_or(1.0),
        },
        ..LLAMA
    },
    Architecture {
        name: "internlm2",
        defaults: Defaults { vocabulary: 103_168, ..USUAL },
        biases: |raw| {
            let bias = raw.bias.unwrap_or(true);
            Biases { qkv: bias, out: bias, mlp: false }
        },
        names: TensorNames::INTERNLM2,
        ..LLAMA
    },
    LLAMA,
    Architecture {
        name: "mistral",
        defaults: Defaults { kv_heads: Some(8), context: 131_072, window: Some(4096), ..USUAL },
        biases: |_| NO_BIASES,
        windows: Windows::Every,
        ..LLAMA
    },
    Architecture {
        name: "mixtral",
        defaults: Defaults { kv_heads: Some(8), context: 131_072, epsilon: 1e-5, theta: 1_000_000.0, ..USUAL },
        biases: |_| NO_BIASES,
        windows: Windows::Every,
        mlp: Mlps::Experts,
        names: TensorNames::MIXTRAL,
        ..LLAMA
    },
    Architecture {
        name: "olmo2",
        defaults: Defaults { vocabulary: 50_304, epsilon: 1e-5, ..USUAL },
        block: |_| Block::After,
        query_key_norm: |_| QueryKeyNorm::Whole,
        biases: attention_bias,
        ..LLAMA
    },
    Architecture {
        name: "phi3",
        defaults: Defaults { vocabulary: 32_064, context: 4096, epsilon: 1e-5, ..USUAL },
        biases: |_| NO_BIASES,
        yarn_is_longrope: true,
        windows: Windows::Every,
        names: TensorNames::PHI3,
        ..LLAMA
    },
    QWEN2,
    Architecture {
        name: "qwen2_moe",
        defaults: Defaults { heads: 16, kv_heads: Some(16), ..QWEN2.defaults },
        biases: |raw| Biases { qkv: raw.qkv_bias.unwrap_or(true), ..NO_BIASES },
        windows: Windows::Listed(|raw, layer| layer.is_multiple_of(2) && layer < layers_without_window(raw)),
        mlp: Mlps::SparseExperts { intermediate: 1408, shared: Some(5632) },
        ..QWEN2
    },
    Architecture {
        name: "qwen3",
        defaults: Defaults { head_dim: Some(128), ..QWEN2.defaults },
        query_key_norm: |_| QueryKeyNorm::PerHead,
        biases: attention_bias,
        ..QWEN2
    },
    Architecture {
        name: "qwen3_moe",
        defaults: Defaults { kv_heads: Some(4), ..QWEN2.defaults },
        query_key_norm: |_| QueryKeyNorm::PerHead,
        biases: attention_bias,
        windows: Windows::Every,
        mlp: Mlps::SparseExperts { intermediate: 768, shared: None },
        ..QWEN2
    },
    Architecture {
        name: "smollm3",
        defaults: Defaults {
            vocabulary: 128_256,
            heads: 16,
            kv_heads: Some(4),
            context: 32_768,
            theta: 2_000_000.0,
            tied: Some(true),
            ..USUAL
        },
        // A layer without positions sees a window.
        windows: Windows::Listed(|raw, layer| !smollm3_rotates(raw, layer)),
        windows_are_opt_in: true,
        rotates: smollm3_rotates,
        ..LLAMA
    },
    Architecture {
        name: "stablelm",
        defaults: Defaults { vocabulary: 50_304, context: 4096, epsilon: 1e-5, partial: 0.25, ..USUAL },
        norm: NormKind::Layer,
        epsilon: |raw| raw.layer_norm_eps,
        block: |raw| if raw.use_parallel_residual.unwrap_or(false) { Block::Parallel } else { Block::Before },
        query_key_norm: |raw| own_weights(raw.qk_layernorm),
        biases: |raw| Biases { qkv: raw.use_qkv_bias.unwrap_or(false), ..NO_BIASES },
        names: TensorNames::STABLELM,
        ..LLAMA
    },
    Architecture {
        name: "starcoder2",
        defaults: Defaults {
            vocabulary: 49_152,
            heads: 24,
            kv_heads: Some(2),
            context: 4096,
            epsilon: 1e-5,
            activation: "gelu_pytorch_tanh",
            tied: Some(true),
            ..USUAL
        },
        norm: NormKind::Layer,
        epsilon: |raw| raw.norm_epsilon,
        biases: |raw| {
            let bias = raw.use_bias.unwrap_or(true);
            Biases { qkv: bias, out: bias, mlp: bias }
        },
        windows: Windows::Every,
        mlp: Mlps::Plain,
        names: TensorNames::STARCODER2,
        ..LLAMA
    },
];

const GEMMA: Architecture = Architecture {
    name: "gemma",
    defaults: Defaults {
        vocabulary: 256_000,
        heads: 16,
        kv_heads: Some(16),
        head_dim: Some(256),
        context: 8192,
        activation: "gelu_pytorch_tanh",
        tied: Some(true),
        ..USUAL
    },
    norm: NormKind::RmsFromOne,
    biases: attention_bias,
    // The first configurations do.
    gelu_is_tanh: true,
    multipliers: |raw| Multipliers { embedding: (raw.hidden_size as f64).sqrt(), ..Multipliers::ONE },
    ..LLAMA
};

/// What Gemma 2 and 3 have in common.
const GEMMA_OF_FOUR_NORMS: Architecture = Architecture {
    block: |_| Block::Around,
    gelu_is_tanh: false,
    attention_scale: |raw, _| 1.0 / raw.query_pre_attn_scalar.unwrap_or(256.0).sqrt(),
    names: TensorNames::GEMMA2,
    ..GEMMA
};

const GEMMA3: Architecture = Architecture {
    name: "gemma3",
    defaults: Defaults {
        vocabulary: 262_208,
        heads: 8,
        kv_heads: Some(4),
        context: 131_072,
        theta: 1_000_000.0,
        window: Some(4096),
        ..GEMMA.defaults
    },
    query_key_norm: |_| QueryKeyNorm::PerHead,
    caps: Some(Caps { attention: None, logits: None }),
    sliding_theta: Some(10_000.0),
    windows: Windows::Listed(|raw, layer| !(layer + 1).is_multiple_of(raw.sliding_window_pattern.unwrap_or(6).max(1))),
    ..GEMMA_OF_FOUR_NORMS
};

const GLM: Architecture = Architecture {
    name: "glm",
    defaults: Defaults {
        vocabulary: 151_552,
        kv_heads: Some(2),
        head_dim: Some(128),
        context: 131_072,
        epsilon: 1.5625e-7,
        partial: 0.5,
        ..USUAL
    },
    biases: |raw| Biases { qkv: raw.attention_bias.unwrap_or(true), ..NO_BIASES },
    rope_style: RopeStyle::Pairs,
    names: TensorNames::GLM,
    ..LLAMA
};

const QWEN2: Architecture = Architecture {
    name: "qwen2",
    defaults: Defaults { vocabulary: 151_936, kv_heads: Some(32), context: 32_768, window: Some(4096), ..USUAL },
    biases: |_| Biases { qkv: true, ..NO_BIASES },
    windows: Windows::Listed(|raw, layer| layer >= layers_without_window(raw)),
    windows_are_opt_in: true,
    ..LLAMA
};

/// How many layers from the first on have no window, whatever Qwen calls that.
fn layers_without_window(raw: &RawConfig) -> usize {
    raw.max_window_layers.unwrap_or(28)
}

/// Norms of queries and keys with weights for each head, where a field says so.
fn own_weights(said: Option<bool>) -> QueryKeyNorm {
    if said.unwrap_or(false) { QueryKeyNorm::PerHeadOwnWeights } else { QueryKeyNorm::None }
}

/// The list says 1 where positions are used; without it every so many layers have none.
fn smollm3_rotates(raw: &RawConfig, layer: usize) -> bool {
    match &raw.no_rope_layers {
        Some(layers) => layers.get(layer) != Some(&0),
        None => !(layer + 1).is_multiple_of(raw.no_rope_layer_interval.unwrap_or(4).max(1)),
    }
}
