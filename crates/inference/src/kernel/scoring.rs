//! What attention reads, and how products of queries and keys become weights.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::exp::exp;
use super::simd::LANES;

/// Tokens per block of the paged cache: as few as the kernels that read a block take, for the more of a prompt is then
/// found again. candle-flash-attn's take multiples of 32, the CPU's whole vectors.
pub(crate) const BLOCK: usize = if cfg!(feature = "flash-attn") { 32 } else { LANES };
const _: () = assert!(BLOCK.is_multiple_of(LANES));

/// A query: one head at one position.
#[derive(Clone, Copy)]
pub(crate) struct HeadQuery<'a> {
    /// Its components.
    pub(crate) values: &'a [f32],
    /// First and one past the last position that it sees.
    pub(crate) range: (usize, usize),
}

/// What any of some queries sees, and what all of them see, which may end before it begins.
#[inline(always)]
pub(super) fn seen_by_any_and_by_all(queries: &[HeadQuery<'_>]) -> ((usize, usize), (usize, usize)) {
    let (mut any, mut all) = ((usize::MAX, 0), (0, usize::MAX));
    for HeadQuery { range: (from, to), .. } in queries {
        any = (any.0.min(*from), any.1.max(*to));
        all = (all.0.max(*from), all.1.min(*to));
    }
    (any, all)
}

/// How products of queries and keys become scores.
#[derive(Clone, Copy)]
pub(crate) struct Scoring {
    /// What they are multiplied by.
    pub(crate) scale: f32,
    /// Soft cap: `cap * tanh(score / cap)`.
    pub(crate) cap: Option<f32>,
}

/// The cached keys and values of one sequence and one of their heads.
#[derive(Clone, Copy)]
pub(crate) struct Cached<'a, T = f32> {
    /// Keys of all slots, `(slots / LANES, kv_heads, head_dim, LANES)`; in bfloat16 `(slots / LANES, kv_heads,
    /// head_dim / 2, LANES, 2)`.
    pub(crate) keys: &'a [T],
    /// Values of all slots, `(slots / LANES, kv_heads, head_dim / together, LANES, together)`, so many components
    /// [`together`](super::cache_layout::components_together); in bfloat16 `(slots / LANES, kv_heads, head_dim / together,
    /// LANES / 2, together, 2)`.
    pub(crate) values: &'a [T],
    /// Blocks of the sequence, [`BLOCK`] slots each.
    pub(crate) blocks: &'a [u32],
    pub(crate) kv_heads: usize,
    pub(crate) head: usize,
    pub(crate) head_dim: usize,
}

impl<'a, T> Cached<'a, T> {
    /// Keys of the sequence's `index`-th [`LANES`] tokens, `(head_dim, LANES)`; in bfloat16 `(head_dim / 2, LANES, 2)`.
    #[inline(always)]
    pub(super) fn keys(&self, index: usize) -> &'a [T] {
        self.tokens(self.keys, index)
    }

    /// Values of the sequence's `index`-th [`LANES`] tokens, `(head_dim / together, LANES, together)`, so many components
    /// [`together`](super::cache_layout::components_together); in bfloat16 `(head_dim / together, LANES / 2, together, 2)`.
    #[inline(always)]
    pub(super) fn values(&self, index: usize) -> &'a [T] {
        self.tokens(self.values, index)
    }

    /// What a cache has of the sequence's `index`-th [`LANES`] tokens.
    #[inline(always)]
    fn tokens(&self, cache: &'a [T], index: usize) -> &'a [T] {
        let (at, size) = (index * LANES, self.head_dim * LANES);
        let slot = self.blocks[at / BLOCK] as usize * BLOCK + at % BLOCK;
        let start = (slot / LANES * self.kv_heads + self.head) * size;
        &cache[start..start + size]
    }
}

/// Makes products into weights that are not yet divided by their sum, which it gives.
#[inline(always)]
pub(super) fn weigh<const FMA: bool>(Scoring { mut scale, cap }: Scoring, scores: &mut [f32]) -> f32 {
    if let Some(cap) = cap {
        for score in scores.iter_mut() {
            *score = cap * (*score * scale / cap).tanh();
        }
        scale = 1.0;
    }
    // What is left over is computed as one more vector: one by one, it would take as long as several.
    let (chunks, rest) = scores.as_chunks_mut::<LANES>();
    let mut last = [f32::NEG_INFINITY; LANES];
    for (last, &score) in last.iter_mut().zip(rest.iter()) {
        *last = score * scale;
    }
    let mut most = last;
    for chunk in chunks.iter_mut() {
        for lane in 0..LANES {
            chunk[lane] *= scale;
            // A comparison, which one instruction makes; `max` would look for what is no number.
            most[lane] = if chunk[lane] > most[lane] { chunk[lane] } else { most[lane] };
        }
    }
    let mut max = f32::NEG_INFINITY;
    for score in most {
        max = max.max(score);
    }
    let mut sums = [0f32; LANES];
    for chunk in chunks.iter_mut() {
        for lane in 0..LANES {
            chunk[lane] = exp::<FMA>(chunk[lane] - max);
            sums[lane] += chunk[lane];
        }
    }
    for lane in 0..LANES {
        last[lane] = exp::<FMA>(last[lane] - max);
        sums[lane] += last[lane];
    }
    rest.copy_from_slice(&last[..rest.len()]);
    sums.iter().sum()
}
