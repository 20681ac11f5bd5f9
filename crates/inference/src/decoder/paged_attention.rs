//! Attention over the paged cache by whatever a device has: on the CPU by the kernel, which reads the cache in place.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor};
use rayon::prelude::*;

use super::attention::Attention;
use super::batch::Segment;
use super::cache::LayerCache;
use super::flash::Paged;
use super::fused::contiguous;
use crate::cpu::fused;
use crate::kernel::{self, Cached, HeadQuery, PairScratch, Scoring, TOGETHER, new_rows};

/// Most scores that are computed at once by tensor operations, 256 MiB of them.
const SCORES: usize = 1 << 26;

impl Attention {
    /// Attention of `queries` `(T, heads, head_dim)` over `cache`, `(T, heads * head_dim)`.
    ///
    /// On the CPU, and where `paged` can, the cache is read in place; elsewhere each sequence's slots are gathered.
    pub(crate) fn apply(self, queries: &Tensor, cache: &LayerCache, paged: &Paged) -> Result<Tensor> {
        if fused(queries.device()) {
            return queries.apply_op3_no_bwd(&cache.keys, &cache.values, &self);
        }
        match paged.attend(&self, queries, cache)? {
            Some(attended) => Ok(attended),
            None => self.gathered(queries, cache, SCORES),
        }
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
        let shape = query_layout.shape().dims3()?;
        let kv_heads = key_layout.shape().dims()[1];
        let queries = contiguous(queries, query_layout)?;
        let scoring = Scoring { scale: self.scale, cap: self.cap };
        let out = if let CpuStorage::BF16(_) = keys {
            let (keys, values) = (contiguous(keys, key_layout)?, contiguous(values, value_layout)?);
            self.tiles(queries, shape, (keys, values, kv_heads), |scratch: &mut PairScratch, queries, seen, out| {
                kernel::attend_in_pairs(self.simd, queries, seen, scoring, scratch, out);
            })
        } else {
            let (keys, values) = (contiguous(keys, key_layout)?, contiguous(values, value_layout)?);
            self.tiles(queries, shape, (keys, values, kv_heads), |scratch: &mut Vec<f32>, queries, seen, out| {
                kernel::attend(self.simd, queries, seen, scoring, scratch, out);
            })
        };
        let (tokens, heads, width) = shape;
        Ok((CpuStorage::F32(out), (tokens, heads * width).into()))
    }
}

