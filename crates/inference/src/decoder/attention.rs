//! Causal attention of a ragged batch: who sees what, and the plain version by tensor operations.

use std::sync::Arc;

use candle_core::{DType, Result, Tensor};

use super::batch::Segment;
use super::cache::LayerCache;
use crate::kernel::{BLOCK, Simd};

/// One layer's attention: which rows belong to which sequence, and what they see.
pub(crate) struct Attention {
    pub(crate) segments: Arc<Vec<Segment>>,
    pub(crate) scale: f32,
    /// Soft cap of scores.
    pub(crate) cap: Option<f32>,
    pub(crate) window: Option<usize>,
    pub(crate) simd: Simd,
}

impl Attention {
    /// First and one past the last position that the token at `position` sees.
    pub(super) fn range(&self, position: usize) -> (usize, usize) {
        (self.window.map_or(0, |window| (position + 1).saturating_sub(window)), position + 1)
    }

    /// The same by tensor operations on any device: the plain version that the kernel is tested against. Rows are taken
    /// so many at a time that there are at most `most` scores, so that long prompts take no more memory than short ones.
    pub(crate) fn gathered(&self, queries: &Tensor, cache: &LayerCache, most: usize) -> Result<Tensor> {
        let (_, heads, width) = queries.dims3()?;
        let kv_heads = cache.keys.dim(1)?;
        let group = heads / kv_heads;
        let device = queries.device();
        let mut outputs = Vec::with_capacity(self.segments.len());
        for segment in self.segments.iter() {
            let total = segment.past + segment.length;
            let slots: Vec<u32> =
                (0..total).map(|at| segment.blocks[at / BLOCK] * BLOCK as u32 + (at % BLOCK) as u32).collect();
            let slots = Tensor::from_vec(slots, total, device)?;
            // (kv_heads, L, d); the queries of a group are folded into the rows: (kv_heads, group * n, d).
            let keys = cache.keys.index_select(&slots, 0)?.transpose(0, 1)?.contiguous()?;
            let values = cache.values.index_select(&slots, 0)?.transpose(0, 1)?.contiguous()?;
            let step = (most / (heads * total)).max(1);
            for from in (0..segment.length).step_by(step) {
                let rows = step.min(segment.length - from);
                let queries = queries
                    .narrow(0, segment.start + from, rows)?
                    .transpose(0, 1)?
                    .contiguous()?
                    .reshape((kv_heads, group * rows, width))?;
                let scores = (queries.matmul(&keys.transpose(1, 2)?)?.to_dtype(DType::F32)? * f64::from(self.scale))?;
                let scores = match self.cap.map(f64::from) {
                    Some(cap) => ((scores / cap)?.tanh()? * cap)?,
                    None => scores,
                };
                let mask = Tensor::from_vec(self.mask(segment, from, rows), (1, 1, rows, total), device)?;
                let scores = scores.reshape((kv_heads, group, rows, total))?.broadcast_add(&mask)?;
                let weights = candle_nn::ops::softmax_last_dim(&scores)?
                    .reshape((kv_heads, group * rows, total))?
                    .to_dtype(values.dtype())?;
                let mixed = weights.matmul(&values)?.reshape((heads, rows, width))?;
                outputs.push(mixed.transpose(0, 1)?.reshape((rows, heads * width))?);
            }
        }
        Tensor::cat(&outputs, 0)
    }

    /// What is added to the scores of `rows` rows of a segment from `from` on, `(rows, L)`: 0 where a position is seen.
    fn mask(&self, segment: &Segment, from: usize, rows: usize) -> Vec<f32> {
        let total = segment.past + segment.length;
        (from..from + rows)
            .flat_map(|row| {
                let (first, end) = self.range(segment.past + row);
                (0..total).map(move |at| if (first..end).contains(&at) { 0.0 } else { f32::NEG_INFINITY })
            })
            .collect()
    }
}
