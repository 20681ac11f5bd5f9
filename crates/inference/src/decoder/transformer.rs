//! The transformer itself: weights are `&self`, the cache belongs to the caller.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::attention::Attention;
use super::batch::{RaggedBatch, Segment};
use super::cache::{LayerCache, PagedCache};
use super::forward::Forward;
use super::fused::{QueriesOp, StoreKeysOp, StoreValuesOp, times};
use super::last_rows::{LastRows, LogitShape};
use super::layer_device::{LayerDevice, moved};
use super::layers::{Linear, StoredLinear};
use super::mlp::Mlp;
use super::norm::Norm;
use super::projections::QueryKeyValue;
use super::residual::Residual;
use super::rope::{Angles, RopeTable};
use crate::checkpoint::config::{Block, DecoderConfig, LayerConfig};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::{CheckpointTensors, LinearWeight};
use crate::cpu::fused;
use crate::dtype::Quantization;
use crate::kernel::Simd;

/// A decoder-only transformer. Each layer is on a device of its own choosing: the embedding is where the first one is,
/// the final norm and the output layer are where the last one is.
pub(crate) struct Transformer {
    config: DecoderConfig,
    embedding: Embedding,
    layers: Vec<Layer>,
    norm: Norm,
    head: Linear,
    ropes: Vec<RopeTable>,
    simd: Simd,
}

/// Rows whose keys and values are written while their queries are rotated.
const MANY_ROWS: usize = 32;

/// Where the embeddings of tokens are, `(V, H)`.
enum Embedding {
    /// In the type that is stored.
    Table(Tensor),
    /// In blocks, on the CPU.
    Rows(Linear),
    /// In the output layer, which has the same weights.
    Head,
}

/// The rows of a batch whose logits are wanted.
struct WantedRows {
    /// Their numbers, `(wanted,)`.
    rows: Tensor,
    segments: Arc<Vec<Segment>>,
}

struct Layer {
    computes_on: LayerDevice,
    /// Before attention; none where norms come after.
    attention_norm: Option<Norm>,
    projections: QueryKeyValue,
    output: Linear,
    attention_post_norm: Option<Norm>,
    mlp_norm: Option<Norm>,
    mlp: Mlp,
    mlp_post_norm: Option<Norm>,
    window: Option<usize>,
    rope: Option<usize>,
}

impl Transformer {
    /// Reads the weights that `config` asks for, those of each layer to its own one of `devices`.
    pub(crate) fn load(
        config: DecoderConfig,
        weights: &CheckpointTensors,
        devices: &[Device],
    ) -> std::result::Result<Self, CheckpointError> {
        let names = &config.names;
        let on = |device: Option<&Device>| device.map_or_else(|| weights.clone(), |device| weights.on(device));
        let name = format!("{}.weight", names.embedding);
        let first = on(devices.first());
        let embedding = first.linear(&name, (config.vocabulary, config.hidden))?;
        // Elsewhere than on the CPU, activations are of the embedding's type.
        let embedding = match embedding {
            LinearWeight::Blocks(_) if first.device().is_cpu() => embedding,
            _ => LinearWeight::Plain(first.matrix(&name, (config.vocabulary, config.hidden))?),
        };
        let dtype = match &embedding {
            LinearWeight::Plain(table) => table.dtype(),
            LinearWeight::Blocks(_) => DType::F32,
        };
        let on = |device| on(device).for_activations(dtype);
        let last = on(devices.last());
        let layers = config
            .layers
            .iter()
            .enumerate()
            .map(|(index, layer)| {
                let weights = on(devices.get(index));
                let dtype = weights.compute_type(dtype);
                Layer::load(&config, &weights, index, layer, dtype)
            })
            .collect::<std::result::Result<_, _>>()?;
        let tied = config.tied_embeddings.unwrap_or(!weights.has(&format!("{}.weight", names.output)));
        let shape = (config.hidden, config.vocabulary);
        let head = match &embedding {
            // What is quantised is read once more: it is the CPU that quantises.
            LinearWeight::Plain(table) if tied && (weights.quantization().is_none() || last.device().is_cpu()) => {
                StoredLinear::over(moved(table, last.device()).map_err(|source| weights.unreadable(&source))?)
            }
            _ if tied => StoredLinear::load(&last, names.embedding, shape, false)?,
            _ => StoredLinear::load(&last, names.output, shape, false)?,
        };
        // Few weights decide every token: the output layer keeps 8 bits.
        let quantization = weights.quantization().map(|_| Quantization::Q8_0);
        let head = head.ready(&last, quantization).map_err(|source| weights.unreadable(&source))?;
        let shared = tied && first.device().is_cpu() && head.has_rows();
        // Not a table that is rounded for products: tokens are embedded as they are stored.
        let is_kept = |table: &Tensor| quantization.is_none() && last.multiplied_type(table.dtype()) == table.dtype();
        let embedding = match embedding {
            LinearWeight::Plain(table) if shared && is_kept(&table) => Embedding::Head,
            LinearWeight::Plain(table) => Embedding::Table(table),
            LinearWeight::Blocks(_) if shared => Embedding::Head,
            LinearWeight::Blocks(_) => {
                let rows = StoredLinear::of(&first, vec![embedding])?.ready(&first, None);
                Embedding::Rows(rows.map_err(|source| weights.unreadable(&source))?)
            }
        };
        Ok(Self {
            ropes: config.ropes.iter().map(RopeTable::new).collect(),
            norm: Norm::load(&last, names.final_norm, config.hidden, config.norm)?,
            simd: Simd::detect(),
            embedding,
            layers,
            head,
            config,
        })
    }

