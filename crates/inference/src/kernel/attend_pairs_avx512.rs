//! Attention in bfloat16 by AVX-512 BF16: keys and values that all queries see are read once.

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512i, _mm256_storeu_si256, _mm512_and_si512, _mm512_cvtneps_pbh, _mm512_dpbf16_ps,
    _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_storeu_ps,
};

use half::bf16;

use super::attend_together::TOGETHER;
use super::pairs::Bf16Pair;
use super::pairs_avx512::{pairs, round_vectors, splat};
use super::round::round_each;
use super::scoring::{BLOCK, Cached, HeadQuery, PairScratch, Scoring, seen_by_any_and_by_all, weigh};
use super::simd::LANES;

/// Vectors of keys whose products are built up together, and of the output: sums enough to hide an addition's latency.
const VECTORS: usize = 4;

/// As [`attend_in_pairs`](super::attend_pairs::attend_in_pairs), of heads that are a multiple of [`LANES`] wide.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
pub(super) fn attend_avx512(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut PairScratch,
    out: &mut [&mut [f32]],
) {
    match queries.len() {
        1 => exactly::<1>(queries, seen, scoring, scratch, out),
        2 => exactly::<2>(queries, seen, scoring, scratch, out),
        3 => exactly::<3>(queries, seen, scoring, scratch, out),
        4 => exactly::<4>(queries, seen, scoring, scratch, out),
        more => assert!(more == 0, "at most {TOGETHER} queries are computed together"),
    }
}

/// Exactly `N` queries.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
fn exactly<const N: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut PairScratch,
    out: &mut [&mut [f32]],
) {
    assert!(seen.head_dim.is_multiple_of(LANES) && queries.len() == N && out.len() == N);
    assert!(queries.iter().all(|query| query.values.len() == seen.head_dim));
    assert!(out.iter().all(|out| out.len() == seen.head_dim));
    let ((from, to), (common_from, common_to)) = seen_by_any_and_by_all(queries);
    // In whole pairs.
    let common = (common_from.next_multiple_of(2), common_to / 2 * 2);
    let nothing = (to.next_multiple_of(2), to.next_multiple_of(2));
    let common = if common.0 < common.1 { common } else { nothing };
    let (first, last) = (from / LANES, to.div_ceil(LANES));
    let length = (last - first) * LANES;
    let width = seen.head_dim / 2;
    // All of it is written before it is read.
    scratch.queries.resize(scratch.queries.len().max(N * width), Bf16Pair(0));
    scratch.scores.resize(scratch.scores.len().max(N * length), 0.0);
    scratch.weights.resize(scratch.weights.len().max(N * length / 2), Bf16Pair(0));
    let rounded = &mut scratch.queries[..N * width];
    for (query, rounded) in queries.iter().zip(rounded.chunks_exact_mut(width)) {
        let rounded = Bf16Pair::halves_mut(rounded);
        let done = round_vectors(query.values, rounded);
        round_each(&query.values[done..], &mut rounded[done..]);
    }
    let scores = &mut scratch.scores[..N * length];
    let mut index = first;
    while index + VECTORS <= last {
        products::<N, VECTORS>(rounded, seen, index, &mut scores[(index - first) * LANES..], length);
        index += VECTORS;
    }
    while index < last {
        products::<N, 1>(rounded, seen, index, &mut scores[(index - first) * LANES..], length);
        index += 1;
    }
    let start = first * LANES;
    let mut mixing = PairMixing { seen, weights: [&[]; N], start, ranges: [(0, 0); N], inverse: [0.0; N] };
    let of_queries = scores.chunks_exact_mut(length).zip(scratch.weights.chunks_exact_mut(length / 2));
    for (index, (query, (scores, weights))) in queries.iter().zip(of_queries).enumerate() {
        let (from, to) = query.range;
        mixing.inverse[index] = 1.0 / weigh::<true>(scoring, &mut scores[from - start..to - start]);
        // What is not seen shares pairs with what is.
        scores[..from - start].fill(0.0);
        scores[to - start..].fill(0.0);
        round_weights(scores, weights);
        (mixing.weights[index], mixing.ranges[index]) = (weights, query.range);
    }
    let mut lane = 0;
    while lane + VECTORS * LANES <= seen.head_dim {
        mixing.values::<VECTORS>(lane, common, out);
        lane += VECTORS * LANES;
    }
    while lane < seen.head_dim {
        mixing.values::<1>(lane, common, out);
        lane += LANES;
    }
}

/// Rounds whole vectors of weights.
#[inline]
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
fn round_weights(weights: &[f32], out: &mut [Bf16Pair]) {
    for (weights, out) in weights.as_chunks::<LANES>().0.iter().zip(out.as_chunks_mut::<{ LANES / 2 }>().0) {
        // SAFETY: there is a vector of weights, and room for half a one of pairs, which are 32 bytes as any.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(weights.as_ptr()));
            _mm256_storeu_si256(out.as_mut_ptr().cast(), std::mem::transmute::<__m256bh, __m256i>(rounded));
        }
    }
}

