//! Attention in bfloat16 by AMX: queries are the rows of a tile, sixteen tokens its columns.
//!
//! What lies in the cache in pairs lies as tiles are read. As for [products](super::pairs_amx), sums have bits of their own,
//! and the same ones whatever queries are computed together.

use std::arch::asm;
use std::arch::x86_64::{
    __m256bh, __m256i, _mm256_storeu_si256, _mm512_and_si512, _mm512_cvtneps_pbh, _mm512_loadu_ps, _mm512_loadu_si512,
    _mm512_set1_epi32, _mm512_storeu_si512,
};
use std::mem::transmute;

use half::bf16;

use super::amx_tiles::{STEPS, TILE, configure, release};
use super::layout::LINE;
use super::pairs_avx512::round_vectors;
use super::scoring::{Cached, HeadQuery, Scoring, seen_by_any_and_by_all, weigh};
use super::simd::LANES;

/// Vectors of components whose sums are built up together: enough to hide the latency of one.
const VECTORS: usize = 4;
/// Heads are multiples of so many components wide.
pub(super) const WIDTH: usize = VECTORS * LANES;
/// Values of [`LANES`] tokens, of one vector of components.
const VECTOR_OF_TOKENS: usize = LANES * LANES;

/// Of the rows of a tile, and so many vectors of components.
type MixedValues = [[[f32; LANES]; VECTORS]; TILE];

/// As [`attend_in_pairs`](super::attend_pairs::attend_in_pairs), of at most [`TILE`] queries of heads that are a multiple of
/// [`WIDTH`] wide.
///
/// # Safety
/// Tiles [are permitted](super::amx::is_permitted).
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
pub(super) unsafe fn attend_in_tiles(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY (both): the caller's promise.
    unsafe { attend_together(queries, seen, scoring, scratch, out) };
    // What only a neighbour sees was multiplied by zero, which is no zero if it is infinite.
    if queries.len() > 1 && out.iter().any(|out| out.iter().any(|value| !value.is_finite())) {
        for (query, out) in queries.chunks(1).zip(out.chunks_mut(1)) {
            unsafe { attend_together(query, seen, scoring, scratch, out) };
        }
    }
}

/// # Safety
/// As of [`attend_in_tiles`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
unsafe fn attend_together(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    let (count, width) = (queries.len(), seen.head_dim);
    assert!(width.is_multiple_of(WIDTH) && (1..=TILE).contains(&count) && out.len() == count);
    assert!(queries.iter().all(|query| query.values.len() == width));
    assert!(out.iter().all(|out| out.len() == width));
    let (range @ (from, to), _) = seen_by_any_and_by_all(queries);
    let (first, last) = (from / LANES, to.div_ceil(LANES));
    let (start, length) = (first * LANES, (last - first) * LANES);
    // All of it is written before it is read.
    let (of_components, of_edges) = (count * width / 2, LANES * width);
    let size = of_components + of_edges + count * length;
    if scratch.len() < size {
        scratch.resize(size, 0.0);
    }
    let (components, rest) = scratch[..size].split_at_mut(of_components);
    let (edges, scores) = rest.split_at_mut(of_edges);
    let components = halves_mut(components);
    for (components, query) in components.chunks_exact_mut(width).zip(queries) {
        let rounded = round_vectors(query.values, components);
        debug_assert_eq!(rounded, width);
    }
    // SAFETY (all): the caller's promise; lengths are as asserted and as cut.
    unsafe { configure([(count, LINE); 4], [(count, LINE), (count, LINE / 2)], [(TILE, LINE), (LANES / 2, LINE)]) };
    for (index, out) in (first..last).zip((0..length).step_by(LANES)) {
        unsafe { score(components, seen.keys(index), &mut scores[out..], length) };
    }
    let mut inverse = [0.0; TILE];
    for ((weights, query), inverse) in scores.chunks_exact_mut(length).zip(queries).zip(&mut inverse) {
        let (from, to) = query.range;
        *inverse = 1.0 / weigh::<true>(scoring, &mut weights[from - start..to - start]);
        weights[..from - start].fill(0.0);
        weights[to - start..].fill(0.0);
        round_in_place(weights);
    }
    let mut values: Vec<&[bf16]> = (first..last).map(|index| seen.values(index)).collect();
    let (of_first, of_last) = halves_mut(edges).split_at_mut(LANES * width);
    if let [first, ..] = &mut values[..]
        && !from.is_multiple_of(LANES)
    {
        *first = seen_values(first, start, range, of_first);
    }
    if let [.., last] = &mut values[..]
        && !to.is_multiple_of(LANES)
    {
        *last = seen_values(last, start + length - LANES, range, of_last);
    }
    let mut sums = [[[0f32; LANES]; VECTORS]; TILE];
    for lane in (0..width).step_by(WIDTH) {
        let places: Vec<*const bf16> =
            values.iter().map(|values| values[lane * LANES..][..WIDTH * LANES].as_ptr()).collect();
        unsafe { mix(scores, length, &places, &mut sums) };
        for ((out, sums), inverse) in out.iter_mut().zip(&sums).zip(inverse) {
            for (out, sum) in out[lane..][..WIDTH].iter_mut().zip(sums.as_flattened()) {
                *out = sum * inverse;
            }
        }
    }
    unsafe { release() };
}

/// Two halves in each number's place.
fn halves_mut(numbers: &mut [f32]) -> &mut [bf16] {
    // SAFETY: a number is two halves, whose alignment is less, and any bits are one of each.
    unsafe { std::slice::from_raw_parts_mut(numbers.as_mut_ptr().cast(), 2 * numbers.len()) }
}

