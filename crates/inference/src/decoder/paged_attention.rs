//! Attention over the paged cache by whatever a device has: on the CPU by the kernel, which reads the cache in place.

use candle_core::{CpuStorage, CustomOp3, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::attention::Attention;
use super::batch::Segment;
use super::cache::LayerCache;
use super::flash::Paged;
use super::fused::contiguous;
use crate::cpu::fused;
use crate::kernel::{self, Cached, HeadQuery, ProductValue, Scoring, TOGETHER, new_parts, together_in_pairs};

/// Most scores that are computed at once by tensor operations, 256 MiB of them.
const SCORES: usize = 1 << 26;

impl Attention {
    /// Attention of `queries` `(T, heads, head_dim)` over `cache`, `(T, heads * head_dim)`; on the CPU in the cache's type,
    /// which is the one that the next product is computed in.
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
        let (tokens, heads, width) = query_layout.shape().dims3()?;
        let kv_heads = key_layout.shape().dims()[1];
        let queries = contiguous(queries, query_layout)?;
        // Outputs lie in the order of segments: these are all rows, one behind the other.
        let ends = self.segments.iter().try_fold(0, |end, it| (it.start == end).then_some(end + it.length));
        if ends != Some(tokens) {
            bail!("segments that are not all of {tokens} rows in their order");
        }
        let scoring = Scoring { scale: self.scale, cap: self.cap };
        let out = if let CpuStorage::BF16(_) = keys {
            let (keys, values) = (contiguous(keys, key_layout)?, contiguous(values, value_layout)?);
            CpuStorage::BF16(self.tiles(
                queries,
                (heads, width),
                (keys, values, kv_heads),
                together_in_pairs(self.simd, width),
                |scratch, queries, seen, out| {
                    kernel::attend_in_pairs(self.simd, queries, seen, scoring, scratch, out);
                },
            ))
        } else {
            let (keys, values) = (contiguous(keys, key_layout)?, contiguous(values, value_layout)?);
            CpuStorage::F32(self.tiles(
                queries,
                (heads, width),
                (keys, values, kv_heads),
                TOGETHER,
                |scratch, queries, seen, out| {
                    kernel::attend(self.simd, queries, seen, scoring, scratch, out);
                },
            ))
        };
        Ok((out, (tokens, heads * width).into()))
    }
}

