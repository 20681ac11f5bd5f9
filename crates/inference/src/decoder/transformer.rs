//! The transformer itself: weights are `&self`, the cache belongs to the caller.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::rotary_emb::rope_thd;

use super::attention::Attention;
use super::batch::RaggedBatch;
use super::cache::{LayerCache, PagedCache};
use super::fused::{Angles, QueriesOp, StoreOp, add};
use super::layers::{GatedMlp, Linear, RmsNorm};
use super::rope::RopeTable;
use crate::checkpoint::config::DecoderConfig;
use crate::checkpoint::files::CheckpointError;
use crate::checkpoint::weights::Weights;
use crate::kernel::Simd;

/// A decoder-only transformer.
pub(crate) struct Transformer {
    config: DecoderConfig,
    /// `(V, H)`, in the type that is stored.
    embedding: Tensor,
    layers: Vec<Layer>,
    norm: RmsNorm,
    head: Linear,
    rope: RopeTable,
    /// The type of activations, keys and values.
    dtype: DType,
    simd: Simd,
}

struct Layer {
    attention_norm: RmsNorm,
    /// Queries, keys and values side by side.
    projections: Linear,
    output: Linear,
    mlp_norm: RmsNorm,
    mlp: GatedMlp,
    window: Option<usize>,
}

impl Transformer {
    /// Reads the weights that `config` asks for.
    pub(crate) fn load(
        config: DecoderConfig,
        weights: &Weights,
        device: &Device,
    ) -> std::result::Result<Self, CheckpointError> {
        let embedding = weights.matrix("model.embed_tokens.weight", (config.vocabulary, config.hidden))?;
        let layers = config
            .windows
            .iter()
            .enumerate()
            .map(|(index, &window)| Layer::load(&config, weights, index, window))
            .collect::<std::result::Result<_, _>>()?;
        let head = if config.tied_embeddings.unwrap_or(!weights.has("lm_head.weight")) {
            Linear::tied(embedding.clone())
        } else {
            Linear::load(weights, "lm_head", (config.hidden, config.vocabulary), false)?
        };
        let dtype = weights.compute_type(embedding.dtype());
        let rope = RopeTable::new(&config.rope, config.head_dim, device, dtype);
        let norm = RmsNorm::load(weights, "model.norm", config.hidden, config.norm_epsilon)?;
        Ok(Self { embedding, layers, norm, head, rope, dtype, simd: Simd::detect(), config })
    }

    pub(crate) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// The type of activations, keys and values.
    pub(crate) fn dtype(&self) -> DType {
        self.dtype
    }

    pub(crate) fn device(&self) -> &Device {
        self.embedding.device()
    }

    /// Runs `batch` and gives the logits of its wanted rows, f32 `(wanted, V)`; `None` when no row is wanted.
    ///
    /// Keys and values are written to the slots that the batch names.
    pub(crate) fn forward(&self, batch: &RaggedBatch, cache: &PagedCache) -> Result<Option<Tensor>> {
        let device = self.embedding.device();
        let tokens = Tensor::new(batch.tokens.as_slice(), device)?;
        let rope = self.rope.angles(&batch.positions);
        let mut hidden = self.embedding.index_select(&tokens, 0)?.to_dtype(self.dtype)?;
        for (index, layer) in self.layers.iter().enumerate() {
            hidden = self.layer(layer, &hidden, &rope, batch, cache.layer(index))?;
        }
        if batch.wanted.is_empty() {
            return Ok(None);
        }
        let wanted = Tensor::new(batch.wanted.as_slice(), device)?;
        let hidden = self.norm.forward(&hidden.index_select(&wanted, 0)?)?;
        Ok(Some(self.head.forward(&hidden)?.to_dtype(DType::F32)?))
    }