/// Products of queries with the keys of [`LANES`] tokens, into `out`, whose rows are `length` long.
///
/// # Safety
/// Tiles are configured for attention, of as many rows as there are of `components`; there is room.
#[target_feature(enable = "avx512f")]
unsafe fn score(components: &[bf16], keys: &[bf16], out: &mut [f32], length: usize) {
    let width = keys.len() / LANES;
    // SAFETY: the caller's promise; `width` is whole tiles of steps.
    unsafe {
        asm!(
            "tilezero tmm0",
            "2:",
            "tileloadd tmm4, [{components} + {next_query}]",
            "tileloadd tmm6, [{keys} + {line}]",
            "tdpbf16ps tmm0, tmm4, tmm6",
            "add {components}, 64",
            "add {keys}, 1024",
            "dec {count}",
            "jnz 2b",
            "tilestored [{out} + {next_out}], tmm0",
            components = inout(reg) components.as_ptr() => _,
            keys = inout(reg) keys.as_ptr() => _,
            count = inout(reg) width / STEPS => _,
            next_query = in(reg) size_of::<bf16>() * width,
            line = in(reg) LINE,
            out = in(reg) out.as_mut_ptr(),
            next_out = in(reg) size_of::<f32>() * length,
            out("tmm0") _, out("tmm4") _, out("tmm6") _,
            options(nostack),
        );
    }
}

/// Rounds numbers to bfloat16, into the first half of what they took.
#[target_feature(enable = "avx512f,avx512vl,avx512bf16")]
fn round_in_place(numbers: &mut [f32]) {
    for at in (0..numbers.len()).step_by(LANES) {
        // SAFETY: there is a vector; what is written has been read.
        unsafe {
            let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(numbers[at..][..LANES].as_ptr()));
            let out = numbers.as_mut_ptr().cast::<bf16>().add(at);
            _mm256_storeu_si256(out.cast(), transmute::<__m256bh, __m256i>(rounded));
        }
    }
}

/// A copy in `out` of the values of [`LANES`] tokens from position `start` on: zeros where nobody sees them, whatever they
/// are.
#[target_feature(enable = "avx512f")]
fn seen_values<'a>(values: &[bf16], start: usize, (from, to): (usize, usize), out: &'a mut [bf16]) -> &'a [bf16] {
    /// Halves of a line: a pair of tokens.
    const PAIRS: usize = 2 * LANES;
    let is_seen = |token: usize| (from..to).contains(&(start + token));
    let kept = |token: usize| if is_seen(token) { 0xffffu32 } else { 0 };
    let lines = values.as_chunks::<PAIRS>().0.iter().zip(out.as_chunks_mut::<PAIRS>().0);
    for (line, (values, out)) in lines.enumerate() {
        let token = 2 * line % LANES;
        let kept = kept(token) | kept(token + 1) << 16;
        // SAFETY: both are a vector.
        unsafe {
            let values =
                _mm512_and_si512(_mm512_loadu_si512(values.as_ptr().cast()), _mm512_set1_epi32(kept.cast_signed()));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), values);
        }
    }
    out
}

/// Sums of the values at `places`, [`VECTORS`] vectors of components of [`LANES`] tokens each, by weights in bfloat16, whose
/// rows are `length` numbers of f32 apart.
///
/// # Safety
/// Tiles are configured for attention, and there are as many weights of each row, and so many values at each place.
#[target_feature(enable = "avx512f")]
unsafe fn mix(weights: &[f32], length: usize, places: &[*const bf16], sums: &mut MixedValues) {
    const _: () = assert!(size_of::<[bf16; VECTOR_OF_TOKENS]>() == 512);
    debug_assert!(!places.is_empty());
    // SAFETY: the caller's promise; a row of sums is as many tiles wide as there are vectors.
    unsafe {
        asm!(
            "tilezero tmm0",
            "tilezero tmm1",
            "tilezero tmm2",
            "tilezero tmm3",
            "2:",
            "mov {values}, [{places}]",
            "tileloadd tmm5, [{weights} + {next_query}]",
            "tileloadd tmm7, [{values} + {line}]",
            "tdpbf16ps tmm0, tmm5, tmm7",
            "tileloadd tmm7, [{values} + {line} + 512]",
            "tdpbf16ps tmm1, tmm5, tmm7",
            "tileloadd tmm7, [{values} + {line} + 1024]",
            "tdpbf16ps tmm2, tmm5, tmm7",
            "tileloadd tmm7, [{values} + {line} + 1536]",
            "tdpbf16ps tmm3, tmm5, tmm7",
            "add {places}, 8",
            "add {weights}, 32",
            "dec {count}",
            "jnz 2b",
            "tilestored [{sums} + {next_sums}], tmm0",
            "tilestored [{sums} + {next_sums} + 64], tmm1",
            "tilestored [{sums} + {next_sums} + 128], tmm2",
            "tilestored [{sums} + {next_sums} + 192], tmm3",
            values = out(reg) _,
            places = inout(reg) places.as_ptr() => _,
            weights = inout(reg) weights.as_ptr() => _,
            count = inout(reg) places.len() => _,
            next_query = in(reg) size_of::<f32>() * length,
            line = in(reg) LINE,
            sums = in(reg) sums.as_mut_ptr(),
            next_sums = in(reg) size_of::<[[f32; LANES]; VECTORS]>(),
            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm5") _, out("tmm7") _,
            options(nostack),
        );
    }
}