/// Products of `N` queries with `B` vectors of keys from the `first` on, into `out`: query `n`'s begin at `n * length`.
#[inline]
#[target_feature(enable = "avx512f,avx512bf16")]
fn products<const N: usize, const B: usize>(
    queries: &[Bf16Pair],
    seen: Cached<'_, bf16>,
    first: usize,
    out: &mut [f32],
    length: usize,
) {
    let width = seen.head_dim / 2;
    let mut keys = [std::ptr::null(); B];
    for (index, keys) in keys.iter_mut().enumerate() {
        *keys = seen.keys(first + index).as_ptr();
    }
    let queries = &queries[..N * width];
    let mut sums = [[_mm512_setzero_ps(); B]; N];
    // SAFETY: `keys` gave `head_dim / 2` vectors of pairs each time, and queries have so many pairs; room for a vector is cut.
    unsafe {
        for component in 0..width {
            let mut vectors = [_mm512_set1_epi32(0); B];
            for (vector, keys) in vectors.iter_mut().zip(&keys) {
                *vector = _mm512_loadu_si512(keys.add(component * 2 * LANES).cast());
            }
            for (query, sums) in sums.iter_mut().enumerate() {
                let query = splat(queries.as_ptr().add(query * width + component));
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_dpbf16_ps(*sum, query, pairs(vector));
                }
            }
        }
        for (query, sums) in sums.iter().enumerate() {
            for (index, &sum) in sums.iter().enumerate() {
                _mm512_storeu_ps(out[query * length + index * LANES..][..LANES].as_mut_ptr(), sum);
            }
        }
    }
}

/// Weighted means of values, of `N` queries.
struct PairMixing<'a, const N: usize> {
    seen: Cached<'a, bf16>,
    /// Per query the weights of the positions from `start` on, which is even.
    weights: [&'a [Bf16Pair]; N],
    start: usize,
    /// What each query sees.
    ranges: [(usize, usize); N],
    /// What the weights' sums are divided by.
    inverse: [f32; N],
}

impl<const N: usize> PairMixing<'_, N> {
    /// `B` vectors of the values from component `lane` on. Every sum goes over the pairs of positions in their order: over
    /// the `common` ones, which all see, together.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn values<const B: usize>(&self, lane: usize, common: (usize, usize), out: &mut [&mut [f32]]) {
        let mut sums = [[_mm512_setzero_ps(); B]; N];
        for (query, sums) in sums.iter_mut().enumerate() {
            let (from, to) = self.ranges[query];
            self.add_own(query, (from, to.min(common.0)), lane, sums);
        }
        self.add_common(common, lane, &mut sums);
        for (query, sums) in sums.iter_mut().enumerate() {
            let (from, to) = self.ranges[query];
            self.add_own(query, (from.max(common.1), to), lane, sums);
        }
        for (query, sums) in sums.into_iter().enumerate() {
            let inverse = _mm512_set1_ps(self.inverse[query]);
            for (vector, sum) in sums.into_iter().enumerate() {
                let out = &mut out[query][lane + vector * LANES..][..LANES];
                // SAFETY: there is room for a vector.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_mul_ps(sum, inverse)) };
            }
        }
    }

    /// Adds weighted values of the pairs of positions `from..to`, which are whole, to the sums of all queries.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn add_common<const B: usize>(&self, (mut from, to): (usize, usize), lane: usize, sums: &mut [[__m512; B]; N]) {
        // What is of one block of the cache has one distance from the next.
        while from < to {
            let count = (BLOCK - from % BLOCK).min(to - from) / 2;
            let (values, stride) = self.seen.pairs_of_values(from / 2, count, lane, B * LANES);
            let mut weights = [std::ptr::null(); N];
            for (weights, all) in weights.iter_mut().zip(&self.weights) {
                *weights = all[(from - self.start) / 2..][..count].as_ptr();
            }
            for at in 0..count {
                // SAFETY: `values` and the weights have so many pairs.
                unsafe {
                    let mut vectors = [_mm512_set1_epi32(0); B];
                    for (index, vector) in vectors.iter_mut().enumerate() {
                        *vector = load(values.as_ptr().add(at * stride + index * LANES));
                    }
                    for (sums, weights) in sums.iter_mut().zip(weights) {
                        let weight = splat(weights.add(at));
                        for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                            *sum = _mm512_dpbf16_ps(*sum, weight, pairs(vector));
                        }
                    }
                }
            }
            from += 2 * count;
        }
    }

    /// Adds weighted values of positions `from..to` to the sums of one query. Of a pair of which it sees one, the other
    /// counts as zero, whatever it is.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bf16")]
    fn add_own<const B: usize>(&self, query: usize, (from, to): (usize, usize), lane: usize, sums: &mut [__m512; B]) {
        if from >= to {
            return;
        }
        for pair in from / 2..to.div_ceil(2) {
            let (values, _) = self.seen.pairs_of_values(pair, 1, lane, B * LANES);
            let first = if 2 * pair >= from { 0x0000_ffff } else { 0 };
            let second = if 2 * pair + 1 < to { 0xffff_0000u32 } else { 0 };
            let mask = _mm512_set1_epi32((first | second).cast_signed());
            let weight = &self.weights[query][pair - self.start / 2];
            for (index, sum) in sums.iter_mut().enumerate() {
                // SAFETY: there are so many vectors of values, and there is a weight.
                unsafe {
                    let vector = _mm512_and_si512(load(values[index * LANES..].as_ptr()), mask);
                    *sum = _mm512_dpbf16_ps(*sum, splat(weight), pairs(vector));
                }
            }
        }
    }
}

/// A vector of pairs.
///
/// # Safety
/// There is one.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn load(at: *const [bf16; 2]) -> __m512i {
    // SAFETY: the caller's promise.
    unsafe { _mm512_loadu_si512(at.cast()) }
}
