//! `x W^T` in pairs of bfloat16, by AVX-512 BF16: two steps of a sum in one instruction.
//!
//! Weights of two panels are decoded, whatever they are written in, into a buffer of pairs that stays in the first-level
//! cache, and tiles of rows by two panels go over it. Few rows go the same way, so that they have the same bits.

use std::arch::x86_64::{
    __m512, __m512bh, __m512i, _mm512_cvtne2ps_pbh, _mm512_dpbf16_ps, _mm512_loadu_si512, _mm512_permutexvar_epi16,
    _mm512_set1_epi32, _mm512_setzero_ps, _mm512_storeu_si512,
};

use super::layout::DEPTH;
use super::micro_kernels::{PAIR, PART, Product, ROWS, in_rows, parts};
use super::pairs::Bf16Pair;
use super::readers::{PanelReader, PanelSource, with_source};
use super::simd::LANES;
use super::vector::Avx512;

/// The weights of `P` panels side by side, two steps of each lane together.
type PairSteps<const P: usize> = [[[u32; LANES]; P]];

/// Where in two vectors of halves, the first after the second, each half of the pairs comes from.
const INTERLEAVED: [u16; 2 * LANES] = {
    let mut from = [0; 2 * LANES];
    let mut lane = 0;
    while lane < LANES {
        from[2 * lane] = lane as u16;
        from[2 * lane + 1] = (LANES + lane) as u16;
        lane += 1;
    }
    from
};

impl Product<'_, Bf16Pair> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn panels_in_pairs(&self, from: usize, to: usize) {
        with_source!(self.weights, W => {
            let paired = from + (to - from) / PAIR * PAIR;
            for top in (0..self.m).step_by(ROWS) {
                let rows = (top, self.m.min(top + ROWS));
                self.rows_in_pairs::<W, PAIR>(rows, from, paired);
                self.rows_in_pairs::<W, 1>(rows, paired, to);
            }
        });
    }

    /// Columns of panels `from..to`, `P` at a time, of rows `top..bottom`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    fn rows_in_pairs<W: PanelSource, const P: usize>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
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
                    decode_pairs(readers, buffer);
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

/// Decodes the next blocks of `P` panels into `buffer`, rounded to bfloat16.
///
/// # Safety
/// The panels have so many more.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn decode_pairs<W: PanelReader<Avx512>, const P: usize>(readers: &mut [W; P], buffer: &mut PairSteps<P>) {
    // SAFETY: so many bytes lie there.
    let interleaved = unsafe { _mm512_loadu_si512(INTERLEAVED.as_ptr().cast()) };
    for block in buffer.chunks_exact_mut(DEPTH / 2) {
        for (side, reader) in readers.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            let steps = unsafe { reader.next() };
            for ([first, second], out) in steps.as_chunks::<2>().0.iter().zip(block.iter_mut()) {
                let halves = words(_mm512_cvtne2ps_pbh(*second, *first));
                // SAFETY: there is room for a vector.
                unsafe {
                    let pairs = _mm512_permutexvar_epi16(interleaved, halves);
                    _mm512_storeu_si512(out[side].as_mut_ptr().cast(), pairs);
                }
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
            let values = pairs(_mm512_set1_epi32(unsafe { *x.add(row * stride + step) }.0.cast_signed()));
            for (sum, &weights) in sums.iter_mut().zip(&weights) {
                *sum = _mm512_dpbf16_ps(*sum, values, weights);
            }
        }
    }
    sums
}

fn pairs(words: __m512i) -> __m512bh {
    // SAFETY: both are 64 bytes, and any are of either.
    unsafe { std::mem::transmute(words) }
}

fn words(pairs: __m512bh) -> __m512i {
    // SAFETY: as above.
    unsafe { std::mem::transmute(pairs) }
}