impl Attention {
    /// Has `attend(scratch, queries, what they see, out)` attend some queries at a time, of `(T, heads, head_dim)`, to keys
    /// and values of so many heads: `(T, heads * head_dim)`.
    fn tiles<T: Copy + Sync, S: Default>(
        &self,
        queries: &[f32],
        (tokens, heads, width): (usize, usize, usize),
        (keys, values, kv_heads): (&[T], &[T], usize),
        attend: impl Fn(&mut S, &[HeadQuery<'_>], Cached<'_, T>, &mut [&mut [f32]]) + Sync,
    ) -> Vec<f32> {
        let group = heads / kv_heads;
        // Zeros by all threads, which would wait for one of them.
        let mut out = new_rows((tokens, heads * width), 0f32, ZEROS_OF_A_TASK, |_, _| {});
        let mut outputs: Vec<&mut [f32]> = out.chunks_exact_mut(width).collect();
        let mut columns = Vec::new();
        for segment in self.segments.iter().rev() {
            let of_segment = outputs.split_off(segment.start * heads);
            let first = columns.len();
            columns.extend((0..kv_heads).map(|head| HeadQueries { segment, head, queries: Vec::new() }));
            for (index, out) in of_segment.into_iter().enumerate().take(segment.length * heads) {
                columns[first + index % heads / group].queries.push((index, out));
            }
        }
        let tiles: Vec<Tile<'_, '_>> = columns.iter_mut().flat_map(HeadQueries::tiles).collect();
        let work: usize = self.segments.iter().map(|it| it.length * (it.past + it.length) * heads * width).sum();
        let worth_a_task = (TASK * tiles.len()).div_ceil(work.max(1)).max(1);
        // Tiles of a long sequence lie together: who has taken them must not keep them from others.
        let tiles = tiles.into_par_iter().with_min_len(worth_a_task).with_max_len(worth_a_task);
        tiles.for_each_init(S::default, |scratch, Tile { segment, head, queries: of_tile }| {
            let seen = Cached { keys, values, blocks: &segment.blocks, kv_heads, head, head_dim: width };
            let mut asked = Vec::with_capacity(TOGETHER);
            let mut out = Vec::with_capacity(TOGETHER);
            for (index, of_query) in of_tile {
                let values = &queries[(segment.start * heads + *index) * width..][..width];
                asked.push(HeadQuery { values, range: self.range(segment.past + *index / heads) });
                out.push(&mut **of_query);
            }
            attend(scratch, &asked, seen, &mut out);
        });
        out
    }
}

/// Rows that make a task of their own worth while, if they are only filled.
const ZEROS_OF_A_TASK: usize = 64;
/// Multiplications that make a task of their own worth while.
const TASK: usize = 1 << 17;

/// All queries of a sequence that one head of its cache answers, token by token.
struct HeadQueries<'a> {
    segment: &'a Segment,
    head: usize,
    /// Each query's place among those of the segment, and its output `(head_dim,)`.
    queries: Vec<(usize, &'a mut [f32])>,
}

impl<'a> HeadQueries<'a> {
    fn tiles(&mut self) -> impl Iterator<Item = Tile<'_, 'a>> {
        let Self { segment, head, queries } = self;
        queries.chunks_mut(TOGETHER).map(|queries| Tile { segment, head: *head, queries })
    }
}

/// Some of a column's, which read keys and values together.
struct Tile<'c, 'a> {
    segment: &'a Segment,
    head: usize,
    queries: &'c mut [(usize, &'a mut [f32])],
}

/// The largest absolute value of a tensor; for tests.
#[cfg(test)]
fn max_abs(tensor: &Tensor) -> Result<f32> {
    tensor.abs()?.flatten_all()?.max(0)?.to_scalar()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use candle_core::Device;

    use super::*;
    use crate::kernel::{BLOCK, LANES, Simd};

    #[test]
    fn the_kernel_agrees_with_gathered_tensor_operations() -> Result<()> {
        let device = Device::Cpu;
        let (heads, kv_heads, width, slots) = (6, 2, 8, 10 * BLOCK);
        let keys = Tensor::randn(0f32, 1.0, (slots, kv_heads, width), &device)?;
        let values = Tensor::randn(0f32, 1.0, (slots, kv_heads, width), &device)?;
        let transposed = keys.reshape((slots / LANES, LANES, kv_heads, width))?.permute((0, 2, 3, 1))?.contiguous()?;
        let cache = LayerCache::new(transposed, values.clone());
        let by_slot = LayerCache::new(keys, values);
        let segments = Arc::new(vec![
            Segment { start: 0, length: 5, past: 0, blocks: vec![3] },
            Segment { start: 5, length: 1, past: 40, blocks: vec![7, 1, 9] },
            Segment { start: 6, length: 20, past: 13, blocks: vec![0, 5, 2] },
        ]);
        let queries = Tensor::randn(0f32, 1.0, (26, heads, width), &device)?;
        for (window, cap) in [(None, None), (Some(7), None), (None, Some(0.5))] {
            let segments = || Arc::clone(&segments);
            let attention = || Attention { segments: segments(), scale: 0.35, cap, window, simd: Simd::detect() };
            let kernel = attention().apply(&queries, &cache, &Paged::default())?;
            // All rows of a segment at once, some of them, one by one.
            for most in [SCORES, 7 * heads * 33, 1] {
                let plain = attention().gathered(&queries, &by_slot, most)?;
                assert!(max_abs(&(&kernel - plain)?)? < 1e-5);
            }
        }
        Ok(())
    }
}
