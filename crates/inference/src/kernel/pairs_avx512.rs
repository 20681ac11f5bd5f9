//! `x W^T` in pairs of bfloat16, by AVX-512 BF16: two steps of a sum in one instruction.
//!
//! Few rows of `x` are multiplied as weights are decoded. Where there are many, weights of two panels are decoded into a
//! buffer of pairs that stays in the first-level cache, and tiles of rows by two panels go over it.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_add_ps, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_si512,
};

use half::bf16;

use super::layout::DEPTH;
use super::micro_kernels::{PAIR, PART, Product, ROWS, in_rows, parts};
use super::pair_sources::{PairSource, words};
use super::pairs::Bf16Pair;
use super::simd::LANES;
use super::sources::with_source;
use super::vector::Avx512;

/// The weights of `P` panels side by side, two steps of each lane together.
pub(super) type PairSteps<const P: usize> = [[[u32; LANES]; P]];

impl Product<'_, Bf16Pair> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn panels_in_pairs(&self, from: usize, to: usize) {
        with_source!(self.weights, W => {
            let paired = from + (to - from) / PAIR * PAIR;
            if self.m < W::MANY_ROWS {
                self.few_rows_in_pairs::<W, PAIR>(from, paired);
                return self.few_rows_in_pairs::<W, 1>(paired, to);
            }
            for top in (0..self.m).step_by(ROWS) {
                let rows = (top, self.m.min(top + ROWS));
                self.rows_in_pairs::<W, PAIR>(rows, from, paired);
                self.rows_in_pairs::<W, 1>(rows, paired, to);
            }
        });
    }

    /// Columns of panels `from..to`, `P` at a time, of all rows, decoded as they are used.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn few_rows_in_pairs<W: PairSource, const P: usize>(&self, from: usize, to: usize) {
        for panel in (from..to).step_by(P) {
            let mut row = 0;
            // From eight rows on there are sums enough in flight with one panel.
            for panel in panel..panel + P {
                row = 0;
                // SAFETY (both): a panel has as many blocks as `x`; these rows and panels are there, and are this task's.
                in_rows!(row to self.m, R of [16, 8] => unsafe { self.few_in_pairs::<W, R, 1>((row, panel)) });
            }
            in_rows!(row to self.m, R of [4, 2, 1] => unsafe { self.few_in_pairs::<W, R, P>((row, panel)) });
        }
    }

    /// Writes the columns of rows that are multiplied as weights are decoded.
    ///
    /// # Safety
    /// As of [`write`](Self::write), and a panel has as many blocks as `x`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn few_in_pairs<W: PairSource, const R: usize, const P: usize>(&self, (row, panel): (usize, usize)) {
        let mut at = panel;
        // SAFETY (both): this function has the features; the caller's promise.
        let readers = [(); P].map(|()| {
            at += 1;
            unsafe { W::reader::<Avx512>(self.weights, at - 1) }
        });
        let x = self.x[row * self.stride..(row + R) * self.stride].as_ptr();
        unsafe { self.write::<Avx512, R, P>((row, panel), few_in_pairs::<W, R, P>(readers, x, self.stride)) };
    }

    /// Columns of panels `from..to`, `P` at a time, of rows `top..bottom`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn rows_in_pairs<W: PairSource, const P: usize>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> =
            // SAFETY: this function has the features.
            (from..to).map(|panel| unsafe { W::reader::<Avx512>(self.weights, panel) }).collect();
        let mut buffer = [[[0u32; LANES]; P]; PART / 2];
        for part in parts(2 * self.stride) {
            let buffer = &mut buffer[..part.len() / 2];
            for (at, readers) in readers.as_chunks_mut::<P>().0.iter_mut().enumerate() {
                let (panel, mut row) = (from + at * P, top);
                // SAFETY: a panel has as many blocks as `x`; these rows and panels are there, and are this task's.
                unsafe {
                    decode_pairs::<W, P>(readers, buffer);
                    in_rows!(row to bottom, R of [8, 4, 2, 1] => {
                        let x = self.x[row * self.stride..(row + R) * self.stride].as_ptr().add(part.start / 2);
                        let sums = tile_of_pairs::<R, P>(buffer, x, self.stride);
                        self.add::<Avx512, R, P>((row, panel), part.start, sums);
                    });
                }
            }
        }
    }
}