impl Attention {
    /// Has `attend(scratch, queries, what they see, out)` attend at most so many queries `together`, of
    /// `(T, heads, head_dim)`, to keys and values of so many heads: `(T, heads * head_dim)`, in the type of these.
    fn tiles<T: ProductValue>(
        &self,
        queries: &[f32],
        (heads, width): (usize, usize),
        (keys, values, kv_heads): (&[T], &[T], usize),
        together: usize,
        attend: impl Fn(&mut Vec<f32>, &[HeadQuery<'_>], Cached<'_, T>, &mut [&mut [f32]]) + Sync,
    ) -> Vec<T> {
        let (group, row) = (heads / kv_heads, heads * width);
        let parts: Vec<AttentionPart<'_>> =
            self.segments.iter().flat_map(|it| AttentionPart::of(it, group, together)).collect();
        let work = |part: &AttentionPart<'_>| part.length * (part.segment.past + part.first + part.length) * row;
        let all: usize = parts.iter().map(work).sum();
        let parts_of_a_task = (TASK * parts.len()).div_ceil(all.max(1)).max(1);
        let lengths = parts.iter().map(|part| part.length * row);
        new_parts(lengths, T::ZERO, parts_of_a_task, |(scratch, wide): &mut (Vec<f32>, Vec<f32>), index, out| {
            let part = &parts[index];
            let AttentionPart { segment, first, length } = *part;
            let tile = |scratch: &mut Vec<f32>, head: usize, cells: &mut [(usize, &mut [f32])]| {
                let seen = Cached { keys, values, blocks: &segment.blocks, kv_heads, head, head_dim: width };
                let mut asked = Vec::with_capacity(together);
                let mut out = Vec::with_capacity(together);
                for (index, cell) in cells {
                    let values = &queries[(segment.start * heads + *index) * width..][..width];
                    asked.push(HeadQuery { values, range: self.range(segment.past + *index / heads) });
                    out.push(&mut **cell);
                }
                attend(scratch, &asked, seen, &mut out);
            };
            T::through(self.simd, wide, out, |out| {
                let mut of_heads: Vec<Vec<(usize, &mut [f32])>> = Vec::new();
                of_heads.resize_with(kv_heads, || Vec::with_capacity(length * group));
                for (at, out) in out.chunks_exact_mut(width).enumerate() {
                    of_heads[at % heads / group].push((first * heads + at, out));
                }
                let tiles = of_heads
                    .iter_mut()
                    .enumerate()
                    .flat_map(|(head, cells)| cells.chunks_mut(together).map(move |cells| (head, cells)));
                // A few tokens that see many are more than one task.
                if work(part) < 2 * TASK || parts.len() >= rayon::current_num_threads() * PARTS_OF_A_THREAD {
                    tiles.for_each(|(head, cells)| tile(scratch, head, cells));
                } else {
                    let tiles: Vec<_> = tiles.collect();
                    let tiles_of_a_task = (TASK * tiles.len()).div_ceil(work(part)).max(1);
                    let tiles = tiles.into_par_iter().with_min_len(tiles_of_a_task).with_max_len(tiles_of_a_task);
                    tiles.for_each_init(Vec::new, |scratch, (head, cells)| tile(scratch, head, cells));
                }
            });
        })
    }
}

/// Multiplications that make a task of their own worth while.
const TASK: usize = 1 << 17;
/// Queries of a head's keys and values in a part: those of one head come one after the other, while what they read is near.
const QUERIES: usize = 32;
/// Parts that are enough for a thread to find one when others are still busy.
const PARTS_OF_A_THREAD: usize = 16;

/// Some tokens of a sequence that lie together: a head's queries of them fill whole tiles.
struct AttentionPart<'a> {
    segment: &'a Segment,
    /// The first one's number among those of the segment.
    first: usize,
    length: usize,
}

impl<'a> AttentionPart<'a> {
    /// Where `group` heads of a token read the same keys and values.
    fn of(segment: &'a Segment, group: usize, together: usize) -> impl Iterator<Item = Self> {
        let most = QUERIES.div_ceil(group).next_multiple_of(together);
        let part = move |first| AttentionPart { segment, first, length: most.min(segment.length - first) };
        (0..segment.length).step_by(most).map(part)
    }
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
    use crate::kernel::{BLOCK, LANES, Simd, components_together};

    #[test]
    fn the_kernel_agrees_with_gathered_tensor_operations() -> Result<()> {
        let device = Device::Cpu;
        let (heads, kv_heads, slots) = (6, 2, 10 * BLOCK);
        let segments = Arc::new(vec![
            Segment { start: 0, length: 5, past: 0, blocks: vec![3] },
            Segment { start: 5, length: 1, past: 40, blocks: vec![7, 1, 9] },
            Segment { start: 6, length: 20, past: 13, blocks: vec![0, 5, 2] },
        ]);
        let cases = [(None, None), (Some(7), None), (None, Some(0.5))];
        for (width, (window, cap)) in [8, 2 * LANES].into_iter().flat_map(|width| cases.map(|case| (width, case))) {
            let random = |tokens, heads| Tensor::randn(0f32, 1.0, (tokens, heads, width), &device);
            let (queries, keys, values) = (random(26, heads)?, random(slots, kv_heads)?, random(slots, kv_heads)?);
            let (vectors, together) = (slots / LANES, components_together(width));
            let of_tokens = (vectors, LANES, kv_heads, width / together, together);
            let cache = LayerCache::new(
                keys.reshape((vectors, LANES, kv_heads, width))?.permute((0, 2, 3, 1))?.contiguous()?,
                values.reshape(of_tokens)?.permute((0, 2, 3, 1, 4))?.contiguous()?,
            );
            let by_slot = LayerCache::new(keys, values);
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
