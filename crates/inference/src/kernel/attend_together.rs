//! Attention of a few queries together, over [`Vector`]: keys and values that all of them see are read once.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::scoring::{BLOCK, Cached, HeadQuery, Scoring, seen_by_any_and_by_all, weigh};
use super::simd::LANES;
use super::vector::Vector;

/// Most queries that are computed together: their sums stay in registers.
pub(crate) const TOGETHER: usize = 4;

/// As [`attend`](super::attend::attend) of heads that are a multiple of [`LANES`] wide. Of one query four vectors are
/// summed up together, of two `TWO`, of more `MORE`: sums enough to hide an addition's latency, and no more than there are
/// registers for.
///
/// # Safety
/// As of [`Vector`].
#[inline(always)]
pub(super) unsafe fn attend_together<V: Vector, const FMA: bool, const TWO: usize, const MORE: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match queries.len() {
            1 => exactly::<V, FMA, 1, 4>(queries, seen, scoring, scratch, out),
            2 => exactly::<V, FMA, 2, TWO>(queries, seen, scoring, scratch, out),
            3 => exactly::<V, FMA, 3, MORE>(queries, seen, scoring, scratch, out),
            4 => exactly::<V, FMA, 4, MORE>(queries, seen, scoring, scratch, out),
            more => assert!(more == 0, "at most {TOGETHER} queries are computed together"),
        }
    }
}

/// Exactly `N` queries. The products of `B` vectors of keys are built up together, and `B` vectors of the output.
///
/// # Safety
/// As of [`Vector`].
#[inline(always)]
unsafe fn exactly<V: Vector, const FMA: bool, const N: usize, const B: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    assert!(seen.head_dim.is_multiple_of(LANES) && queries.len() == N && out.len() == N);
    assert!(queries.iter().all(|query| query.values.len() == seen.head_dim));
    assert!(out.iter().all(|out| out.len() == seen.head_dim));
    let ((from, to), (common_from, common_to)) = seen_by_any_and_by_all(queries);
    let (first, last) = (from / LANES, to.div_ceil(LANES));
    let length = (last - first) * LANES;
    // All of it is written before it is read.
    if scratch.len() < N * length {
        scratch.resize(N * length, 0.0);
    }
    let mut index = first;
    // SAFETY (all): the caller's promise.
    while index + B <= last {
        unsafe { products::<V, N, B>(queries, seen, index, &mut scratch[(index - first) * LANES..], length) };
        index += B;
    }
    while index < last {
        unsafe { products::<V, N, 1>(queries, seen, index, &mut scratch[(index - first) * LANES..], length) };
        index += 1;
    }
    let mut mixing =
        ValueMixing { seen, weights: [&[]; N], start: first * LANES, ranges: [(0, 0); N], inverse: [0.0; N] };
    let mut of_queries = scratch[..N * length].chunks_exact_mut(length);
    for (index, query) in queries.iter().enumerate() {
        let Some(weights) = of_queries.next() else { unreachable!("as many as there are queries") };
        let (from, to) = query.range;
        mixing.inverse[index] = 1.0 / weigh::<FMA>(scoring, &mut weights[from - mixing.start..to - mixing.start]);
        (mixing.weights[index], mixing.ranges[index]) = (weights, query.range);
    }
    let common = if common_from < common_to { (common_from, common_to) } else { (to, to) };
    let mut lane = 0;
    while lane + B * LANES <= seen.head_dim {
        unsafe { mixing.values::<V, B>(lane, common, out) };
        lane += B * LANES;
    }
    while lane < seen.head_dim {
        unsafe { mixing.values::<V, 1>(lane, common, out) };
        lane += LANES;
    }
}

