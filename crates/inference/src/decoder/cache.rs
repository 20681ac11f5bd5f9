//! Keys and values of all sequences, in blocks.

use candle_core::{DType, Device, Result, Shape, Tensor};

use super::batch::SlotRun;
use super::blocks::BlockCopy;
#[cfg(feature = "cuda")]
use super::blocks::BlockId;
use super::layer_device::LayerDevice;
#[cfg(feature = "cuda")]
use super::rope::{AngleTable, RopeTable};
use crate::checkpoint::config::DecoderConfig;
#[cfg(feature = "cuda")]
use crate::checkpoint::config::RopeConfig;
use crate::cpu::fused;
#[cfg(feature = "cuda")]
use crate::cuda::shared_keys::counters;
use crate::kernel::{BLOCK, LANES};

/// One layer's keys and values. Slot `block * BLOCK + offset` holds one token.
pub(crate) struct LayerCache {
    /// `(blocks * BLOCK, kv_heads, head_dim)`; on the CPU `(blocks * BLOCK / LANES, kv_heads, head_dim, LANES)`, as its
    /// kernel reads them.
    pub(crate) keys: Tensor,
    /// `(blocks * BLOCK, kv_heads, head_dim)`.
    pub(crate) values: Tensor,
    /// What positions are turned by, on an NVIDIA GPU; none where the layer has no positions.
    #[cfg(feature = "cuda")]
    pub(crate) angles: Option<AngleTable>,
    /// By which blocks of the step's attention know who is last, on an NVIDIA GPU.
    #[cfg(feature = "cuda")]
    pub(crate) counters: Option<Tensor>,
}

/// Keys and values of every layer.
pub(crate) struct PagedCache {
    layers: Vec<LayerCache>,
    /// Blocks that sequences can have.
    #[cfg_attr(not(feature = "cuda"), allow(dead_code, reason = "only GPUs have one more"))]
    blocks: usize,
    /// Positions that a sequence can have.
    positions: usize,
}

impl PagedCache {
    /// Room for `blocks` blocks; each layer's are on its own one of `devices`. On the CPU the pages are only claimed as
    /// they are written, and those of different layers by different tokens.
    pub(crate) fn new<'p>(
        config: &DecoderConfig,
        blocks: usize,
        devices: impl IntoIterator<Item = &'p LayerDevice>,
    ) -> Result<Self> {
        let DecoderConfig { kv_heads, head_dim, .. } = *config;
        let slots = |blocks| (blocks * BLOCK, kv_heads, head_dim);
        let by_vector = (blocks * BLOCK / LANES, kv_heads, head_dim, LANES);
        let layers = config.layers.len();
        let positions = config.context.min(blocks * BLOCK);
        #[cfg(feature = "cuda")]
        let mut tables = AngleTables { ropes: &config.ropes, positions, made: Vec::new() };
        let layer = |(index, LayerDevice { device, dtype }): (usize, &LayerDevice)| {
            if fused(device) {
                let keys = zeros(by_vector, (2 * index, 2 * layers), *dtype, device)?;
                let values = zeros(slots(blocks), (2 * index + 1, 2 * layers), *dtype, device)?;
                return Ok(LayerCache::new(keys, values));
            }
            // One more is nobody's: rows that fill up a captured step write there.
            let [keys, values] = [(); 2].map(|()| Tensor::zeros(slots(blocks + 1), *dtype, device));
            Ok(LayerCache {
                #[cfg(feature = "cuda")]
                angles: config.layers[index].rope.map(|rope| tables.on(rope, device)).transpose()?,
                #[cfg(feature = "cuda")]
                counters: device.is_cuda().then(|| counters(config.heads, kv_heads, device)).transpose()?,
                ..LayerCache::new(keys?, values?)
            })
        };
        Ok(Self { layers: devices.into_iter().enumerate().map(layer).collect::<Result<_>>()?, blocks, positions })
    }

    /// Positions that a sequence can have.
    pub(crate) fn positions(&self) -> usize {
        self.positions
    }

    /// The block that is nobody's. On the CPU there is none.
    #[cfg(feature = "cuda")]
    pub(crate) fn spare_block(&self) -> BlockId {
        self.blocks as BlockId
    }

    pub(crate) fn layer(&self, index: usize) -> &LayerCache {
        &self.layers[index]
    }

    /// Copies the beginning of a block into another, in every layer.
    pub(crate) fn copy(&mut self, copy: BlockCopy) -> Result<()> {
        let (from, to) = (copy.from as usize * BLOCK, copy.to as usize * BLOCK);
        for layer in &self.layers {
            for tensor in [&layer.keys, &layer.values] {
                // Keys of the CPU lie together by vectors of tokens.
                let together = if tensor.rank() == 4 { LANES } else { 1 };
                let (from, to, count) = (from / together, to / together, copy.tokens.div_ceil(together));
                // Not `copy`, which clones all of the storage behind a view.
                let part = tensor.narrow(0, from, count)?.force_contiguous()?;
                tensor.slice_set(&part, 0, to)?;
            }
        }
        Ok(())
    }
}