/// Sums over whole panels, `P` of them, of `R` rows of `x`, which are `stride` long: weights are multiplied as they are
/// decoded.
///
/// # Safety
/// All of that can be read.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn few_in_pairs<W: PairSource, const R: usize, const P: usize>(
    mut weights: [W::Reader<'_, Avx512>; P],
    x: *const Bf16Pair,
    stride: usize,
) -> [[__m512; P]; R] {
    let mut totals = [[_mm512_setzero_ps(); P]; R];
    for steps in parts(2 * stride) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        for block in steps.step_by(DEPTH) {
            for (panel, weights) in weights.iter_mut().enumerate() {
                // SAFETY (both): the caller's promise.
                for (step, weight) in unsafe { W::next_pairs(weights) }.into_iter().enumerate() {
                    for (row, sums) in sums.iter_mut().enumerate() {
                        let values = unsafe { splat(x.add(row * stride + block / 2 + step)) };
                        sums[panel] = _mm512_dpbf16_ps(sums[panel], values, pairs(weight));
                    }
                }
            }
        }
        for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
            *total = _mm512_add_ps(*total, *sum);
        }
    }
    totals
}

/// Decodes the next blocks of `P` panels into `buffer`.
///
/// # Safety
/// The panels have so many more.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn decode_pairs<W: PairSource, const P: usize>(
    readers: &mut [W::Reader<'_, Avx512>; P],
    buffer: &mut PairSteps<P>,
) {
    for block in buffer.chunks_exact_mut(DEPTH / 2) {
        for (side, reader) in readers.iter_mut().enumerate() {
            // SAFETY (both): the caller's promise; there is room for a vector.
            for (pair, out) in unsafe { W::next_pairs(reader) }.into_iter().zip(block.iter_mut()) {
                unsafe { _mm512_storeu_si512(out[side].as_mut_ptr().cast(), pair) };
            }
        }
    }
}

/// Sums over the steps in `buffer` of `R` rows of `x`, whose rows are `stride` long.
///
/// # Safety
/// All of that can be read.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile_of_pairs<const R: usize, const P: usize>(
    buffer: &PairSteps<P>,
    x: *const Bf16Pair,
    stride: usize,
) -> [[__m512; P]; R] {
    let mut sums = [[_mm512_setzero_ps(); P]; R];
    for (step, panels) in buffer.iter().enumerate() {
        // SAFETY (both): the caller's promise.
        let weights = panels.each_ref().map(|panel| pairs(unsafe { _mm512_loadu_si512(panel.as_ptr().cast()) }));
        for (row, sums) in sums.iter_mut().enumerate() {
            let values = unsafe { splat(x.add(row * stride + step)) };
            for (sum, &weights) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_dpbf16_ps(*sum, values, weights);
            }
        }
    }
    sums
}

/// A pair in every lane.
///
/// # Safety
/// There is one.
#[inline]
#[target_feature(enable = "avx512f")]
pub(super) unsafe fn splat(pair: *const Bf16Pair) -> __m512bh {
    // SAFETY: the caller's promise.
    pairs(_mm512_set1_epi32(unsafe { *pair }.0.cast_signed()))
}

/// Rounds as many values as are whole vectors of pairs into `out`; how many those are.
#[target_feature(enable = "avx512f,avx512bf16")]
pub(super) fn round_vectors(values: &[f32], out: &mut [bf16]) -> usize {
    let vectors = values.as_chunks::<{ 2 * LANES }>().0;
    for (values, out) in vectors.iter().zip(out.as_chunks_mut::<{ 2 * LANES }>().0) {
        // SAFETY: there are two vectors of values, and room for one of halves.
        unsafe {
            let (first, second) = (_mm512_loadu_ps(values.as_ptr()), _mm512_loadu_ps(values.as_ptr().add(LANES)));
            _mm512_storeu_si512(out.as_mut_ptr().cast(), words(_mm512_cvtne2ps_pbh(second, first)));
        }
    }
    vectors.len() * 2 * LANES
}

pub(super) fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, and any are of either.
    unsafe { std::mem::transmute(words) }
}
