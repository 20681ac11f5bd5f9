//! `config.json` as it is written, in both styles in the wild.

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

use super::fields::{Fields, Problem};
use super::raw_rope::RawRopes;

/// A field for which null says something else than nothing at all.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Given<T> {
    Absent,
    Null,
    Value(T),
}

impl<T> Given<T> {
    fn of(fields: Fields<'_>, name: &str, value: Option<T>) -> Self {
        match value {
            Some(value) => Self::Value(value),
            None if fields.is_null(name) => Self::Null,
            None => Self::Absent,
        }
    }

    /// The value, or what absence and null stand for.
    pub(super) fn or(self, absent: Option<T>, null: Option<T>) -> Option<T> {
        match self {
            Self::Value(value) => Some(value),
            Self::Null => null,
            Self::Absent => absent,
        }
    }
}

pub(super) struct RawConfig {
    pub(super) vocab_size: Option<usize>,
    pub(super) hidden_size: usize,
    pub(super) intermediate_size: usize,
    pub(super) num_hidden_layers: usize,
    pub(super) num_attention_heads: Option<usize>,
    pub(super) num_key_value_heads: Given<usize>,
    pub(super) head_dim: Given<usize>,
    pub(super) hidden_act: Option<String>,
    pub(super) hidden_activation: Option<String>,
    pub(super) rms_norm_eps: Option<f64>,
    pub(super) layer_norm_eps: Option<f64>,
    pub(super) norm_epsilon: Option<f64>,
    pub(super) max_position_embeddings: Option<usize>,
    pub(super) tie_word_embeddings: Option<bool>,

    pub(super) ropes: RawRopes,
    pub(super) no_rope_layers: Option<Vec<usize>>,
    pub(super) no_rope_layer_interval: Option<usize>,

    pub(super) attention_bias: Option<bool>,
    pub(super) qkv_bias: Option<bool>,
    pub(super) use_qkv_bias: Option<bool>,
    pub(super) use_bias: Option<bool>,
    pub(super) bias: Option<bool>,
    pub(super) mlp_bias: Option<bool>,

    pub(super) sliding_window: Given<usize>,
    pub(super) use_sliding_window: Option<bool>,
    pub(super) max_window_layers: Option<usize>,
    pub(super) sliding_window_pattern: Option<usize>,
    pub(super) layer_types: Option<Vec<LayerType>>,
    pub(super) use_bidirectional_attention: Option<bool>,

    pub(super) query_pre_attn_scalar: Option<f64>,
    pub(super) attn_logit_softcapping: Given<f64>,
    pub(super) final_logit_softcapping: Given<f64>,
    pub(super) embedding_multiplier: Option<f64>,
    pub(super) attention_multiplier: Option<f64>,
    pub(super) residual_multiplier: Option<f64>,
    pub(super) logits_scaling: Option<f64>,
    pub(super) logit_scale: Option<f64>,
    pub(super) use_qk_norm: Option<bool>,
    pub(super) qk_layernorm: Option<bool>,
    pub(super) use_parallel_residual: Option<bool>,

    pub(super) num_experts: Option<usize>,
    pub(super) num_experts_per_tok: Option<usize>,
    pub(super) norm_topk_prob: Option<bool>,
    pub(super) moe_intermediate_size: Option<usize>,
    pub(super) shared_expert_intermediate_size: Option<usize>,
    pub(super) decoder_sparse_step: Option<usize>,
    pub(super) mlp_only_layers: Option<Vec<usize>>,
}

