//! Decoders with experts.

use candle_transformers::models::deepseek2::{DeepSeekV2, DeepSeekV2Config};
use serde_json::Value;

use crate::adapter::fields::CandleFields;
use crate::adapter::runner::{Blueprint, Chunks};
use crate::checkpoint::error::CheckpointError;

/// `DeepSeek` V2 with plain routing (V2-Lite).
pub(super) fn deepseek_v2(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    // candle's group-limited routing picks groups by the scores of experts.
    fields.only("topk_method", "greedy")?;
    fields.only("scoring_func", "softmax")?;
    // transformers does not divide by the sum whatever this says, candle does.
    fields.only("norm_topk_prob", false)?;
    fields.only("mlp_bias", false)?;
    fields.only("attention_bias", false)?;
    fields.only("hidden_act", "silu")?;
    fields.only("moe_layer_freq", 1)?;
    let rope = fields.count("qk_rope_head_dim", 2..=1024)?;
    let plain = fields.count("qk_nope_head_dim", 1..=1024)?;
    let values = fields.count("v_head_dim", 1..=1024)?;
    if !rope.is_multiple_of(2) {
        return Err(fields.problem("qk_rope_head_dim", format!("is {rope}, must be even")));
    }
    // The usual width of a head means nothing here.
    fields.set("head_dim", rope);
    let sizes = fields.sizes()?;
    fields.count("kv_lora_rank", 1..=1 << 16)?;
    fields.count_or("q_lora_rank", 1, 1..=1 << 16)?;
    for field in ["intermediate_size", "moe_intermediate_size"] {
        fields.count(field, 1..=1 << 20)?;
    }
    if fields.get("n_routed_experts").is_some() {
        let experts = fields.count("n_routed_experts", 1..=4096)?;
        fields.count("num_experts_per_tok", 1..=experts)?;
        fields.count_or("n_shared_experts", 1, 1..=256)?;
    }
    scaling(fields)?;
    fields.set("max_position_embeddings", sizes.context);
    fields.set("rope_theta", fields.number_or("rope_theta", 10_000.0)?);
    fields.set("rms_norm_eps", fields.number_or("rms_norm_eps", 1e-6)?);
    fields.set("routed_scaling_factor", fields.number_or("routed_scaling_factor", 1.0)?);
    fields.set("first_k_dense_replace", fields.count_or("first_k_dense_replace", 0, 0..=1024)?);
    fields.set("tie_word_embeddings", fields.flag_or("tie_word_embeddings", false)?);
    fields.set("attention_bias", false);
    fields.set("norm_topk_prob", false);
    for (field, value) in [("topk_method", "greedy"), ("scoring_func", "softmax"), ("hidden_act", "silu")] {
        fields.set(field, value);
    }
    // Plain routing has no groups.
    for (field, value) in [("n_group", 1), ("topk_group", 1), ("moe_layer_freq", 1)] {
        fields.set(field, value);
    }
    let config: DeepSeekV2Config = fields.parse()?;
    let load = move |tensors| DeepSeekV2::new(&config, tensors);
    let model = Blueprint::rebuilt(Chunks::Any, load, DeepSeekV2::forward);
    let token_bytes = sizes.layers * sizes.heads * (rope + plain + values) * size_of::<f32>();
    Ok(model.sized(sizes.vocabulary, sizes.context, token_bytes))
}

/// Refuses scaled rotary frequencies other than `YaRN`'s with all its settings.
fn scaling(fields: &CandleFields) -> Result<(), CheckpointError> {
    const FIELD: &str = "rope_scaling";
    let Some(scaling) = fields.get(FIELD) else { return Ok(()) };
    if scaling.get("type").and_then(Value::as_str) != Some("yarn") {
        return Err(fields.problem(FIELD, format!("is {scaling}; candle-transformers runs `yarn` alone")));
    }
    for name in ["factor", "beta_fast", "beta_slow", "mscale", "mscale_all_dim", "original_max_position_embeddings"] {
        let number = scaling.get(name).and_then(Value::as_f64);
        if !number.is_some_and(|number| number.is_finite() && number > 0.0) {
            return Err(fields.problem(FIELD, format!("is {scaling}, must have a positive `{name}`")));
        }
    }
    Ok(())
}