    fn layer(
        &self,
        layer: &Layer,
        hidden: &Tensor,
        rope: &Angles,
        batch: &RaggedBatch,
        cache: &LayerCache,
    ) -> Result<Tensor> {
        let projected = layer.projections.forward(&layer.attention_norm.forward(hidden)?)?;
        let queries = self.store(&projected, rope, batch, cache)?;
        let attention = Attention {
            segments: Arc::clone(&batch.segments),
            scale: 1.0 / (self.config.head_dim as f32).sqrt(),
            window: layer.window,
            simd: self.simd,
        };
        let hidden = add(hidden, &layer.output.forward(&attention.apply(&queries, cache)?)?)?;
        let mixed = layer.mlp.forward(&layer.mlp_norm.forward(&hidden)?)?;
        add(&hidden, &mixed)
    }

    /// Writes the keys and values of projected rows to the cache and gives their queries `(T, heads, head_dim)`.
    fn store(&self, projected: &Tensor, rope: &Angles, batch: &RaggedBatch, cache: &LayerCache) -> Result<Tensor> {
        let DecoderConfig { heads, kv_heads, head_dim, .. } = self.config;
        let (wide, narrow) = (heads * head_dim, kv_heads * head_dim);
        if projected.device().is_cpu() {
            let keys = StoreOp { offset: wide, rotate: Some(rope), runs: &batch.runs };
            cache.keys.inplace_op2(projected, &keys)?;
            let values = StoreOp { offset: wide + narrow, rotate: None, runs: &batch.runs };
            cache.values.inplace_op2(projected, &values)?;
            return projected.apply_op1_no_bwd(&QueriesOp { angles: rope.clone(), heads });
        }
        let tokens = batch.tokens.len();
        let (cos, sin) = self.rope.tensors(rope)?;
        let part = |from, heads: usize| {
            projected.narrow(1, from, heads * head_dim)?.contiguous()?.reshape((1, tokens, heads, head_dim))
        };
        let rotate = |part: Tensor, heads| rope_thd(&part, &cos, &sin)?.reshape((tokens, heads, head_dim));
        let keys = rotate(part(wide, kv_heads)?, kv_heads)?;
        let values = part(wide + narrow, kv_heads)?.reshape((tokens, kv_heads, head_dim))?;
        cache.write(&keys, &values, &batch.runs)?;
        rotate(part(0, heads)?, heads)
    }
}

impl Layer {
    fn load(
        config: &DecoderConfig,
        weights: &Weights,
        index: usize,
        window: Option<usize>,
    ) -> std::result::Result<Self, CheckpointError> {
        let DecoderConfig { hidden, intermediate, head_dim, biases, norm_epsilon, .. } = *config;
        let (wide, narrow) = (config.heads * head_dim, config.kv_heads * head_dim);
        let name = |part: &str| format!("model.layers.{index}.{part}");
        let linear = |part: &str, shape, bias| Linear::load(weights, &name(part), shape, bias);
        let joined = |parts: &[(&str, usize)], bias| {
            let named: Vec<_> = parts.iter().map(|&(part, width)| (name(part), width)).collect();
            Linear::load_joined(weights, &named, hidden, bias)
        };
        let norm = |part: &str| RmsNorm::load(weights, &name(part), hidden, norm_epsilon);
        Ok(Self {
            attention_norm: norm("input_layernorm")?,
            projections: joined(
                &[("self_attn.q_proj", wide), ("self_attn.k_proj", narrow), ("self_attn.v_proj", narrow)],
                biases.qkv,
            )?,
            output: linear("self_attn.o_proj", (wide, hidden), biases.out)?,
            mlp_norm: norm("post_attention_layernorm")?,
            mlp: GatedMlp {
                gate_up: joined(&[("mlp.gate_proj", intermediate), ("mlp.up_proj", intermediate)], biases.mlp)?,
                down: linear("mlp.down_proj", (intermediate, hidden), biases.mlp)?,
                activation: config.activation,
            },
            window,
        })
    }
}