impl RawConfig {
    /// Reads the fields; those that no architecture here knows are passed over.
    pub(super) fn read(config: &Map<String, Value>) -> Result<Self, Problem> {
        let fields = Fields(config);
        let need = |name| fields.count(name)?.ok_or_else(|| (name, "is missing, must be a whole number".to_owned()));
        let text = |name| Ok::<_, Problem>(fields.text(name)?.map(str::to_owned));
        let count_or_null = |name| Ok::<_, Problem>(Given::of(fields, name, fields.count(name)?));
        let number_or_null = |name| Ok::<_, Problem>(Given::of(fields, name, fields.number(name)?));
        Ok(Self {
            vocab_size: fields.count("vocab_size")?,
            hidden_size: need("hidden_size")?,
            intermediate_size: need("intermediate_size")?,
            num_hidden_layers: need("num_hidden_layers")?,
            num_attention_heads: fields.count("num_attention_heads")?,
            num_key_value_heads: count_or_null("num_key_value_heads")?,
            head_dim: count_or_null("head_dim")?,
            hidden_act: text("hidden_act")?,
            hidden_activation: text("hidden_activation")?,
            rms_norm_eps: fields.number("rms_norm_eps")?,
            layer_norm_eps: fields.number("layer_norm_eps")?,
            norm_epsilon: fields.number("norm_epsilon")?,
            max_position_embeddings: fields.count("max_position_embeddings")?,
            tie_word_embeddings: fields.flag("tie_word_embeddings")?,

            ropes: RawRopes::read(fields)?,
            no_rope_layers: fields.counts("no_rope_layers")?,
            no_rope_layer_interval: fields.count("no_rope_layer_interval")?,

            attention_bias: fields.flag("attention_bias")?,
            qkv_bias: fields.flag("qkv_bias")?,
            use_qkv_bias: fields.flag("use_qkv_bias")?,
            use_bias: fields.flag("use_bias")?,
            bias: fields.flag("bias")?,
            mlp_bias: fields.flag("mlp_bias")?,

            sliding_window: count_or_null("sliding_window")?,
            use_sliding_window: fields.flag("use_sliding_window")?,
            max_window_layers: fields.count("max_window_layers")?,
            sliding_window_pattern: fields.count("sliding_window_pattern")?,
            layer_types: fields.read("layer_types", "a list of `full_attention` and `sliding_attention`", |value| {
                value.as_array()?.iter().map(LayerType::of).collect()
            })?,
            use_bidirectional_attention: fields.flag("use_bidirectional_attention")?,

            query_pre_attn_scalar: fields.number("query_pre_attn_scalar")?,
            attn_logit_softcapping: number_or_null("attn_logit_softcapping")?,
            final_logit_softcapping: number_or_null("final_logit_softcapping")?,
            embedding_multiplier: fields.number("embedding_multiplier")?,
            attention_multiplier: fields.number("attention_multiplier")?,
            residual_multiplier: fields.number("residual_multiplier")?,
            logits_scaling: fields.number("logits_scaling")?,
            logit_scale: fields.number("logit_scale")?,
            use_qk_norm: fields.flag("use_qk_norm")?,
            qk_layernorm: fields.flag("qk_layernorm")?,
            use_parallel_residual: fields.flag("use_parallel_residual")?,

            num_experts: fields.either(["num_experts", "num_local_experts"], Fields::count)?,
            num_experts_per_tok: fields.count("num_experts_per_tok")?,
            norm_topk_prob: fields.flag("norm_topk_prob")?,
            moe_intermediate_size: fields.count("moe_intermediate_size")?,
            shared_expert_intermediate_size: fields.count("shared_expert_intermediate_size")?,
            decoder_sparse_step: fields.count("decoder_sparse_step")?,
            mlp_only_layers: fields.counts("mlp_only_layers")?,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum LayerType {
    Full,
    Sliding,
}

impl LayerType {
    fn of(value: &Value) -> Option<Self> {
        match value.as_str()? {
            "full_attention" => Some(Self::Full),
            "sliding_attention" => Some(Self::Sliding),
            _ => None,
        }
    }
}

/// Ids, one or a list. Negative ones, which some write for none, are none.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Ids(Vec<u32>);

impl Ids {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        self.0
    }
}

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        let given = match &value {
            Value::Array(ids) => ids.as_slice(),
            one => std::slice::from_ref(one),
        };
        let id = |value: &Value| value.as_f64().filter(|id| id.fract() == 0.0 && *id <= f64::from(u32::MAX));
        let ids: Option<Vec<f64>> = given.iter().map(id).collect();
        let ids = ids.ok_or_else(|| {
            serde::de::Error::custom(format!(
                "it is {}, must be a token id or a list of them",
                super::fields::shown(&value)
            ))
        })?;
        Ok(Self(ids.into_iter().filter(|id| *id >= 0.0).map(|id| id as u32).collect()))
    }
}

/// `eos_token_id`, as `config.json` and `generation_config.json` may carry it.
#[derive(Deserialize)]
pub(crate) struct EndIds {
    pub(crate) eos_token_id: Option<Ids>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_id_may_be_one_several_none_or_a_float() {
        let read = |text: &str| serde_json::from_str::<EndIds>(text).map(|ends| ends.eos_token_id.map(Ids::into_vec));
        assert_eq!(read(r#"{"eos_token_id": 2}"#).unwrap(), Some(vec![2]));
        assert_eq!(read(r#"{"eos_token_id": [2, 7.0]}"#).unwrap(), Some(vec![2, 7]));
        assert_eq!(read(r#"{"eos_token_id": null}"#).unwrap(), None);
        assert_eq!(read("{}").unwrap(), None);
        assert_eq!(read(r#"{"eos_token_id": -1}"#).unwrap(), Some(vec![]));
        for wrong in [r#""2""#, "[2, null]", "1.5", "true", "{}"] {
            let error = read(&format!(r#"{{"eos_token_id": {wrong}}}"#)).unwrap_err().to_string();
            assert!(error.contains("must be a token id or a list of them"), "{error}");
        }
    }
}
