//! The transformer itself: weights are `&self`, the cache belongs to the caller.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};
use candle_nn::rotary_emb::rope_thd;

use super::attention::Attention;
use super::batch::RaggedBatch;
use super::cache::{LayerCache, PagedCache};
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
    query: Linear,
    key: Linear,
    value: Linear,
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
            Linear::tied(weights, embedding.clone())
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
        let rope = self.rope.at(&batch.positions)?;
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
        (cos, sin): &(Tensor, Tensor),
        batch: &RaggedBatch,
        cache: &LayerCache,
    ) -> Result<Tensor> {
        let DecoderConfig { heads, kv_heads, head_dim, .. } = self.config;
        let tokens = batch.tokens.len();
        let normed = layer.attention_norm.forward(hidden)?;
        let rotate = |projected: Tensor, heads: usize| {
            rope_thd(&projected.reshape((1, tokens, heads, head_dim))?, cos, sin)?.reshape((tokens, heads, head_dim))
        };
        let queries = rotate(layer.query.forward(&normed)?, heads)?;
        let keys = rotate(layer.key.forward(&normed)?, kv_heads)?;
        let values = layer.value.forward(&normed)?.reshape((tokens, kv_heads, head_dim))?;
        cache.write(&keys, &values, &batch.runs)?;
        let attention = Attention {
            segments: Arc::clone(&batch.segments),
            scale: 1.0 / (head_dim as f32).sqrt(),
            window: layer.window,
            simd: self.simd,
        };
        let hidden = (hidden + layer.output.forward(&attention.apply(&queries, cache)?)?)?;
        let mixed = layer.mlp.forward(&layer.mlp_norm.forward(&hidden)?)?;
        hidden + mixed
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
        let norm = |part: &str| RmsNorm::load(weights, &name(part), hidden, norm_epsilon);
        Ok(Self {
            attention_norm: norm("input_layernorm")?,
            query: linear("self_attn.q_proj", (hidden, wide), biases.qkv)?,
            key: linear("self_attn.k_proj", (hidden, narrow), biases.qkv)?,
            value: linear("self_attn.v_proj", (hidden, narrow), biases.qkv)?,
            output: linear("self_attn.o_proj", (wide, hidden), biases.out)?,
            mlp_norm: norm("post_attention_layernorm")?,
            mlp: GatedMlp {
                gate: linear("mlp.gate_proj", (hidden, intermediate), biases.mlp)?,
                up: linear("mlp.up_proj", (hidden, intermediate), biases.mlp)?,
                down: linear("mlp.down_proj", (intermediate, hidden), biases.mlp)?,
                activation: config.activation,
            },
            window,
        })
    }
}
