//! Attention of a few queries written out for AVX-512.

use std::arch::x86_64::{
    __m512, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::scoring::{Cached, HeadQuery, Scoring, weigh};
use super::simd::LANES;

/// Vectors of keys whose scores are built up together: enough sums to hide an addition's latency.
const KEYS: usize = 4;
/// Vectors of the output that are summed in registers at a time.
const VECTORS: usize = 4;

/// As [`attend`](super::attend::attend); the head's width is a multiple of [`LANES`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) fn attend_avx512(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    assert!(seen.head_dim.is_multiple_of(LANES) && queries.len() == out.len());
    assert!(queries.iter().all(|query| query.values.len() == seen.head_dim));
    assert!(out.iter().all(|out| out.len() == seen.head_dim));
    match queries.len() {
        1 => several::<1>(queries, seen, scoring, scratch, out),
        2 => several::<2>(queries, seen, scoring, scratch, out),
        3 => several::<3>(queries, seen, scoring, scratch, out),
        4 => several::<4>(queries, seen, scoring, scratch, out),
        more => assert!(more == 0, "at most four queries are computed together"),
    }
}

/// Exactly `N` queries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn several<const N: usize>(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    let (mut from, mut to) = (usize::MAX, 0);
    // What all of them see.
    let (mut common_from, mut common_to) = (0, usize::MAX);
    for query in queries {
        (from, to) = (from.min(query.range.0), to.max(query.range.1));
        (common_from, common_to) = (common_from.max(query.range.0), common_to.min(query.range.1));
    }
    let (first, last) = (from / LANES, to.div_ceil(LANES));
    let length = (last - first) * LANES;
    scratch.clear();
    scratch.resize(N * length, 0.0);
    let mut index = first;
    while index + KEYS <= last {
        products::<N, KEYS>(queries, seen, index, &mut scratch[(index - first) * LANES..], length);
        index += KEYS;
    }
    while index < last {
        products::<N, 1>(queries, seen, index, &mut scratch[(index - first) * LANES..], length);
        index += 1;
    }
    let mut inverse = [0f32; N];
    for (index, query) in queries.iter().enumerate() {
        let start = index * length - first * LANES;
        let weights = &mut scratch[start + query.range.0..start + query.range.1];
        inverse[index] = 1.0 / weigh::<true>(scoring, weights);
    }

    if common_from >= common_to {
        (common_from, common_to) = (from, from);
    }
    let weights: [&[f32]; N] = std::array::from_fn(|index| &scratch[index * length..(index + 1) * length]);
    for lane in (0..seen.head_dim).step_by(VECTORS * LANES) {
        let vectors = ((seen.head_dim - lane) / LANES).min(VECTORS);
        let mut sums = [[_mm512_setzero_ps(); VECTORS]; N];
        let at = |position: usize| position - first * LANES;
        // What comes before is seen by some only, then comes what all see, then again what some do.
        for (index, query) in queries.iter().enumerate() {
            let end = if common_from == common_to { query.range.1 } else { common_from };
            for position in query.range.0..end {
                let values = seen.value(position, lane, vectors * LANES);
                add::<1>([weights[index][at(position)]], values, std::slice::from_mut(&mut sums[index]));
            }
        }
        if vectors == VECTORS {
            for position in common_from..common_to {
                let values = seen.value(position, lane, VECTORS * LANES);
                let mut of_queries = [0f32; N];
                for (index, weight) in of_queries.iter_mut().enumerate() {
                    *weight = weights[index][at(position)];
                }
                add_whole::<N>(of_queries, values, &mut sums);
            }
        } else {
            for position in common_from..common_to {
                let values = seen.value(position, lane, vectors * LANES);
                let mut of_queries = [0f32; N];
                for (index, weight) in of_queries.iter_mut().enumerate() {
                    *weight = weights[index][at(position)];
                }
                add::<N>(of_queries, values, &mut sums);
            }
        }
        for (index, query) in queries.iter().enumerate() {
            let start = if common_from == common_to { query.range.1 } else { common_to };
            for position in start..query.range.1 {
                let values = seen.value(position, lane, vectors * LANES);
                add::<1>([weights[index][at(position)]], values, std::slice::from_mut(&mut sums[index]));
            }
        }
        for (index, sums) in sums.iter().enumerate() {
            let inverse = _mm512_set1_ps(inverse[index]);
            for (vector, &sum) in sums.iter().enumerate().take(vectors) {
                let out = &mut out[index][lane + vector * LANES..][..LANES];
                // SAFETY: a vector's room, as just cut.
                unsafe { _mm512_storeu_ps(out.as_mut_ptr(), _mm512_mul_ps(sum, inverse)) };
            }
        }
    }
}

/// Products of `N` queries with `B` vectors of keys from the `first` on, into `out`: query `n`'s begin at `n * length`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn products<const N: usize, const B: usize>(
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
    let mut sums = [[_mm512_setzero_ps(); B]; N];
    for component in 0..seen.head_dim {
        // SAFETY: `keys` gave `head_dim` vectors each time, and queries are `head_dim` long (asserted).
        unsafe {
            let mut vectors = [_mm512_setzero_ps(); B];
            for (vector, keys) in vectors.iter_mut().zip(&keys) {
                *vector = _mm512_loadu_ps(keys.add(component * LANES));
            }
            for (sums, row) in sums.iter_mut().zip(&rows) {
                let query = _mm512_set1_ps(*row.add(component));
                for (sum, &vector) in sums.iter_mut().zip(&vectors) {
                    *sum = _mm512_fmadd_ps(query, vector, *sum);
                }
            }
        }
    }
    for (query, sums) in sums.iter().enumerate() {
        for (index, &sum) in sums.iter().enumerate() {
            let out = &mut out[query * length + index * LANES..][..LANES];
            // SAFETY: a vector's room, as just cut.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), sum) };
        }
    }
}

/// Adds weighted values, at most [`VECTORS`] vectors of them, to the sums of `N` queries.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn add<const N: usize>(weights: [f32; N], values: &[f32], sums: &mut [[__m512; VECTORS]]) {
    for (vector, values) in values.as_chunks::<LANES>().0.iter().enumerate() {
        // SAFETY: the chunk is a vector.
        let values = unsafe { _mm512_loadu_ps(values.as_ptr()) };
        for (sums, weight) in sums.iter_mut().zip(weights) {
            sums[vector] = _mm512_fmadd_ps(_mm512_set1_ps(weight), values, sums[vector]);
        }
    }
}

/// As [`add`] of exactly [`VECTORS`] vectors: the sums stay in registers.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
fn add_whole<const N: usize>(weights: [f32; N], values: &[f32], sums: &mut [[__m512; VECTORS]; N]) {
    assert!(values.len() == VECTORS * LANES);
    let mut vectors = [_mm512_setzero_ps(); VECTORS];
    for (index, vector) in vectors.iter_mut().enumerate() {
        // SAFETY: within the values, whose length was just checked.
        *vector = unsafe { _mm512_loadu_ps(values.as_ptr().add(index * LANES)) };
    }
    for (sums, weight) in sums.iter_mut().zip(weights) {
        let weight = _mm512_set1_ps(weight);
        for (sum, &vector) in sums.iter_mut().zip(&vectors) {
            *sum = _mm512_fmadd_ps(weight, vector, *sum);
        }
    }
}
