//! Decoders that mix attention with something else, and Granite's, of which candle has the attention alone.

use candle_core::Tensor;
use candle_nn::VarBuilder;
use candle_transformers::models::granitemoehybrid::{
    GraniteMoeHybrid, GraniteMoeHybridCache, GraniteMoeHybridConfig, GraniteMoeHybridInternalConfig,
};
use candle_transformers::models::recurrent_gemma as candle_gemma;
use candle_transformers::models::{lfm2 as candle_lfm2, recurrent_gemma::TemporalBlockType};
use half::bf16;
use serde_json::{Value, json};

use crate::adapter::fields::CandleFields;
use crate::adapter::runner::{Blueprint, Chunks};
use crate::adapter::tensors::Adjust;
use crate::checkpoint::error::CheckpointError;

/// Granite 4's dense models: attention in every layer, no experts.
pub(super) fn granite(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    fields.only("position_embedding_type", "rope")?;
    if fields.get("position_embedding_type").is_none() {
        return Err(fields.problem("position_embedding_type", "is missing; candle-transformers runs \"rope\" alone"));
    }
    fields.only("num_local_experts", 0)?;
    if fields.get("num_local_experts").is_none() {
        return Err(fields.problem("num_local_experts", "is missing; candle-transformers runs 0 alone"));
    }
    fields.only("attention_bias", false)?;
    fields.only("hidden_act", "silu")?;
    fields.only("tie_word_embeddings", true)?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    let kinds = layer_types(fields, sizes.layers, &["attention", "full_attention"])?;
    fields.set("layer_types", vec!["attention"; kinds.len()]);
    fields.count("intermediate_size", 1..=1 << 20)?;
    fields.count("shared_intermediate_size", 1..=1 << 20)?;
    for field in ["attention_multiplier", "embedding_multiplier", "residual_multiplier", "logits_scaling"] {
        fields.set(field, fields.number_or(field, 1.0)?);
    }
    fields.set("max_position_embeddings", sizes.context);
    fields.set("rope_theta", fields.number_or("rope_theta", 10_000.0)?);
    fields.set("rms_norm_eps", fields.number_or("rms_norm_eps", 1e-6)?);
    // candle asks for these and does nothing with them.
    fields.set("bos_token_id", Value::Null);
    fields.set("eos_token_id", Value::Null);
    let config = fields.parse::<GraniteMoeHybridConfig>()?.into_config(false);
    let load = move |tensors: VarBuilder<'static>| GraniteSequence::load(&config, tensors);
    let model = Blueprint::cloning(Chunks::Any, load, |sequence, tokens, past| {
        sequence.model.forward(tokens, past, &mut sequence.cache)
    });
    Ok(model.sized(sizes.vocabulary, sizes.context, sizes.cache_bytes(sizes.layers)))
}

#[derive(Clone)]
struct GraniteSequence {
    model: GraniteMoeHybrid,
    cache: GraniteMoeHybridCache,
}

impl GraniteSequence {
    fn load(config: &GraniteMoeHybridInternalConfig, tensors: VarBuilder<'static>) -> candle_core::Result<Self> {
        let cache = GraniteMoeHybridCache::new(true, tensors.dtype(), config, tensors.device())?;
        Ok(Self { model: GraniteMoeHybrid::load(tensors, config)?, cache })
    }
}

/// LFM 2: short convolutions and attention. Candle continues a convolution's state by single tokens alone.
pub(super) fn lfm2(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    fields.only("conv_bias", false)?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    if fields.get("layer_types").is_none() {
        // The first checkpoints list the layers of attention.
        let listed = fields.get("full_attn_idxs").and_then(Value::as_array).cloned().unwrap_or_default();
        let kind = |layer| if listed.contains(&json!(layer)) { "full_attention" } else { "conv" };
        fields.set("layer_types", (0..sizes.layers).map(kind).collect::<Vec<_>>());
    }
    let kinds = layer_types(fields, sizes.layers, &["conv", "full_attention"])?;
    let attention = kinds.iter().filter(|kind| *kind == "full_attention").count();
    let tied = fields.flag_or("tie_embedding", fields.flag_or("tie_word_embeddings", true)?)?;
    let config = candle_lfm2::Config {
        vocab_size: sizes.vocabulary,
        hidden_size: sizes.hidden,
        intermediate_size: lfm2_inner(fields)?,
        num_hidden_layers: sizes.layers,
        num_attention_heads: sizes.heads,
        num_key_value_heads: sizes.kv_heads,
        norm_eps: fields.number_or("norm_eps", 1e-5)?,
        rope_theta: fields.number_or("rope_theta", 1_000_000.0)? as f32,
        max_position_embeddings: sizes.context,
        conv_l_cache: fields.count_or("conv_L_cache", 3, 1..=64)?,
        conv_bias: false,
        layer_types: kinds
            .iter()
            .map(|kind| match kind.as_str() {
                "conv" => candle_lfm2::LayerType::Conv,
                _ => candle_lfm2::LayerType::FullAttention,
            })
            .collect(),
        tie_embedding: tied,
        bos_token_id: None,
        eos_token_id: None,
        use_flash_attn: false,
    };
    let load = move |tensors: VarBuilder<'static>| {
        let cache = candle_lfm2::Cache::new(true, tensors.dtype(), &config, tensors.device())?;
        Ok((candle_lfm2::Model::new(&config, tensors)?, cache))
    };
    let model =
        Blueprint::cloning(Chunks::First, load, |(model, cache), tokens, past| model.forward(tokens, past, cache));
    Ok(model.sized(sizes.vocabulary, sizes.context, sizes.cache_bytes(attention.max(1))))
}

