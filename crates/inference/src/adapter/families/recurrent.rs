//! State-space models: a state of fixed size instead of keys and values, one token at a time.

use std::sync::Arc;

use candle_nn::VarBuilder;
use candle_transformers::models::{mamba as candle_mamba, mamba2 as candle_mamba2};
use serde_json::json;

use crate::adapter::fields::CandleFields;
use crate::adapter::runner::{Blueprint, Chunks};
use crate::checkpoint::error::CheckpointError;

/// They have no longest sequence; something has to bound one.
const CONTEXT: usize = 1 << 20;
/// A sequence costs its state however short it is. What a token costs is said as if it had this many.
const TOKENS: usize = 64;

/// What both have built in.
fn common(fields: &CandleFields) -> Result<(usize, usize, usize), CheckpointError> {
    fields.only("conv_kernel", 4)?;
    fields.only("hidden_act", "silu")?;
    fields.only("use_bias", false)?;
    fields.only("use_conv_bias", true)?;
    fields.only("layer_norm_epsilon", 1e-5)?;
    let vocabulary = fields.count("vocab_size", 1..=1 << 24)?;
    let hidden = fields.count("hidden_size", 1..=1 << 17)?;
    let layers = fields.count("num_hidden_layers", 1..=1024)?;
    Ok((vocabulary, hidden, layers))
}

/// Mamba as transformers has it (`mamba-130m-hf` and its like).
pub(super) fn mamba(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    let (vocabulary, hidden, layers) = common(fields)?;
    fields.only("state_size", 16)?;
    fields.only("expand", 2)?;
    fields.only("intermediate_size", 2 * hidden)?;
    fields.only("tie_word_embeddings", true)?;
    fields.one_of("time_step_rank", &[json!("auto"), json!(hidden.div_ceil(16))])?;
    let config =
        candle_mamba::Config { d_model: hidden, n_layer: layers, vocab_size: vocabulary, pad_vocab_size_multiple: 1 };
    let load = move |tensors: VarBuilder<'static>| {
        let (dtype, device) = (tensors.dtype(), tensors.device().clone());
        let model = Arc::new(candle_mamba::Model::new(&config, tensors.pp("backbone"))?);
        Ok(MambaSequence { model, state: candle_mamba::State::new(1, &config, dtype, &device)? })
    };
    let model = Blueprint::cloning(Chunks::Single, load, |sequence: &mut MambaSequence, tokens, _| {
        sequence.model.forward(&tokens.flatten_all()?, &mut sequence.state)
    });
    let state = layers * 2 * hidden * (16 + 4) * size_of::<f32>();
    let blueprint = model.sized(vocabulary, CONTEXT, state.div_ceil(TOKENS));
    Ok(Blueprint { rename: |name| name.replace("backbone.embedding.", "backbone.embeddings."), ..blueprint })
}

struct MambaSequence {
    model: Arc<candle_mamba::Model>,
    state: candle_mamba::State,
}

impl Clone for MambaSequence {
    fn clone(&self) -> Self {
        let candle_mamba::State { hs, prev_xs, pos } = &self.state;
        let state = candle_mamba::State { hs: hs.clone(), prev_xs: prev_xs.clone(), pos: *pos };
        Self { model: self.model.clone(), state }
    }
}

/// Mamba 2 with a tied output layer.
pub(super) fn mamba2(fields: &mut CandleFields) -> Result<Blueprint, CheckpointError> {
    let (vocabulary, hidden, layers) = common(fields)?;
    // Missing means false, unlike in Mamba 1.
    if !fields.flag_or("tie_word_embeddings", false)? {
        let problem = "is false; candle-transformers runs true alone: its output layer is the embedding";
        return Err(fields.problem("tie_word_embeddings", problem));
    }
    fields.one_of("time_step_limit", &[json!([0.0, null]), json!([0.0, {"__float__": "Infinity"}])])?;
    let state_size = fields.count_or("state_size", 128, 1..=4096)?;
    let expand = fields.count_or("expand", 2, 1..=16)?;
    let head_dim = fields.count_or("head_dim", 64, 1..=4096)?;
    // transformers takes the norm of each group, candle of all together.
    let groups = fields.count_or("n_groups", 8, 1..=4096)?;
    if groups != 1 {
        return Err(fields.problem("n_groups", format!("is {groups}; candle-transformers runs 1 alone")));
    }
    let inner = hidden * expand;
    let heads = inner / head_dim;
    if heads * head_dim != inner || heads == 0 {
        return Err(fields.problem("head_dim", format!("is {head_dim}, must divide the inner width of {inner}")));
    }
    fields.only("num_heads", heads)?;
    let config = candle_mamba2::Config {
        d_model: hidden,
        n_layer: layers,
        vocab_size: vocabulary,
        d_state: state_size,
        expand,
        headdim: head_dim,
        ngroups: groups,
        pad_vocab_size_multiple: 1,
    };
    let load = move |tensors: VarBuilder<'static>| {
        let (dtype, device) = (tensors.dtype(), tensors.device().clone());
        let model = Arc::new(candle_mamba2::Model::new(&config, tensors.pp("backbone"))?);
        Ok(Mamba2Sequence { model, state: candle_mamba2::State::new(1, &config, dtype, &device)? })
    };
    let model = Blueprint::cloning(Chunks::Single, load, |sequence: &mut Mamba2Sequence, tokens, _| {
        sequence.model.forward(&tokens.flatten_all()?, &mut sequence.state)
    });
    let state = layers * (inner * state_size + 4 * (inner + 2 * groups * state_size)) * size_of::<f32>();
    Ok(model.sized(vocabulary, CONTEXT, state.div_ceil(TOKENS)))
}

struct Mamba2Sequence {
    model: Arc<candle_mamba2::Model>,
    state: candle_mamba2::State,
}

impl Clone for Mamba2Sequence {
    fn clone(&self) -> Self {
        let candle_mamba2::State { hs, conv_states, pos } = &self.state;
        let state = candle_mamba2::State { hs: hs.clone(), conv_states: conv_states.clone(), pos: *pos };
        Self { model: self.model.clone(), state }
    }
}
