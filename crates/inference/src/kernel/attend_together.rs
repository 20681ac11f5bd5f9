//! Attention of a few queries together, over [`CachedSteps`]: keys and values that all of them see are read once.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::cached_steps::{CachedSteps, Floats};
use super::scoring::{Cached, HeadQuery, Scoring, seen_by_any_and_by_all, weigh};
use super::simd::LANES;
use super::vector::Vector;

/// Most queries that are computed together: their sums stay in registers.
pub(crate) const TOGETHER: usize = 4;

/// As [`attend`](super::attend::attend), or [`attend_in_pairs`](super::attend_pairs::attend_in_pairs), of heads that are a
/// multiple of [`LANES`] wide. Of one query `ONE` vectors are summed up together, of two `TWO`, of more `MORE`: sums enough
/// to hide an addition's latency, and no more than there are registers for.
///
/// # Safety
/// As of [`CachedSteps`].
#[inline(always)]
pub(super) unsafe fn attend_together<
    A: CachedSteps,
    const FMA: bool,
    const ONE: usize,
    const TWO: usize,
    const MORE: usize,
>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, A::Value>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: the caller's promise.
    unsafe {
        match queries.len() {
            1 => exactly::<A, FMA, 1, ONE>(queries, seen, scoring, scratch, out),
            2 => exactly::<A, FMA, 2, TWO>(queries, seen, scoring, scratch, out),
            3 => exactly::<A, FMA, 3, MORE>(queries, seen, scoring, scratch, out),
            4 => exactly::<A, FMA, 4, MORE>(queries, seen, scoring, scratch, out),
            more => assert!(more == 0, "at most {TOGETHER} queries are computed together"),
        }
    }
}

/// Exactly `N` queries. The products of `B` vectors of keys are built up together, and `B` vectors of the output.
///
/// # Safety
/// As of [`CachedSteps`].
#[inline(always)]
unsafe fn exactly<A: CachedSteps, const FMA: bool, const N: usize, const B: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, A::Value>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    let width = seen.head_dim;
    assert!(width.is_multiple_of(LANES) && queries.len() == N && out.len() == N);
    assert!(queries.iter().all(|query| query.values.len() == width));
    assert!(out.iter().all(|out| out.len() == width));
    let ((from, to), common) = seen_by_any_and_by_all(queries);
    let (first, last) = (from / LANES, to.div_ceil(LANES));
    let (start, length) = (first * LANES, (last - first) * LANES);
    // All of it is written before it is read.
    let size = N * (width + length);
    if scratch.len() < size {
        scratch.resize(size, 0.0);
    }
    let (components, scores) = scratch[..size].split_at_mut(N * width);
    for (components, query) in components.chunks_exact_mut(width).zip(queries) {
        components.copy_from_slice(query.values);
    }
    // SAFETY (all): the caller's promise.
    unsafe { A::prepare(components) };
    let mut index = first;
    while index + B <= last {
        unsafe { products::<A, N, B>(components, seen, index, &mut scores[(index - first) * LANES..], length) };
        index += B;
    }
    while index < last {
        unsafe { products::<A, N, 1>(components, seen, index, &mut scores[(index - first) * LANES..], length) };
        index += 1;
    }
    let mut mixing = ValueMixing::<A, N> { seen, weights: [&[]; N], start, ranges: [(0, 0); N], inverse: [0.0; N] };
    let mut of_queries = scores.chunks_exact_mut(length);
    for (index, query) in queries.iter().enumerate() {
        let Some(weights) = of_queries.next() else { unreachable!("as many as there are queries") };
        let (from, to) = query.range;
        mixing.inverse[index] = 1.0 / weigh::<FMA>(scoring, &mut weights[from - start..to - start]);
        // What is not seen may lie together with what is.
        weights[..from - start].fill(0.0);
        weights[to - start..].fill(0.0);
        unsafe { A::prepare(weights) };
        (mixing.weights[index], mixing.ranges[index]) = (weights, query.range);
    }
    let common = (common.0.next_multiple_of(A::STEPS), common.1 / A::STEPS * A::STEPS);
    let nothing = (to.next_multiple_of(A::STEPS), to.next_multiple_of(A::STEPS));
    let common = if common.0 < common.1 { common } else { nothing };
    let mut lane = 0;
    while lane + B * LANES <= width {
        unsafe { mixing.values::<B>(lane, common, out) };
        lane += B * LANES;
    }
    while lane < width {
        unsafe { mixing.values::<1>(lane, common, out) };
        lane += LANES;
    }
}

