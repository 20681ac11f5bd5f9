//! What an architecture of the decoder consists of. Each is what it changes of a Llama.

use super::decoder::{Biases, Block, Caps, Multipliers, NormKind, QueryKeyNorm};
use super::names::TensorNames;
use super::raw::RawConfig;
use super::rope::RopeStyle;

/// An architecture that the decoder runs: a row of the table.
pub(super) struct Architecture {
    /// `model_type`.
    pub(super) name: &'static str,
    pub(super) defaults: Defaults,
    pub(super) norm: NormKind,
    /// The field that has the norms' epsilon.
    pub(super) epsilon: fn(&RawConfig) -> Option<f64>,
    pub(super) block: fn(&RawConfig) -> Block,
    pub(super) query_key_norm: fn(&RawConfig) -> QueryKeyNorm,
    pub(super) biases: fn(&RawConfig) -> Biases,
    /// Whether `hidden_act` says `gelu` and means the approximation.
    pub(super) gelu_is_tanh: bool,
    /// What products of queries and keys are multiplied by, also by the width of a head.
    pub(super) attention_scale: fn(&RawConfig, usize) -> f64,
    /// The caps where `config.json` is silent; none where it is not asked.
    pub(super) caps: Option<Caps>,
    pub(super) multipliers: fn(&RawConfig) -> Multipliers,
    pub(super) rope_style: RopeStyle,
    /// Base of a second rotary embedding, that of layers with a window.
    pub(super) sliding_theta: Option<f64>,
    /// Whether `RoPE` of the type `yarn` is `LongRoPE`.
    pub(super) yarn_is_longrope: bool,
    pub(super) windows: Windows,
    /// Whether layers have windows only where `use_sliding_window` is true.
    pub(super) windows_are_opt_in: bool,
    /// Whether a layer knows positions.
    pub(super) rotates: fn(&RawConfig, usize) -> bool,
    pub(super) mlp: Mlps,
    /// Names of tensors in safetensors files.
    pub(super) names: TensorNames,
}

/// Which layers see a window.
pub(super) enum Windows {
    None,
    /// All of them.
    Every,
    /// Those that `layer_types` lists, or where that is absent those that this says.
    Listed(fn(&RawConfig, usize) -> bool),
}

/// The MLPs of the layers.
pub(super) enum Mlps {
    Gated,
    Plain,
    /// Experts in every layer.
    Experts,
    /// Experts in the layers that `decoder_sparse_step` and `mlp_only_layers` leave, and their widths where
    /// `config.json` is silent.
    SparseExperts {
        intermediate: usize,
        /// Of the expert that every token goes to, where there is one.
        shared: Option<usize>,
    },
}

/// Values of absent fields: those of the configuration's class in transformers 5.24, and of `InternLM2`'s own code.
pub(super) struct Defaults {
    pub(super) vocabulary: usize,
    pub(super) heads: usize,
    /// As many as query heads where none.
    pub(super) kv_heads: Option<usize>,
    /// The hidden size over the heads where none.
    pub(super) head_dim: Option<usize>,
    pub(super) context: usize,
    pub(super) epsilon: f64,
    pub(super) activation: &'static str,
    pub(super) theta: f64,
    /// Share of a head that is rotated.
    pub(super) partial: f64,
    pub(super) window: Option<usize>,
    /// Whether the output layer is the embedding; where none, it is if there is no output layer.
    pub(super) tied: Option<bool>,
}

impl Defaults {
    pub(super) const LLAMA: Self = Self {
        vocabulary: 32_000,
        heads: 32,
        kv_heads: None,
        head_dim: None,
        context: 2048,
        epsilon: 1e-6,
        activation: "silu",
        theta: 10_000.0,
        partial: 1.0,
        window: None,
        tied: None,
    };
}

impl Multipliers {
    pub(super) const ONE: Self = Self { embedding: 1.0, residual: 1.0, logits: 1.0 };
}

impl Architecture {
    pub(super) const LLAMA: Self = Self {
        name: "llama",
        defaults: Defaults::LLAMA,
        norm: NormKind::Rms,
        epsilon: |raw| raw.rms_norm_eps,
        block: |_| Block::Before,
        query_key_norm: |_| QueryKeyNorm::None,
        biases: |raw| Biases { mlp: raw.mlp_bias.unwrap_or(false), ..attention_bias(raw) },
        gelu_is_tanh: false,
        attention_scale: |_, head_dim| 1.0 / (head_dim as f64).sqrt(),
        caps: None,
        multipliers: |_| Multipliers::ONE,
        rope_style: RopeStyle::Halves,
        sliding_theta: None,
        yarn_is_longrope: false,
        windows: Windows::None,
        windows_are_opt_in: false,
        rotates: |_, _| true,
        mlp: Mlps::Gated,
        names: TensorNames::LLAMA,
    };
}

/// Biases of attention where `attention_bias` says so, and none elsewhere.
pub(super) fn attention_bias(raw: &RawConfig) -> Biases {
    let bias = raw.attention_bias.unwrap_or(false);
    Biases { qkv: bias, out: bias, mlp: false }
}
