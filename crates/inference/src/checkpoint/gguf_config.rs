//! The metadata of GGUF files as `config.json` would say it, by architecture, as llama.cpp's converter writes them.

use serde_json::{Map, Value, json};

use super::config::RopeStyle;
use super::error::CheckpointError;
use super::gguf::Gguf;

/// An architecture of GGUF files.
pub(crate) struct GgufFamily {
    /// `general.architecture`.
    pub(crate) architecture: &'static str,
    /// What `config.json` calls it.
    model_type: &'static str,
    /// How heads are rotated where the converter puts the rows of queries and keys in another order.
    pub(crate) style: Option<RopeStyle>,
}

const fn family(architecture: &'static str, model_type: &'static str) -> GgufFamily {
    GgufFamily { architecture, model_type, style: None }
}

const fn reordered(architecture: &'static str, model_type: &'static str) -> GgufFamily {
    GgufFamily { architecture, model_type, style: Some(RopeStyle::Pairs) }
}

/// The architectures that are read, in alphabetical order.
const ALL: [GgufFamily; 17] = [
    family("command-r", "cohere"),
    family("gemma", "gemma"),
    family("gemma2", "gemma2"),
    family("gemma3", "gemma3_text"),
    family("glm4", "glm4"),
    family("gptneox", "gpt_neox"),
    reordered("granite", "granite"),
    reordered("internlm2", "internlm2"),
    // Mistral and, with experts, Mixtral, too.
    reordered("llama", "llama"),
    family("olmo2", "olmo2"),
    family("phi3", "phi3"),
    family("qwen2", "qwen2"),
    family("qwen2moe", "qwen2_moe"),
    family("qwen3", "qwen3"),
    family("qwen3moe", "qwen3_moe"),
    family("stablelm", "stablelm"),
    family("starcoder2", "starcoder2"),
];

/// Counts, where a number is wanted whole, under their names in both.
const COUNTS: [(&str, &str); 9] = [
    ("num_key_value_heads", "attention.head_count_kv"),
    ("head_dim", "attention.key_length"),
    ("max_position_embeddings", "context_length"),
    ("sliding_window", "attention.sliding_window"),
    ("num_experts", "expert_count"),
    ("num_experts_per_tok", "expert_used_count"),
    ("moe_intermediate_size", "expert_feed_forward_length"),
    ("shared_expert_intermediate_size", "expert_shared_feed_forward_length"),
    ("original_max_position_embeddings", "rope.scaling.original_context_length"),
];

/// Numbers, under their names in both.
const NUMBERS: [(&str, &str); 11] = [
    ("rms_norm_eps", "attention.layer_norm_rms_epsilon"),
    ("layer_norm_eps", "attention.layer_norm_epsilon"),
    ("norm_epsilon", "attention.layer_norm_epsilon"),
    ("rope_theta", "rope.freq_base"),
    ("attn_logit_softcapping", "attn_logit_softcapping"),
    ("final_logit_softcapping", "final_logit_softcapping"),
    ("embedding_multiplier", "embedding_scale"),
    ("residual_multiplier", "residual_scale"),
    ("attention_multiplier", "attention.scale"),
    ("logits_scaling", "logit_scale"),
    ("logit_scale", "logit_scale"),
];

