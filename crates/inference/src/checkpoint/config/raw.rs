//! `config.json` as it is written, in both styles in the wild.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A field and what is wrong with it.
pub(super) type Problem = (&'static str, String);

#[derive(Deserialize)]
pub(super) struct RawConfig {
    pub(super) vocab_size: usize,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: usize,
    pub(super) num_key_value_heads: Option<usize>,
    pub(super) head_dim: Option<usize>,
    pub(super) hidden_act: Option<String>,
    pub(super) hidden_activation: Option<String>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) layer_norm_eps: Option<f64>,
    pub(super) norm_epsilon: Option<f64>,
    pub(super) max_position_embeddings: Option<usize>,
    pub(super) tie_word_embeddings: Option<bool>,

    pub(super) rope_theta: Option<f64>,
    pub(super) rope_local_base_freq: Option<f64>,
    pub(super) rotary_emb_base: Option<f64>,
    pub(super) rope_scaling: Option<RawRope>,
    pub(super) rope_parameters: Option<RawRopes>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) rotary_pct: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    pub(super) no_rope_layers: Option<Vec<u8>>,
    pub(super) no_rope_layer_interval: Option<usize>,

    pub(super) attention_bias: Option<bool>,
    pub(super) qkv_bias: Option<bool>,
    pub(super) use_qkv_bias: Option<bool>,
    pub(super) use_bias: Option<bool>,
    pub(super) bias: Option<bool>,
    pub(super) mlp_bias: Option<bool>,

    pub(super) sliding_window: Option<usize>,
    pub(super) use_sliding_window: Option<bool>,
    pub(super) max_window_layers: Option<usize>,
    pub(super) sliding_window_pattern: Option<usize>,
    pub(super) layer_types: Option<Vec<LayerType>>,

    pub(super) query_pre_attn_scalar: Option<f64>,
    pub(super) attn_logit_softcapping: Option<f64>,
    pub(super) final_logit_softcapping: Option<f64>,
    pub(super) embedding_multiplier: Option<f64>,
    pub(super) attention_multiplier: Option<f64>,
    pub(super) residual_multiplier: Option<f64>,
    pub(super) logits_scaling: Option<f64>,
    pub(super) logit_scale: Option<f64>,
    pub(super) use_qk_norm: Option<bool>,
    pub(super) qk_layernorm: Option<bool>,
    pub(super) use_parallel_residual: Option<bool>,

    #[serde(alias = "num_local_experts")]
    pub(super) num_experts: Option<usize>,
    pub(super) num_experts_per_tok: Option<usize>,
    pub(super) norm_topk_prob: Option<bool>,
    pub(super) moe_intermediate_size: Option<usize>,
    pub(super) shared_expert_intermediate_size: Option<usize>,
    pub(super) decoder_sparse_step: Option<usize>,
    pub(super) mlp_only_layers: Option<Vec<usize>>,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
pub(super) enum LayerType {
    #[serde(rename = "full_attention")]
    Full,
    #[serde(rename = "sliding_attention")]
    Sliding,
}

#[derive(Clone, Default, Deserialize)]
pub(super) struct RawRope {
    #[serde(alias = "type")]
    pub(super) rope_type: Option<String>,
    pub(super) rope_theta: Option<f64>,
    pub(super) partial_rotary_factor: Option<f64>,
    pub(super) factor: Option<f64>,
    pub(super) low_freq_factor: Option<f64>,
    pub(super) high_freq_factor: Option<f64>,
    pub(super) original_max_position_embeddings: Option<f64>,
    pub(super) attention_factor: Option<f64>,
    pub(super) beta_fast: Option<f64>,
    pub(super) beta_slow: Option<f64>,
    pub(super) mscale: Option<f64>,
    pub(super) mscale_all_dim: Option<f64>,
    pub(super) truncate: Option<bool>,
    pub(super) short_factor: Option<Vec<f64>>,
    pub(super) long_factor: Option<Vec<f64>>,
}

/// transformers 5's `rope_parameters`: one for all layers, or one per kind of layer.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum RawRopes {
    PerKind(BTreeMap<String, RawRopeOfKind>),
    One(Box<RawRope>),
}

/// One of several: a table, which a scalar setting is not.
#[derive(Deserialize)]
pub(super) struct RawRopeOfKind(pub(super) RawRope);

/// `model_type` alone, to name an unknown architecture before anything else is asked of the file.
#[derive(Deserialize)]
pub(super) struct Kind {
    pub(super) model_type: Option<String>,
}

/// Ids, one or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl Ids {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

/// `eos_token_id`, as `config.json` and `generation_config.json` may carry it.
#[derive(Deserialize)]
pub(crate) struct EndIds {
    pub(crate) eos_token_id: Option<Ids>,
}