/// Products of `N` queries with `B` vectors of keys from the `first` on, into `out`: query `n`'s begin at `n * length`.
///
/// # Safety
/// As of [`CachedSteps`].
#[inline(always)]
unsafe fn products<A: CachedSteps, const N: usize, const B: usize>(
    components: &[f32],
    seen: Cached<'_, A::Value>,
    first: usize,
    out: &mut [f32],
    length: usize,
) {
    let width = seen.head_dim;
    let mut keys = [std::ptr::null(); B];
    for (index, keys) in keys.iter_mut().enumerate() {
        *keys = seen.keys(first + index).as_ptr();
    }
    let components = components[..N * width].as_ptr();
    // SAFETY: `keys` gave `head_dim` vectors each time, and so long are queries; room for a vector is cut.
    unsafe {
        let mut sums = [[A::Lanes::splat(0.0); B]; N];
        for step in 0..width / A::STEPS {
            let mut vectors = [A::cached(keys[0].add(step * A::STEPS * LANES)); B];
            for (vector, keys) in vectors.iter_mut().zip(&keys) {
                *vector = A::cached(keys.add(step * A::STEPS * LANES));
            }
            for (query, sums) in sums.iter_mut().enumerate() {
                let factors = A::factors(components.add(query * width + step * A::STEPS));
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = A::add(factors, vector, *sum);
                }
            }
        }
        for (query, sums) in sums.iter().enumerate() {
            for (index, &sum) in sums.iter().enumerate() {
                A::Lanes::store(out[query * length + index * LANES..][..LANES].as_mut_ptr(), sum);
            }
        }
    }
}

/// Values of the tokens that lie together, of one vector of components.
const VECTOR_OF_TOKENS: usize = LANES * LANES;

/// Weighted means of values, of `N` queries.
struct ValueMixing<'a, A: CachedSteps, const N: usize> {
    seen: Cached<'a, A::Value>,
    /// Per query the weights of the positions from `start` on, as [`CachedSteps::factors`] reads them.
    weights: [&'a [f32]; N],
    start: usize,
    /// What each query sees.
    ranges: [(usize, usize); N],
    /// What the weights' sums are divided by.
    inverse: [f32; N],
}

