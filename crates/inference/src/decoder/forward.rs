//! What the layers of one forward share.

use candle_core::{Device, Result, Tensor};

use super::batch::RaggedBatch;
use super::cache::PagedCache;
use super::flash::Paged;
use super::layer_device::LayerDevice;
use super::rope::{Angles, RopeTable};
use super::step_tables::{StepNumbers, StepTables};
use crate::checkpoint::config::DecoderConfig;
use crate::cpu::has_own_kernels;
#[cfg(feature = "cuda")]
use crate::cuda::attention::{rows_of_tile, takes_heads};

/// A batch, and what was made of it where the layers are that compute now.
pub(crate) struct Forward<'a> {
    pub(crate) batch: &'a RaggedBatch,
    /// By rotary embedding; none where our own kernels turn.
    pub(crate) angles: Vec<Angles>,
    pub(crate) paged: Paged,
    /// Where our own kernels compute.
    pub(crate) tables: Option<StepTables>,
    config: &'a DecoderConfig,
    ropes: &'a [RopeTable],
    /// Positions that a sequence can have.
    positions: usize,
}

impl<'a> Forward<'a> {
    /// A forward of `batch` by a decoder with such rotary embeddings. It is not ready for any device yet.
    pub(crate) fn new(
        (config, ropes): (&'a DecoderConfig, &'a [RopeTable]),
        batch: &'a RaggedBatch,
        cache: &PagedCache,
    ) -> Self {
        let (angles, paged) = (Vec::new(), Paged::default());
        Self { batch, angles, paged, tables: None, config, ropes, positions: cache.positions() }
    }

    /// The same for layers on one GPU, where its tables are already.
    #[cfg(feature = "cuda")]
    pub(crate) fn over(self, tables: StepTables) -> Self {
        Self { tables: Some(tables), ..self }
    }

    /// Makes ready for layers on a device.
    pub(crate) fn move_to(&mut self, layer: &LayerDevice) -> Result<()> {
        self.paged.leave_device();
        self.angles.iter_mut().for_each(Angles::leave_device);
        self.tables = self.tables_on(layer)?;
        if self.tables.is_none() && self.angles.is_empty() {
            let (positions, factors) = (&self.batch.positions, &self.batch.factors);
            self.angles = self.ropes.iter().map(|rope| rope.angles(positions, factors)).collect();
        }
        Ok(())
    }

    /// The batch's tokens on `device`.
    pub(crate) fn tokens(&self, device: &Device) -> Result<Tensor> {
        self.on(device, |tables| &tables.tokens, &self.batch.tokens)
    }

    /// The rows whose logits are wanted, on `device`.
    pub(crate) fn wanted(&self, device: &Device) -> Result<Tensor> {
        self.on(device, |tables| &tables.wanted, &self.batch.wanted)
    }

    fn on(&self, device: &Device, part: fn(&StepTables) -> &Tensor, numbers: &[u32]) -> Result<Tensor> {
        match self.tables.as_ref().map(part).filter(|part| part.device().same_device(device)) {
            Some(part) => Ok(part.clone()),
            None => Tensor::new(numbers, device),
        }
    }

    /// Tables for our own kernels where these compute the layer.
    fn tables_on(&self, layer: &LayerDevice) -> Result<Option<StepTables>> {
        let config = self.config;
        let LayerDevice { device, dtype } = layer;
        if !has_own_kernels(device, *dtype) || !takes_heads(config.head_dim) {
            return Ok(None);
        }
        StepTables::new(&step_numbers(config, self.batch, self.positions), device).map(Some)
    }
}

/// A batch in numbers, for the kernels of a model whose sequences can have so many positions.
pub(crate) fn step_numbers(config: &DecoderConfig, batch: &RaggedBatch, positions: usize) -> StepNumbers {
    StepNumbers::new(batch, rows_of_tile(config.heads, config.kv_heads), positions)
}

#[cfg(not(feature = "cuda"))]
fn takes_heads(_: usize) -> bool {
    false
}

#[cfg(not(feature = "cuda"))]
fn rows_of_tile(_: usize, _: usize) -> usize {
    1
}