impl Gguf {
    /// The architecture.
    ///
    /// # Errors
    /// When it is not read from GGUF.
    pub(crate) fn family(&self) -> Result<&'static GgufFamily, CheckpointError> {
        let architecture = self.text("general.architecture").unwrap_or_default();
        ALL.iter().find(|family| family.architecture == architecture).ok_or_else(|| {
            CheckpointError::UnknownArchitecture {
                name: architecture.to_owned(),
                path: format!("{} (GGUF)", self.path().display()),
                known: ALL.iter().map(|family| family.architecture).collect(),
            }
        })
    }

    /// What `config.json` would say.
    ///
    /// # Errors
    /// For an architecture that is not read from GGUF, or a field that is missing.
    pub(crate) fn config(&self) -> Result<Map<String, Value>, CheckpointError> {
        let GgufFamily { architecture, model_type, .. } = *self.family()?;
        let mut config = Map::new();
        let mut set = |field: &str, value: Value| drop(config.insert(field.to_owned(), value));
        let count = |key: &str| self.count(&format!("{architecture}.{key}"));
        let number = |key: &str| self.number(&format!("{architecture}.{key}"));
        let need = |field, key: &str| {
            count(key).ok_or_else(|| self.problem(field, format!("is missing (`{architecture}.{key}`)")))
        };
        let hidden = need("hidden_size", "embedding_length")?;
        let heads = need("num_attention_heads", "attention.head_count")?;
        let layers = need("num_hidden_layers", "block_count")?;
        set("vocab_size", json!(self.rows().ok_or_else(|| self.problem("token_embd.weight", "is not there"))?));
        set("hidden_size", json!(hidden));
        set("num_attention_heads", json!(heads));
        set("num_hidden_layers", json!(layers));
        set("intermediate_size", json!(need("intermediate_size", "feed_forward_length")?));
        // What llama.cpp takes where a key is absent.
        for (field, value) in [("num_key_value_heads", json!(heads)), ("rope_theta", json!(10_000.0))] {
            set(field, value);
        }
        set("partial_rotary_factor", json!(1.0));
        for (field, key) in COUNTS {
            if let Some(value) = count(key) {
                set(field, json!(value));
            }
        }
        for (field, key) in NUMBERS {
            if let Some(value) = number(key) {
                set(field, json!(value));
            }
        }
        let width = count("attention.key_length").unwrap_or(hidden / heads.max(1));
        if let Some(rotated) = count("rope.dimension_count").filter(|rotated| *rotated < width) {
            // Half more than the count: the product with the width is rounded down.
            set("partial_rotary_factor", json!((rotated as f64 + 0.5) / width as f64));
        }
        let experts = count("expert_count").is_some_and(|experts| experts > 0);
        let model_type = if architecture == "llama" && experts { "mixtral" } else { model_type };
        set("model_type", json!(model_type));
        // The converter leaves this to the architecture.
        set("norm_topk_prob", json!(architecture != "qwen2moe"));
        let has = |name: &str| self.has(name);
        let biased = json!(has("blk.0.attn_q.bias"));
        match architecture {
            "command-r" => set("use_qk_norm", json!(has("blk.0.attn_q_norm.weight"))),
            // What scores are scaled by is not stored: the width of a head, but in the largest of both generations.
            "gemma2" | "gemma3" => {
                let largest = if architecture == "gemma2" { 46 } else { 62 };
                let scalar = if layers == largest { hidden as f64 / heads.max(1) as f64 } else { width as f64 };
                set("query_pre_attn_scalar", json!(scalar));
                if architecture == "gemma3" {
                    set("rope_local_base_freq", json!(number("rope.freq_base_swa").unwrap_or(10_000.0)));
                }
            }
            "glm4" | "granite" => set("attention_bias", biased),
            "internlm2" => set("bias", biased),
            "stablelm" => {
                set("use_qkv_bias", biased);
                set("qk_layernorm", json!(has("blk.0.attn_q_norm.weight")));
            }
            _ => {}
        }
        if let Some(parallel) = self.flag(&format!("{architecture}.use_parallel_residual")) {
            set("use_parallel_residual", json!(parallel));
        }
        if let Some(scaling) = self.rope_scaling(architecture)? {
            set("rope_scaling", scaling);
        }
        Ok(config)
    }

    /// What `rope_scaling` would say.
    fn rope_scaling(&self, architecture: &str) -> Result<Option<Value>, CheckpointError> {
        let number = |key: &str| self.number(&format!("{architecture}.rope.scaling.{key}"));
        let values = |name: &'static str| self.values(name).map_err(|error| self.problem(name, error.to_string()));
        let mut scaling = if let Some(short) = values("rope_factors_short.weight")? {
            let long = values("rope_factors_long.weight")?;
            let mut scaling = json!({"rope_type": "longrope", "short_factor": short, "long_factor": long});
            if let Some(attention) = number("attn_factor") {
                scaling["attention_factor"] = json!(attention);
            }
            scaling
        } else {
            let kind = self.text(&format!("{architecture}.rope.scaling.type"));
            let Some(kind) = kind.filter(|kind| *kind != "none") else { return Ok(None) };
            json!({"rope_type": kind, "factor": number("factor")})
        };
        if let Some(original) = number("original_context_length") {
            scaling["original_max_position_embeddings"] = json!(original);
        }
        Ok(Some(scaling))
    }
}