/// The width of the MLP as transformers computes it; candle's own rule fits some checkpoints alone.
fn lfm2_inner(fields: &CandleFields) -> Result<usize, CheckpointError> {
    let field = if fields.get("block_ff_dim").is_some() { "block_ff_dim" } else { "intermediate_size" };
    let width = fields.count(field, 1..=1 << 20)?;
    if !fields.flag_or("block_auto_adjust_ff_dim", true)? {
        return Ok(width);
    }
    let width = 2 * width / 3;
    if fields.get("block_ffn_dim_multiplier").is_none() {
        return Ok(width);
    }
    let factor = fields.number_or("block_ffn_dim_multiplier", 1.0)?;
    if factor > 64.0 {
        return Err(fields.problem("block_ffn_dim_multiplier", format!("is {factor}, must be at most 64")));
    }
    let multiple = fields.count_or("block_multiple_of", 256, 1..=1 << 16)?;
    Ok(((factor * width as f64) as usize).next_multiple_of(multiple))
}

/// What each of `layers` layers is, one of `known`.
fn layer_types(fields: &CandleFields, layers: usize, known: &[&str]) -> Result<Vec<String>, CheckpointError> {
    const FIELD: &str = "layer_types";
    let kinds: Option<Vec<String>> = fields.get(FIELD).and_then(|kinds| serde_json::from_value(kinds.clone()).ok());
    let Some(kinds) = kinds.filter(|kinds| kinds.len() == layers) else {
        return Err(fields.problem(FIELD, format!("must list {layers} layers, each {}", known.join(" or "))));
    };
    if let Some(other) = kinds.iter().find(|kind| !known.contains(&kind.as_str())) {
        return Err(
            fields.problem(FIELD, format!("has `{other}`; candle-transformers runs {} alone", known.join(", ")))
        );
    }
    Ok(kinds)
}

/// `RecurrentGemma` (Griffin). Candle has no attention window, so a sequence ends with it; a convolution's state is
/// continued by single tokens alone.
pub(super) fn recurrent_gemma(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    fields.only("partial_rotary_factor", 0.5)?;
    fields.only("tie_word_embeddings", true)?;
    let window = fields.count_or("attention_window_size", 2048, 1..=1 << 17)?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    if !sizes.head_dim.is_multiple_of(4) {
        // Half of a head is rotated.
        return Err(fields.problem("head_dim", format!("is {}, must be a multiple of 4", sizes.head_dim)));
    }
    let width = fields.count_or("lru_width", sizes.hidden, 1..=1 << 17)?;
    if !width.is_multiple_of(sizes.heads) {
        return Err(fields.problem("lru_width", format!("is {width}, must be a multiple of the {} heads", sizes.heads)));
    }
    let inner = fields.count("intermediate_size", 2..=1 << 20)?;
    if !inner.is_multiple_of(2) {
        return Err(fields.problem("intermediate_size", format!("is {inner}, must be even")));
    }
    let conv = fields.count_or("conv1d_width", 4, 1..=64)?;
    if fields.get("block_types").is_none() {
        let kinds = fields.get("_block_types").cloned();
        fields.set("block_types", kinds.unwrap_or_else(|| json!(["recurrent", "recurrent", "attention"])));
    }
    fields.remove("_block_types");
    for (field, value) in [
        ("num_key_value_heads", sizes.kv_heads),
        ("head_dim", sizes.head_dim),
        ("conv1d_width", conv),
        ("attention_window_size", window),
        ("max_seq_len", window),
    ] {
        fields.set(field, value);
    }
    fields.set("partial_rotary_factor", 0.5);
    fields.set("rope_theta", fields.number_or("rope_theta", 10_000.0)?);
    fields.set("rms_norm_eps", fields.number_or("rms_norm_eps", 1e-6)?);
    fields.set("logits_soft_cap", fields.number_or("logits_soft_cap", 30.0)?);
    fields.set("attention_bias", fields.flag_or("attention_bias", false)?);
    if fields.get("hidden_activation").is_none() {
        fields.set("hidden_activation", "gelu_pytorch_tanh");
    }
    let config: candle_gemma::Config = fields.parse()?;
    if config.block_types.is_empty() {
        return Err(fields.problem("block_types", "is empty, must name at least one kind of layer"));
    }
    let attention = (0..sizes.layers)
        .filter(|layer| matches!(config.block_types[layer % config.block_types.len()], TemporalBlockType::Attention))
        .count();
    let load = move |tensors: VarBuilder<'static>| candle_gemma::Model::new(&config, tensors.pp("model"));
    let forward = |model: &mut candle_gemma::Model, tokens: &Tensor, past| model.forward(tokens, past);
    let model = Blueprint::cloning(Chunks::First, load, forward);
    let blueprint = model.sized(sizes.vocabulary, window, sizes.cache_bytes(attention.max(1)));
    Ok(Blueprint { adjust: Some(rounded_embedding(sizes.hidden)), ..blueprint })
}

/// Google's code and transformers multiply embeddings by the root of the hidden size rounded to bf16, candle by the root
/// itself. What is missing goes into the embedding, and out again before the output layer, which is the embedding.
fn rounded_embedding(hidden: usize) -> Adjust {
    let root = (hidden as f64).sqrt();
    let factor = bf16::from_f64(root).to_f64() / root;
    Box::new(move |name, tensor| match name {
        "model.embed_tokens.weight" => tensor * factor,
        // The norm multiplies by one more than its weight.
        "model.final_norm.weight" => tensor.affine(1.0 / factor, 1.0 / factor - 1.0),
        _ => Ok(tensor),
    })
}