    pub(crate) fn config(&self) -> &DecoderConfig {
        &self.config
    }

    /// Longest pass that is turned by the short factors of its rotary embedding; none where there are no others.
    pub(crate) fn border(&self) -> Option<usize> {
        self.ropes.iter().find_map(RopeTable::border)
    }

    /// The GPU that all of it is on, where there is one.
    #[cfg(feature = "cuda")]
    pub(crate) fn only_gpu(&self) -> Option<&Device> {
        let Embedding::Table(table) = &self.embedding else { return None };
        let is_there = |layer: &LayerDevice| layer.device.same_device(table.device());
        (table.device().is_cuda() && self.layer_devices().all(is_there)).then_some(table.device())
    }

    /// Where each layer computes.
    pub(crate) fn layer_devices(&self) -> impl Iterator<Item = &LayerDevice> {
        self.layers.iter().map(|layer| &layer.computes_on)
    }

    /// Runs `batch` and gives the logits of its wanted rows, f32 `(wanted, V)`; `None` when no row is wanted.
    ///
    /// Keys and values are written to the slots that the batch names.
    #[cfg(test)]
    pub(crate) fn forward(&self, batch: &RaggedBatch, cache: &PagedCache) -> Result<Option<Tensor>> {
        self.run(self.begin(batch, cache), cache)?.map(|last| self.logits(&last, None)).transpose()
    }

    /// A forward of `batch` that has not run yet.
    pub(crate) fn begin<'a>(&'a self, batch: &'a RaggedBatch, cache: &PagedCache) -> Forward<'a> {
        Forward::new((&self.config, &self.ropes), batch, cache)
    }

    /// The logits of rows that have come through all layers, f32 `(wanted, V)`; in `place` where there is one.
    pub(crate) fn logits(&self, last: &LastRows, place: Option<&Tensor>) -> Result<Tensor> {
        let shape = LogitShape { factor: self.config.multipliers.logits, cap: self.config.caps.logits };
        last.logits(&self.head, shape, place)
    }

