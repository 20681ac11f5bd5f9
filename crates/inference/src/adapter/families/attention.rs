//! Decoders with attention alone.

use candle_transformers::models::{
    bigcode, falcon as candle_falcon, helium as candle_helium, olmo as candle_olmo, phi as candle_phi,
};
use serde_json::json;

use super::tied;
use crate::adapter::fields::CandleFields;
use crate::adapter::runner::{Blueprint, Chunks};
use crate::checkpoint::error::CheckpointError;

/// Falcon with rotary positions and one key head (7B). Its masks are square.
pub(super) fn falcon(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.only("alibi", false)?;
    fields.only("new_decoder_architecture", false)?;
    fields.only("multi_query", true)?;
    fields.absent("n_head_kv")?;
    fields.absent("rope_scaling")?;
    fields.only("rope_theta", 10_000.0)?;
    fields.only("activation", "gelu")?;
    fields.only("tie_word_embeddings", true)?;
    // With `multi_query` transformers does not read these.
    fields.set("num_key_value_heads", 1);
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    fields.only("ffn_hidden_size", 4 * sizes.hidden)?;
    let config = candle_falcon::Config {
        vocab_size: sizes.vocabulary,
        hidden_size: sizes.hidden,
        num_hidden_layers: sizes.layers,
        num_attention_heads: sizes.heads,
        layer_norm_epsilon: fields.number_or("layer_norm_epsilon", 1e-5)?,
        parallel_attn: fields.flag_or("parallel_attn", true)?,
        bias: fields.flag_or("bias", false)?,
        use_cache: true,
        ..candle_falcon::Config::falcon7b()
    };
    let load = move |tensors| candle_falcon::Falcon::load(tensors, config.clone());
    let model = Blueprint::cloning(Chunks::First, load, |model, tokens, _| model.forward(tokens));
    // Candle's rotary table has 5000 rows.
    let blueprint = model.sized(sizes.vocabulary, sizes.context.min(5000), sizes.cache_bytes(sizes.layers));
    Ok(Blueprint { rename: |name| tied(name, "transformer.word_embeddings.weight"), ..blueprint })
}

/// Phi 1, 1.5 and 2. Its masks are square.
pub(super) fn phi(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    fields.only("qk_layernorm", false)?;
    fields.only("tie_word_embeddings", false)?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    fields.count("intermediate_size", 1..=1 << 20)?;
    let factor = fields.number_or("partial_rotary_factor", 0.5)?;
    let width = (factor * sizes.head_dim as f64) as usize;
    if factor > 1.0 || width == 0 || !width.is_multiple_of(2) {
        return Err(fields.problem("partial_rotary_factor", format!("is {factor}, must rotate an even part of a head")));
    }
    fields.set("partial_rotary_factor", factor);
    fields.set("rope_theta", fields.number_or("rope_theta", 10_000.0)?);
    fields.set("layer_norm_eps", fields.number_or("layer_norm_eps", 1e-5)?);
    fields.set("max_position_embeddings", sizes.context);
    fields.set("tie_word_embeddings", false);
    fields.set("qk_layernorm", false);
    let config: candle_phi::Config = fields.parse()?;
    let load = move |tensors| candle_phi::Model::new(&config, tensors);
    let model = Blueprint::cloning(Chunks::First, load, |model, tokens, _| model.forward(tokens));
    Ok(model.sized(sizes.vocabulary, sizes.context, sizes.cache_bytes(sizes.layers)))
}