/// Products of `N` queries with `B` vectors of keys from the `first` on, into `out`: query `n`'s begin at `n * length`.
///
/// # Safety
/// As of [`Vector`]; queries are as long as heads are wide.
#[inline(always)]
unsafe fn products<V: Vector, const N: usize, const B: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    first: usize,
    out: &mut [f32],
    length: usize,
) {
    let mut keys = [std::ptr::null(); B];
    for (index, keys) in keys.iter_mut().enumerate() {
        *keys = seen.keys(first + index).as_ptr();
    }
    let mut rows = [std::ptr::null(); N];
    for (row, query) in rows.iter_mut().zip(queries) {
        *row = query.values.as_ptr();
    }
    // SAFETY: `keys` gave `head_dim` vectors each time, and queries are `head_dim` long; room for a vector is cut.
    unsafe {
        let mut sums = [[V::splat(0.0); B]; N];
        for component in 0..seen.head_dim {
            let mut vectors = [V::splat(0.0); B];
            for (vector, keys) in vectors.iter_mut().zip(&keys) {
                *vector = V::load(keys.add(component * LANES));
            }
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let query = V::splat(*row.add(component));
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = V::mul_add(query, vector, *sum);
                }
            }
        }
        for (query, sums) in sums.iter().enumerate() {
            for (index, &sum) in sums.iter().enumerate() {
                V::store(out[query * length + index * LANES..][..LANES].as_mut_ptr(), sum);
            }
        }
    }
}

/// Weighted means of values, of `N` queries.
struct ValueMixing<'a, const N: usize> {
    seen: Cached<'a>,
    /// Per query the weights of the positions from `start` on.
    weights: [&'a [f32]; N],
    start: usize,
    /// What each query sees.
    ranges: [(usize, usize); N],
    /// What the weights' sums are divided by.
    inverse: [f32; N],
}

impl<const N: usize> ValueMixing<'_, N> {
    /// `B` vectors of the values from component `lane` on. Every sum goes over the positions in their order: over the
    /// `common` ones, which all see, together.
    ///
    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    unsafe fn values<V: Vector, const B: usize>(&self, lane: usize, common: (usize, usize), out: &mut [&mut [f32]]) {
        // SAFETY: the caller's promise; room for a vector is cut.
        unsafe {
            let mut sums = [[V::splat(0.0); B]; N];
            for (query, sums) in sums.iter_mut().enumerate() {
                let (from, to) = self.ranges[query];
                [*sums] = self.add::<V, 1, B>(query, (from, to.min(common.0)), lane, [*sums]);
            }
            sums = self.add::<V, N, B>(0, common, lane, sums);
            for (query, sums) in sums.iter_mut().enumerate() {
                let (from, to) = self.ranges[query];
                [*sums] = self.add::<V, 1, B>(query, (from.max(common.1), to), lane, [*sums]);
            }
            for (query, sums) in sums.into_iter().enumerate() {
                let inverse = V::splat(self.inverse[query]);
                for (vector, sum) in sums.into_iter().enumerate() {
                    let out = &mut out[query][lane + vector * LANES..][..LANES];
                    V::store(out.as_mut_ptr(), V::mul(sum, inverse));
                }
            }
        }
    }

    /// Adds weighted values of positions `from..to` to the sums of `Q` queries from the `first` on.
    ///
    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    unsafe fn add<V: Vector, const Q: usize, const B: usize>(
        &self,
        first: usize,
        (mut from, to): (usize, usize),
        lane: usize,
        mut sums: [[V::Floats; B]; Q],
    ) -> [[V::Floats; B]; Q] {
        // What is of one block of the cache has one distance from the next.
        while from < to {
            let count = (BLOCK - from % BLOCK).min(to - from);
            let (values, stride) = self.seen.values(from, count, lane, B * LANES);
            let mut weights = [std::ptr::null(); Q];
            for (query, weights) in weights.iter_mut().enumerate() {
                *weights = self.weights[first + query][from - self.start..][..count].as_ptr();
            }
            for at in 0..count {
                // SAFETY: `values` and the weights have so many positions.
                unsafe {
                    let mut vectors = [V::splat(0.0); B];
                    for (index, vector) in vectors.iter_mut().enumerate() {
                        *vector = V::load(values.as_ptr().add(at * stride + index * LANES));
                    }
                    for (sums, weights) in sums.iter_mut().zip(weights) {
                        let weight = V::splat(*weights.add(at));
                        for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                            *sum = V::mul_add(weight, vector, *sum);
                        }
                    }
                }
            }
            from += count;
        }
        sums
    }
}