    /// Runs a forward through all layers and gives its wanted rows; `None` when no row is wanted.
    ///
    /// Keys and values are written to the slots that the batch names.
    pub(crate) fn run(&self, mut forward: Forward<'_>, cache: &PagedCache) -> Result<Option<LastRows>> {
        let batch = forward.batch;
        if let Some(first) = self.layer_devices().next()
            && forward.tables.is_none()
        {
            forward.move_to(first)?;
        }
        let mut embedded = match &self.embedding {
            Embedding::Table(table) => taken(table, &forward.tokens(table.device())?)?,
            Embedding::Rows(rows) => rows.rows(&batch.tokens)?,
            Embedding::Head => self.head.rows(&batch.tokens)?,
        };
        if let Some(first) = self.layer_devices().next() {
            embedded = embedded.to_dtype(first.dtype)?;
        }
        let mut residual = Residual::new(times(embedded, self.config.multipliers.embedding)?);
        for (index, layer) in self.layers.iter().enumerate() {
            if !residual.is_on(&layer.computes_on) {
                residual.map(|hidden| layer.computes_on.receive(hidden))?;
                forward.move_to(&layer.computes_on)?;
            }
            let cache = cache.layer(index);
            if index + 1 < self.layers.len() || batch.wants_all() || !fused(residual.device()) {
                self.layer(layer, &mut residual, &forward, cache, None)?;
                continue;
            }
            // Behind the last keys and values, only wanted rows go on.
            if batch.wanted.is_empty() {
                self.read(layer, |linear| residual.product(layer.attention_norm.as_ref(), linear), &forward, cache)?;
                return Ok(None);
            }
            let (rows, segments) = (forward.wanted(residual.device())?, Arc::new(batch.wanted_segments()));
            self.layer(layer, &mut residual, &forward, cache, Some(&WantedRows { rows, segments }))?;
            return residual.last(&self.norm, &self.head).map(Some);
        }
        if batch.wanted.is_empty() {
            return Ok(None);
        }
        if !batch.wants_all() {
            let wanted = forward.wanted(residual.device())?;
            residual.map(|hidden| taken(hidden, &wanted))?;
        }
        residual.last(&self.norm, &self.head).map(Some)
    }

    /// One layer; of `wanted` rows alone where they are given, which are all that is left then.
    fn layer<'n>(
        &self,
        layer: &'n Layer,
        residual: &mut Residual<'n>,
        forward: &Forward<'_>,
        cache: &LayerCache,
        wanted: Option<&WantedRows>,
    ) -> Result<()> {
        let factor = self.config.multipliers.residual;
        let attention_norm = layer.attention_norm.as_ref();
        if let Block::Parallel | Block::ParallelTwoNorms = self.config.block {
            // Side by side, the MLP sees what attention saw; with a norm of its own or the same one.
            let normed = residual.normed_for(attention_norm, layer.mlp.compute())?;
            let attended = self.attended(layer, |linear| linear.product(&normed), forward, cache, wanted)?;
            let normed = match wanted {
                Some(wanted) => {
                    residual.map(|hidden| taken(hidden, &wanted.rows))?;
                    taken(&normed, &wanted.rows)?
                }
                None => normed,
            };
            let mixed = match &layer.mlp_norm {
                Some(norm) => layer.mlp.forward(&residual.normed_for(Some(norm), layer.mlp.compute())?)?,
                None => layer.mlp.forward(&normed)?,
            };
            residual.add_product(&layer.output, attended, None, factor)?;
            return residual.add(mixed, None, 1.0);
        }
        let attended =
            self.attended(layer, |linear| residual.product(attention_norm, linear), forward, cache, wanted)?;
        if let Some(wanted) = wanted {
            residual.map(|hidden| taken(hidden, &wanted.rows))?;
        }
        residual.add_product(&layer.output, attended, layer.attention_post_norm.as_ref(), factor)?;
        layer.mlp.add_to(residual, [layer.mlp_norm.as_ref(), layer.mlp_post_norm.as_ref()], factor)
    }

    /// The heads' values, mixed by attention, `(T, heads * head_dim)`, of what `product` makes of the projection. Keys and
    /// values are stored.
    fn attended(
        &self,
        layer: &Layer,
        product: impl FnOnce(&Linear) -> Result<Tensor>,
        forward: &Forward<'_>,
        cache: &LayerCache,
        wanted: Option<&WantedRows>,
    ) -> Result<Tensor> {
        let attention = Attention {
            segments: Arc::clone(wanted.map_or(&forward.batch.segments, |wanted| &wanted.segments)),
            scale: self.config.attention_scale as f32,
            cap: self.config.caps.attention.map(|cap| cap as f32),
            window: layer.window,
            simd: self.simd,
        };
        #[cfg(feature = "cuda")]
        if let Some(tables) = &forward.tables {
            let heads = layer.projections.heads(product)?;
            if forward.batch.is_one_token_each() {
                return heads.decode(&attention, cache, tables);
            }
            let queries = heads.store(cache, tables)?;
            return match forward.paged.attend(&attention, &queries, cache)? {
                Some(attended) => Ok(attended),
                None => crate::cuda::attention::attend(&attention, &queries, cache, tables),
            };
        }
        let queries = self.read(layer, product, forward, cache)?;
        match wanted {
            Some(wanted) => attention.apply(&taken(&queries, &wanted.rows)?, cache, &forward.paged),
            None => attention.apply(&queries, cache, &forward.paged),
        }
    }

    /// Stores the keys and values of what `product` makes of a layer's projection, and gives the queries `(T, heads,
    /// head_dim)`.
    fn read(
        &self,
        layer: &Layer,
        product: impl FnOnce(&Linear) -> Result<Tensor>,
        forward: &Forward<'_>,
        cache: &LayerCache,
    ) -> Result<Tensor> {
        let angles = layer.rope.map(|rope| &forward.angles[rope]);
        self.store(&layer.projections.forward(product)?, angles, forward.batch, cache)
    }

    /// Writes the keys and values of projected rows to the cache and gives their queries `(T, heads, head_dim)`.
    fn store(
        &self,
        projected: &Tensor,
        angles: Option<&Angles>,
        batch: &RaggedBatch,
        cache: &LayerCache,
    ) -> Result<Tensor> {
        let DecoderConfig { heads, kv_heads, head_dim, .. } = self.config;
        let (wide, narrow) = (heads * head_dim, kv_heads * head_dim);
        if fused(projected.device()) {
            let keys = StoreKeysOp { head_dim, offset: wide, angles, runs: &batch.runs };
            let values = StoreValuesOp { offset: wide + narrow, runs: &batch.runs };
            let store = || {
                cache.keys.inplace_op2(projected, &keys)?;
                cache.values.inplace_op2(projected, &values)
            };
            let queries = || projected.apply_op1_no_bwd(&QueriesOp { angles, heads, head_dim });
            let (stored, queries) =
                if batch.tokens.len() < MANY_ROWS { (store(), queries()) } else { rayon::join(store, queries) };
            return stored.and(queries);
        }
        let part = |from, heads: usize| {
            projected.narrow(1, from, heads * head_dim)?.contiguous()?.reshape(((), heads, head_dim))
        };
        let rotated = |part: Tensor| match angles {
            Some(angles) => angles.rotate(&part),
            None => Ok(part),
        };
        let (keys, values) = (rotated(part(wide, kv_heads)?)?, part(wide + narrow, kv_heads)?);
        cache.write(&keys, &values, &batch.runs)?;
        rotated(part(0, heads)?)
    }
}