impl<A: CachedSteps, const N: usize> ValueMixing<'_, A, N> {
    /// `B` vectors, from component `lane` on, of the values at `count` positions from `from` on, which lie together: each is
    /// [`VECTOR_OF_TOKENS`] behind the one before.
    #[inline(always)]
    fn values_at<const B: usize>(&self, (from, count): (usize, usize), lane: usize) -> &[A::Value] {
        let values = &self.seen.values(from / LANES)[(lane + from % LANES) * LANES..];
        &values[..(B - 1) * VECTOR_OF_TOKENS + count * LANES]
    }

    /// Weighted sums of `B` vectors of the values from component `lane` on. Every sum goes over the positions in their
    /// order: over the `common` ones, which all see, together.
    ///
    /// # Safety
    /// As of [`CachedSteps`].
    #[inline(always)]
    unsafe fn values<const B: usize>(&self, lane: usize, common: (usize, usize), out: &mut [&mut [f32]]) {
        // SAFETY: the caller's promise; room for a vector is cut.
        unsafe {
            let mut sums = [[A::Lanes::splat(0.0); B]; N];
            for (query, sums) in sums.iter_mut().enumerate() {
                let (from, to) = self.ranges[query];
                *sums = self.add_own(query, (from, to.min(common.0)), lane, *sums);
            }
            sums = self.add(0, common, lane, sums);
            for (query, sums) in sums.iter_mut().enumerate() {
                let (from, to) = self.ranges[query];
                *sums = self.add_own(query, (from.max(common.1), to), lane, *sums);
            }
            for (query, sums) in sums.into_iter().enumerate() {
                let inverse = A::Lanes::splat(self.inverse[query]);
                for (vector, sum) in sums.into_iter().enumerate() {
                    let out = &mut out[query][lane + vector * LANES..][..LANES];
                    A::Lanes::store(out.as_mut_ptr(), A::Lanes::mul(sum, inverse));
                }
            }
        }
    }

    /// Adds weighted values of positions `from..to` to the sums of one query, which may see one alone of those that lie
    /// together.
    ///
    /// # Safety
    /// As of [`CachedSteps`].
    #[inline(always)]
    unsafe fn add_own<const B: usize>(
        &self,
        query: usize,
        (from, to): (usize, usize),
        lane: usize,
        mut sums: [Floats<A>; B],
    ) -> [Floats<A>; B] {
        let whole = (from.next_multiple_of(A::STEPS), to / A::STEPS * A::STEPS);
        // SAFETY (all): the caller's promise.
        unsafe {
            if from < whole.0 && from < to {
                sums = self.add_one(query, from, lane, sums);
            }
            [sums] = self.add(query, whole, lane, [sums]);
            if whole.0 <= whole.1 && whole.1 < to {
                sums = self.add_one(query, whole.1, lane, sums);
            }
        }
        sums
    }

    /// Adds the weighted value of the position `at`; what lies with it counts as zero, whatever it is.
    ///
    /// # Safety
    /// As of [`CachedSteps`].
    #[inline(always)]
    unsafe fn add_one<const B: usize>(
        &self,
        query: usize,
        at: usize,
        lane: usize,
        mut sums: [Floats<A>; B],
    ) -> [Floats<A>; B] {
        let step = at / A::STEPS * A::STEPS;
        let values = self.values_at::<B>((step, A::STEPS), lane);
        let weights = self.weights[query][step - self.start..][..A::STEPS].as_ptr();
        for (index, sum) in sums.iter_mut().enumerate() {
            let vector = values[index * VECTOR_OF_TOKENS..].as_ptr();
            // SAFETY: the caller's promise; there are so many vectors of values, and there are weights.
            unsafe { *sum = A::add(A::factors(weights), A::only(at % A::STEPS, A::cached(vector)), *sum) };
        }
        sums
    }

    /// Adds weighted values of positions `from..to`, whole steps, to the sums of `Q` queries from the `first` on.
    ///
    /// # Safety
    /// As of [`CachedSteps`].
    #[inline(always)]
    unsafe fn add<const Q: usize, const B: usize>(
        &self,
        first: usize,
        (mut from, to): (usize, usize),
        lane: usize,
        mut sums: [[Floats<A>; B]; Q],
    ) -> [[Floats<A>; B]; Q] {
        while from < to {
            let count = (LANES - from % LANES).min(to - from);
            let values = self.values_at::<B>((from, count), lane);
            let mut weights = [std::ptr::null(); Q];
            for (query, weights) in weights.iter_mut().enumerate() {
                *weights = self.weights[first + query][from - self.start..][..count].as_ptr();
            }
            for at in 0..count / A::STEPS {
                // SAFETY: `values` and the weights have so many steps.
                unsafe {
                    let values = values.as_ptr().add(at * A::STEPS * LANES);
                    let mut vectors = [A::cached(values); B];
                    for (index, vector) in vectors.iter_mut().enumerate() {
                        *vector = A::cached(values.add(index * VECTOR_OF_TOKENS));
                    }
                    for (sums, weights) in sums.iter_mut().zip(weights) {
                        let factors = A::factors(weights.add(at * A::STEPS));
                        for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                            *sum = A::add(factors, vector, *sum);
                        }
                    }
                }
            }
            from += count;
        }
        sums
    }
}