/// GPT-BigCode (the first `StarCoder`, `SantaCoder`): one key head, positions that were learned.
pub(super) fn gpt_bigcode(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    for (usual, own) in [
        ("hidden_size", "n_embd"),
        ("num_hidden_layers", "n_layer"),
        ("num_attention_heads", "n_head"),
        ("max_position_embeddings", "n_positions"),
        ("intermediate_size", "n_inner"),
    ] {
        if let Some(value) = fields.get(own).cloned() {
            fields.set(usual, value);
        }
    }
    // candle's code for several key heads cannot run: it reshapes to as many heads as the embedding is wide.
    fields.only("multi_query", true)?;
    fields.one_of("activation_function", &[json!("gelu"), json!("gelu_pytorch_tanh"), json!("gelu_new")])?;
    fields.only("scale_attn_weights", true)?;
    fields.only("add_cross_attention", false)?;
    fields.only("tie_word_embeddings", true)?;
    fields.set("num_key_value_heads", 1);
    // candle makes a mask of the context squared.
    let context = fields.count("max_position_embeddings", 1..=1 << 14)?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    let inner = fields.count_or("intermediate_size", 4 * sizes.hidden, 1..=1 << 20)?;
    let epsilon = fields.number_or("layer_norm_epsilon", 1e-5)?;
    let load = move |tensors| {
        let config = bigcode::Config {
            vocab_size: sizes.vocabulary,
            max_position_embeddings: context,
            num_hidden_layers: sizes.layers,
            hidden_size: sizes.hidden,
            layer_norm_epsilon: epsilon,
            n_inner: Some(inner),
            num_attention_heads: sizes.heads,
            multi_query: true,
            use_cache: true,
        };
        bigcode::GPTBigCode::load(tensors, config)
    };
    let model = Blueprint::rebuilt(Chunks::Any, load, bigcode::GPTBigCode::forward);
    Ok(model.sized(sizes.vocabulary, context, sizes.cache_bytes(sizes.layers)))
}

/// The first `OLMo`: norms without weights, clipped projections.
pub(super) fn olmo(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    let sizes = fields.sizes()?;
    fields.usual_heads(sizes)?;
    fields.count("intermediate_size", 1..=1 << 20)?;
    if fields.get("clip_qkv").is_some() {
        fields.number_or("clip_qkv", 1.0)?;
    }
    fields.set("num_key_value_heads", sizes.kv_heads);
    fields.set("rope_theta", fields.number_or("rope_theta", 10_000.0)?);
    fields.set("attention_bias", fields.flag_or("attention_bias", false)?);
    fields.set("tie_word_embeddings", fields.flag_or("tie_word_embeddings", false)?);
    fields.set("max_position_embeddings", sizes.context);
    let config: candle_olmo::Config = fields.parse()?;
    let load = move |tensors| candle_olmo::Model::new(&config, tensors);
    let model = Blueprint::cloning(Chunks::Any, load, candle_olmo::Model::forward);
    Ok(model.sized(sizes.vocabulary, sizes.context, sizes.cache_bytes(sizes.layers)))
}

/// Helium: a Llama that rotates neighbouring pairs.
pub(super) fn helium(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    fields.absent("rope_scaling")?;
    let sizes = fields.sizes()?;
    fields.count("intermediate_size", 1..=1 << 20)?;
    if fields.flag_or("attention_bias", false)? {
        // transformers' output projection has none then, candle's has.
        return Err(fields.problem("attention_bias", "is true; candle-transformers runs false alone"));
    }
    for (field, value) in [("num_key_value_heads", sizes.kv_heads), ("head_dim", sizes.head_dim)] {
        fields.set(field, value);
    }
    fields.set("max_position_embeddings", sizes.context);
    fields.set("rope_theta", fields.number_or("rope_theta", 100_000.0)?);
    fields.set("rms_norm_eps", fields.number_or("rms_norm_eps", 1e-8)?);
    fields.set("attention_bias", false);
    fields.set("mlp_bias", fields.flag_or("mlp_bias", false)?);
    fields.set("tie_word_embeddings", fields.flag_or("tie_word_embeddings", false)?);
    // candle asks for these and does nothing with them.
    fields.set("bos_token_id", 0);
    fields.set("eos_token_id", 0);
    fields.set("use_flash_attn", false);
    let config: candle_helium::Config = fields.parse()?;
    let load = move |tensors| candle_helium::Model::new(&config, tensors);
    let model = Blueprint::cloning(Chunks::Any, load, candle_helium::Model::forward);
    Ok(model.sized(sizes.vocabulary, sizes.context, sizes.cache_bytes(sizes.layers)))
}