/// Rows of a table by their numbers.
fn taken(table: &Tensor, rows: &Tensor) -> Result<Tensor> {
    #[cfg(feature = "cuda")]
    if crate::cpu::has_own_kernels(table.device(), table.dtype()) {
        return crate::cuda::rows::take_rows(table, rows);
    }
    table.index_select(rows, 0)
}

impl Layer {
    fn load(
        config: &DecoderConfig,
        weights: &CheckpointTensors,
        index: usize,
        layer: &LayerConfig,
        dtype: DType,
    ) -> std::result::Result<Self, CheckpointError> {
        let names = &config.names;
        let prefix = format!("{}.{index}", names.layers);
        let norm = |wanted: bool, name: &str| {
            wanted.then(|| Norm::load(weights, &format!("{prefix}.{name}"), config.hidden, config.norm)).transpose()
        };
        let before = config.block != Block::After;
        let after = matches!(config.block, Block::After | Block::Around);
        let width = config.heads * config.head_dim;
        let output = format!("{prefix}.{}", names.attention_output);
        Ok(Self {
            computes_on: LayerDevice { device: weights.device().clone(), dtype },
            attention_norm: norm(before, names.attention_norm)?,
            projections: QueryKeyValue::load(config, weights, &prefix)?,
            output: StoredLinear::load(weights, &output, (width, config.hidden), config.biases.out)?
                .ready(weights, weights.quantization())
                .map_err(|source| weights.unreadable(&source))?,
            attention_post_norm: norm(after, names.attention_post_norm)?,
            mlp_norm: norm(before && config.block != Block::Parallel, names.mlp_norm)?,
            mlp: Mlp::load(config, weights, &prefix, &layer.mlp)?,
            mlp_post_norm: norm(after, names.mlp_post_norm)?,
            window: layer.window,
            rope: layer.rope,
        })
    }
}

#[cfg(test)]
mod tests;
