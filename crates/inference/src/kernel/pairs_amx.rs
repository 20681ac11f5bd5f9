//! `x W^T` in pairs of bfloat16, by AMX: sixteen rows of `x` times sixteen pairs of steps of a panel in one instruction.
//!
//! Such an instruction adds up the first products of its sixteen pairs one after the other, likewise the second ones, and
//! adds the sum of both to the tile. So outputs have other bits than [`pairs_avx512`](super::pairs_avx512) gives them, and
//! the same in every batch: rows that fill up a tile are zeros, and no row depends on another.

use std::arch::x86_64::_mm512_storeu_si512;

use super::amx_tiles::{Sums, TILE, add_products, configure, multiply_two, release};
use super::layout::{DEPTH, LINE};
use super::micro_kernels::{PAIR, Product, ROWS};
use super::pair_sources::PairSource;
use super::pairs::Bf16Pair;
use super::pairs_avx512::PairSteps;
use super::simd::LANES;
use super::sources::with_source;
use super::vector::{Avx512, Vector};

/// Most steps between two sums that are written. So many of two panels stay in the second-level cache.
const PART: usize = 1024;
/// Steps that are decoded before they are multiplied by a few rows: so many of two panels stay in the first-level cache.
const FEW_STEPS: usize = 32;

impl Product<'_, Bf16Pair> {
    /// The columns of panels `from..to`, all rows. The steps of `x` are whole tiles, and so are its rows if they are more than
    /// one has.
    ///
    /// # Safety
    /// Tiles [are permitted](super::amx::is_permitted).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) unsafe fn panels_in_tiles(&self, from: usize, to: usize) {
        // SAFETY (all): the caller's promise.
        // Fewer rows than a tile has take less.
        let rows = (self.m.clamp(1, TILE), LINE);
        unsafe { configure([rows; 4], [rows; 2], [(TILE, LINE); 2]) };
        with_source!(self.weights, W => {
            let paired = from + (to - from) / PAIR * PAIR;
            if (1..=TILE).contains(&self.m) {
                unsafe {
                    self.few_rows_in_tiles::<W, PAIR>(from, paired);
                    self.few_rows_in_tiles::<W, 1>(paired, to);
                    return release();
                }
            }
            let mut buffer = vec![[[0u32; LANES]; PAIR]; self.stride.min(PART / 2)];
            for top in (0..self.m).step_by(ROWS) {
                let rows = (top, self.m.min(top + ROWS));
                unsafe {
                    self.rows_in_tiles::<W, PAIR>(rows, from, paired, &mut buffer);
                    self.rows_in_tiles::<W, 1>(rows, paired, to, &mut buffer);
                }
            }
        });
        unsafe { release() };
    }

    /// Columns of panels `from..to`, `P` at a time, of all rows, which are no more than a tile has.
    ///
    /// # Safety
    /// Tiles are configured for so many rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn few_rows_in_tiles<W: PairSource, const P: usize>(&self, from: usize, to: usize) {
        let mut buffer = [[[0u32; LANES]; PAIR]; FEW_STEPS / 2];
        let mut sums = [[[0f32; LANES]; PAIR]; TILE];
        let blocks = self.weights.inputs().div_ceil(DEPTH);
        for panel in (from..to).step_by(P) {
            let mut at = panel;
            // SAFETY (all): this function has the features; a panel has as many blocks as its inputs; this panel is there,
            // and is this task's.
            let mut readers = [(); P].map(|()| {
                at += 1;
                unsafe { W::reader::<Avx512>(self.weights, at - 1) }
            });
            for part in (0..self.stride).step_by(PART / 2) {
                sums[..self.m].fill([[0.0; LANES]; PAIR]);
                let end = self.stride.min(part + PART / 2);
                for start in (part..end).step_by(FEW_STEPS / 2) {
                    let buffer = &mut buffer[..(end - start).min(FEW_STEPS / 2)];
                    unsafe {
                        decode::<W, P>(&mut readers, blocks - start / (DEPTH / 2), buffer);
                        add_products(buffer, (self.x.as_ptr().add(start), self.stride), &mut sums);
                    }
                }
                unsafe { self.add_tiles::<P>((0, panel), part, &[sums]) };
            }
        }
    }

    /// Columns of panels `from..to`, `P` at a time, of rows `top..bottom`.
    ///
    /// # Safety
    /// Tiles are configured.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn rows_in_tiles<W: PairSource, const P: usize>(
        &self,
        (top, bottom): (usize, usize),
        from: usize,
        to: usize,
        buffer: &mut PairSteps<PAIR>,
    ) {
        let mut sums = [[[[0f32; LANES]; PAIR]; TILE]; 2];
        for panel in (from..to).step_by(P) {
            let mut at = panel;
            // SAFETY (all): this function has the features; a panel has as many blocks as its inputs; these rows and panels
            // are there, and are this task's.
            let mut readers = [(); P].map(|()| {
                at += 1;
                unsafe { W::reader::<Avx512>(self.weights, at - 1) }
            });
            for start in (0..self.stride).step_by(buffer.len()) {
                let buffer = &mut buffer[..(self.stride - start).min(PART / 2)];
                let blocks = self.weights.inputs().div_ceil(DEPTH) - start / (DEPTH / 2);
                unsafe { decode::<W, P>(&mut readers, blocks, buffer) };
                for row in (top..bottom).step_by(2 * TILE) {
                    let tiles = if bottom - row > TILE { 2 } else { 1 };
                    let x = self.x[row * self.stride..(row + tiles * TILE) * self.stride].as_ptr();
                    unsafe {
                        let x = (x.add(start), self.stride);
                        if tiles == 2 {
                            multiply_two(buffer, x, &mut sums);
                        } else {
                            sums[0] = [[[0.0; LANES]; PAIR]; TILE];
                            add_products(buffer, x, &mut sums[0]);
                        }
                        self.add_tiles::<P>((row, panel), start, &sums[..tiles]);
                    }
                }
            }
        }
    }

    /// Adds the sums over the pairs from `start` on.
    ///
    /// # Safety
    /// As of [`add`](Self::add).
    #[target_feature(enable = "avx512f")]
    unsafe fn add_tiles<const P: usize>(&self, (row, panel): (usize, usize), start: usize, tiles: &[Sums]) {
        for (row, sums) in (row..self.m).zip(tiles.iter().flatten()) {
            let mut at = 0;
            // SAFETY: the caller's promise.
            unsafe {
                let sums = [(); P].map(|()| {
                    at += 1;
                    Avx512::load(sums[at - 1].as_ptr())
                });
                self.add::<Avx512, 1, P>((row, panel), start, [sums]);
            }
        }
    }
}

/// Decodes the next blocks of `P` panels, which have `left` more, into `buffer`. Steps behind the last are zeros, as those
/// of `x` are.
///
/// # Safety
/// They have.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn decode<W: PairSource, const P: usize>(
    readers: &mut [W::Reader<'_, Avx512>; P],
    left: usize,
    buffer: &mut PairSteps<PAIR>,
) {
    let (blocks, _) = buffer.as_chunks_mut::<{ DEPTH / 2 }>();
    let (blocks, behind) = blocks.split_at_mut(left.min(blocks.len()));
    for block in blocks {
        for (side, reader) in readers.iter_mut().enumerate() {
            // SAFETY (both): the caller's promise; there is room for a vector.
            for (pair, out) in unsafe { W::next_pairs(reader) }.into_iter().zip(block.iter_mut()) {
                unsafe { _mm512_storeu_si512(out[side].as_mut_ptr().cast(), pair) };
            }
        }
    }
    behind.as_flattened_mut().fill([[0; LANES]; PAIR]);
}
