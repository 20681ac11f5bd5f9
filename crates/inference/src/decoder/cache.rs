//! Keys and values of all sequences, in blocks.

use candle_core::{Result, Tensor};

use super::batch::SlotRun;
use super::blocks::BlockCopy;
use super::layer_device::LayerDevice;
use crate::checkpoint::config::DecoderConfig;
use crate::cpu::fused;
use crate::kernel::{BLOCK, LANES};

/// One layer's keys and values. Slot `block * BLOCK + offset` holds one token.
pub(crate) struct LayerCache {
    /// `(blocks * BLOCK, kv_heads, head_dim)`; on the CPU `(blocks * BLOCK / LANES, kv_heads, head_dim, LANES)`, as its
    /// kernel reads them.
    pub(crate) keys: Tensor,
    /// `(blocks * BLOCK, kv_heads, head_dim)`.
    pub(crate) values: Tensor,
}

/// Keys and values of every layer.
pub(crate) struct PagedCache {
    layers: Vec<LayerCache>,
}

impl PagedCache {
    /// Room for `blocks` blocks; each layer's are on its own one of `devices`. On the CPU the pages are only claimed as
    /// they are written.
    pub(crate) fn new<'p>(
        config: &DecoderConfig,
        blocks: usize,
        devices: impl IntoIterator<Item = &'p LayerDevice>,
    ) -> Result<Self> {
        let DecoderConfig { kv_heads, head_dim, .. } = *config;
        let by_slot = (blocks * BLOCK, kv_heads, head_dim);
        let layer = |LayerDevice { device, dtype }: &LayerDevice| {
            let keys = if fused(device) {
                Tensor::zeros((blocks * BLOCK / LANES, kv_heads, head_dim, LANES), *dtype, device)?
            } else {
                Tensor::zeros(by_slot, *dtype, device)?
            };
            Ok(LayerCache { keys, values: Tensor::zeros(by_slot, *dtype, device)? })
        };
        Ok(Self { layers: devices.into_iter().map(layer).collect::<Result<_>>()? })
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

impl LayerCache {
    /// Writes the batch's keys and values, `(T, kv_heads, head_dim)` each, to their slots.
    pub(crate) fn write(&self, keys: &Tensor, values: &Tensor, runs: &[SlotRun]) -> Result<()> {
        for run in runs {
            self.keys.slice_set(&keys.narrow(0, run.row, run.length)?, 0, run.slot)?;
            self.values.slice_set(&values.narrow(0, run.row, run.length)?, 0, run.slot)?;
        }
        Ok(())
    }
}