/// What positions are turned by, made once for each device and rotary embedding.
#[cfg(feature = "cuda")]
struct AngleTables<'c> {
    ropes: &'c [RopeConfig],
    positions: usize,
    made: Vec<(usize, Device, AngleTable)>,
}

#[cfg(feature = "cuda")]
impl AngleTables<'_> {
    fn on(&mut self, rope: usize, device: &Device) -> Result<AngleTable> {
        let made = self.made.iter().find(|(of, on, _)| *of == rope && on.same_device(device));
        if let Some((_, _, table)) = made {
            return Ok(table.clone());
        }
        let table = RopeTable::new(&self.ropes[rope]).table(self.positions, device)?;
        self.made.push((rope, device.clone(), table.clone()));
        Ok(table)
    }
}

/// What the system clears at once when a page is first written, where it has large pages.
const LARGE_PAGE: usize = 2 << 20;

/// Zeros that begin `index / count` of a large page behind where memory does. Tensors that are filled alike would else all
/// reach their next pages with the same token, and whoever streams would wait until all of them are cleared.
fn zeros(shape: impl Into<Shape>, (index, count): (usize, usize), dtype: DType, device: &Device) -> Result<Tensor> {
    let shape = shape.into();
    let rows = shape.dim(0)?;
    let row = shape.elem_count() / rows.max(1) * dtype.size_in_bytes();
    let before = LARGE_PAGE * index / count / row.max(1);
    let mut dims = shape.into_dims();
    dims[0] += before;
    Tensor::zeros(dims, dtype, device)?.narrow(0, before, rows)
}

impl LayerCache {
    pub(crate) fn new(keys: Tensor, values: Tensor) -> Self {
        Self {
            keys,
            values,
            #[cfg(feature = "cuda")]
            angles: None,
            #[cfg(feature = "cuda")]
            counters: None,
        }
    }

    /// Writes the batch's keys and values, `(T, kv_heads, head_dim)` each, to their slots.
    pub(crate) fn write(&self, keys: &Tensor, values: &Tensor, runs: &[SlotRun]) -> Result<()> {
        for run in runs {
            self.keys.slice_set(&keys.narrow(0, run.row, run.length)?, 0, run.slot)?;
            self.values.slice_set(&values.narrow(0, run.row, run.length)?, 0, run.slot)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tensors_that_are_filled_alike_reach_their_next_large_pages_at_different_tokens() -> Result<()> {
        let (count, row) = (8, 3 * 4 * size_of::<f32>());
        for index in 0..count {
            let tensor = zeros((10, 3, 4), (index, count), DType::F32, &Device::Cpu)?;
            assert_eq!(tensor.dims(), [10, 3, 4]);
            assert!(tensor.is_contiguous());
            let before = tensor.layout().start_offset() * size_of::<f32>();
            let wanted = LARGE_PAGE * index / count;
            assert!(before.is_multiple_of(row) && (wanted - row..=wanted).contains(&before) || index == 0, "{before}");
        }
        Ok(())
    }
}
