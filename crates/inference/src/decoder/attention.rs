//! Causal attention of a ragged batch over the paged cache.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp3, DType, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::batch::Segment;
use super::blocks::BLOCK;
use super::cache::LayerCache;
use super::fused::contiguous;
use crate::kernel::{self, Query, Simd, Visible};

/// Most scores that are computed at once by tensor operations, 256 MiB of them.
const SCORES: usize = 1 << 26;

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
    /// Attention of `queries` `(T, heads, head_dim)` over `cache`, `(T, heads * head_dim)`.
    ///
    /// On the CPU the cache is read in place; elsewhere each sequence's blocks are gathered.
    pub(crate) fn apply(self, queries: &Tensor, cache: &LayerCache) -> Result<Tensor> {
        if queries.device().is_cpu() {
            return queries.apply_op3_no_bwd(&cache.keys, &cache.values, &self);
        }
        self.gathered(queries, cache, SCORES)
    }

    /// First and one past the last position that the token at `position` sees.
    fn range(&self, position: usize) -> (usize, usize) {
        (self.window.map_or(0, |window| (position + 1).saturating_sub(window)), position + 1)
    }

    /// The same by tensor operations on any device: the plain version that the kernel is tested against. Rows are taken
    /// so many at a time that there are at most `most` scores, so that long prompts take no more memory than short ones.
    fn gathered(&self, queries: &Tensor, cache: &LayerCache, most: usize) -> Result<Tensor> {
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

impl CustomOp3 for Attention {
    fn name(&self) -> &'static str {
        "paged-attention"
    }

    fn cpu_fwd(
        &self,
        queries: &CpuStorage,
        query_layout: &Layout,
        keys: &CpuStorage,
        key_layout: &Layout,
        values: &CpuStorage,
        value_layout: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (tokens, heads, width) = query_layout.shape().dims3()?;
        let (_, kv_heads, _) = key_layout.shape().dims3()?;
        let queries = contiguous(queries, query_layout)?;
        let (keys, values) = (contiguous(keys, key_layout)?, contiguous(values, value_layout)?);
        let segment_of: Vec<u32> = self
            .segments
            .iter()
            .zip(0..)
            .flat_map(|(segment, index)| std::iter::repeat_n(index, segment.length))
            .collect();
        let mut out = vec![0f32; tokens * heads * width];
        out.par_chunks_mut(width).enumerate().with_min_len(8).for_each_init(Vec::new, |scores, (index, out)| {
            let (row, head) = (index / heads, index % heads);
            let segment = &self.segments[segment_of[row] as usize];
            let seen = Visible {
                keys,
                values,
                blocks: &segment.blocks,
                block: BLOCK,
                range: self.range(segment.past + row - segment.start),
                stride: kv_heads * width,
                offset: head / (heads / kv_heads) * width,
            };
            let query = Query { values: &queries[index * width..][..width], scale: self.scale, cap: self.cap };
            kernel::attend(self.simd, query, seen, scores, out);
        });
        Ok((CpuStorage::F32(out), (tokens, heads * width).into()))
    }
}

/// The largest absolute value of a tensor; for tests.
#[cfg(test)]
fn max_abs(tensor: &Tensor) -> Result<f32> {
    tensor.abs()?.flatten_all()?.max(0)?.to_scalar()
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    #[test]
    fn the_kernel_agrees_with_gathered_tensor_operations() -> Result<()> {
        let device = Device::Cpu;
        let (heads, kv_heads, width, slots) = (6, 2, 8, 10 * BLOCK);
        let cache = LayerCache {
            keys: Tensor::randn(0f32, 1.0, (slots, kv_heads, width), &device)?,
            values: Tensor::randn(0f32, 1.0, (slots, kv_heads, width), &device)?,
        };
        let segments = Arc::new(vec![
            Segment { start: 0, length: 5, past: 0, blocks: vec![3] },
            Segment { start: 5, length: 1, past: 40, blocks: vec![7, 1, 9] },
            Segment { start: 6, length: 20, past: 13, blocks: vec![0, 5, 2] },
        ]);
        let queries = Tensor::randn(0f32, 1.0, (26, heads, width), &device)?;
        for (window, cap) in [(None, None), (Some(7), None), (None, Some(0.5))] {
            let segments = || Arc::clone(&segments);
            let attention = || Attention { segments: segments(), scale: 0.35, cap, window, simd: Simd::detect() };
            let kernel = attention().apply(&queries, &cache)?;
            // All rows of a segment at once, some of them, one by one.
            for most in [SCORES, 7 * heads * 33, 1] {
                let plain = attention().gathered(&queries, &cache, most)?;
                assert!(max_abs(&(&kernel - plain)?)? < 1e-5);
            }
        }
        Ok(())
    }
}
