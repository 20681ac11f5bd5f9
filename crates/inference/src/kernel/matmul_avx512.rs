//! `x W^T` written out for AVX-512.
//!
//! Few rows of `x` are multiplied as weights are decoded, up to sixteen sums in registers: the memory is read once, from
//! one end to the other. Where there are many rows, weights of two panels are decoded into a buffer that stays in the
//! first-level cache, and tiles of eight rows by two panels go over it.

use std::arch::x86_64::{
    __m512, _mm512_add_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::matmul::{PAIR, PART, Product, parts};
use super::panels::{DEPTH, Format};
use super::readers_avx512::{Bf16, F16, F32, Q8, Reader, Source, Twelve};
use super::simd::LANES;

/// Rows from which on weights are decoded into a buffer.
const MANY_ROWS: usize = 24;
/// Rows of a tile over the buffer.
const TILE_ROWS: usize = 8;
/// Rows of `x` that are worked on together: those steps of them stay in the second-level cache.
const ROWS: usize = 512;
/// Sums over whole panels, `P` of them, of `R` rows of `x`, which are `stride` long.
///
/// # Safety
/// All of that can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn few<W: Reader, const R: usize, const P: usize>(
    mut weights: [W; P],
    x: *const f32,
    stride: usize,
) -> [[__m512; P]; R] {
    let mut totals = [[_mm512_setzero_ps(); P]; R];
    for steps in parts(stride) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        for block in steps.step_by(DEPTH) {
            for (panel, weights) in weights.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let x = x.add(block);
                    for (step, weight) in weights.next().into_iter().enumerate() {
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let value = _mm512_set1_ps(*x.add(row * stride + step));
                            sums[panel] = _mm512_fmadd_ps(value, weight, sums[panel]);
                        }
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

/// Sums of the steps of two panels in the buffer, which holds the decoded weights of both step by step: `R` rows of `x`, which are `stride` long.
///
/// # Safety
/// All of that can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize>(buffer: &[[f32; PAIR * LANES]], x: *const f32, stride: usize) -> [[__m512; PAIR]; R] {
    let mut sums = [[_mm512_setzero_ps(); PAIR]; R];
    for (step, weights) in buffer.iter().enumerate() {
        // SAFETY: the caller's promise, and two panels' weights.
        unsafe {
            let (left, right) = (_mm512_loadu_ps(weights.as_ptr()), _mm512_loadu_ps(weights.as_ptr().add(LANES)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*x.add(row * stride + step));
                sums[0] = _mm512_fmadd_ps(value, left, sums[0]);
                sums[1] = _mm512_fmadd_ps(value, right, sums[1]);
            }
        }
    }
    sums
}

fn lanes(count: usize) -> u16 {
    u16::MAX >> (LANES - count)
}

impl Product<'_> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx512f")]
    pub(super) fn panels_avx512(&self, from: usize, to: usize) {
        match self.weights.format {
            Format::F32 => self.of::<F32>(from, to),
            Format::F16 => self.of::<F16>(from, to),
            Format::Bf16 => self.of::<Bf16>(from, to),
            Format::Twelve => self.of::<Twelve>(from, to),
            Format::Q8 => self.of::<Q8>(from, to),
        }
    }

    #[target_feature(enable = "avx512f")]
    fn of<W: Source>(&self, from: usize, to: usize) {
        let paired = from + (to - from) / PAIR * PAIR;
        if self.m < MANY_ROWS {
            for panel in (from..paired).step_by(PAIR) {
                self.few_rows::<W>(panel);
            }
        } else {
            for top in (0..self.m).step_by(ROWS) {
                self.many_rows::<W>((top, self.m.min(top + ROWS)), from, paired);
            }
        }
        for panel in paired..to {
            self.rows_of_one::<W>(panel);
        }
    }

    /// Two panels' columns of all rows, decoded as they are used.
    #[target_feature(enable = "avx512f")]
    fn few_rows<W: Source>(&self, panel: usize) {
        // From eight rows on there are sums enough in flight with one panel.
        let single = self.m / 8 * 8;
        let mut row = single;
        macro_rules! rows {
            ($count:literal) => {{
                let readers = [W::reader(self.weights, panel), W::reader(self.weights, panel + 1)];
                // SAFETY: so many rows are left, and the panels are there.
                unsafe {
                    let x = self.x[row * self.stride..(row + $count) * self.stride].as_ptr();
                    self.write(row, panel, few::<_, $count, PAIR>(readers, x, self.stride));
                }
                row += $count;
            }};
        }
        if self.m - row >= 4 {
            rows!(4);
        }
        if self.m - row >= 2 {
            rows!(2);
        }
        if self.m > row {
            rows!(1);
        }
        debug_assert_eq!(row, self.m);
        for panel in [panel, panel + 1] {
            self.eights_of_one::<W>(single, panel);
        }
    }

    /// One panel's columns of all rows.
    #[target_feature(enable = "avx512f")]
    fn rows_of_one<W: Source>(&self, panel: usize) {
        let eights = self.m / 8 * 8;
        self.eights_of_one::<W>(eights, panel);
        for row in eights..self.m {
            // SAFETY: the row and the panel are there.
            unsafe { self.rows::<W, 1>(row, panel) };
        }
    }

    /// One panel's columns of rows up to `end`, a multiple of eight.
    #[target_feature(enable = "avx512f")]
    fn eights_of_one<W: Source>(&self, end: usize, panel: usize) {
        let mut row = 0;
        while end - row >= 16 {
            // SAFETY (both): so many rows are left, and the panel is there.
            unsafe { self.rows::<W, 16>(row, panel) };
            row += 16;
        }
        if end > row {
            unsafe { self.rows::<W, 8>(row, panel) };
        }
    }

    /// One panel's columns of `R` rows from `row` on.
    ///
    /// # Safety
    /// There are such rows and such a panel.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn rows<W: Source, const R: usize>(&self, row: usize, panel: usize) {
        let x = self.x[row * self.stride..(row + R) * self.stride].as_ptr();
        // SAFETY: the caller's promise.
        unsafe { self.write(row, panel, few::<_, R, 1>([W::reader(self.weights, panel)], x, self.stride)) };
    }

    /// Writes the columns of `P` panels from `panel` on, `R` rows from `row` on.
    ///
    /// # Safety
    /// There are such rows and such panels, and they are the calling task's.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn write<const P: usize, const R: usize>(&self, row: usize, panel: usize, sums: [[__m512; P]; R]) {
        for (at, sums) in sums.into_iter().enumerate() {
            for (side, sum) in sums.into_iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let (out, count) = self.out(row + at, panel + side);
                    _mm512_mask_storeu_ps(out, lanes(count), sum);
                }
            }
        }
    }

    /// Columns of the pairs of panels `from..to` of rows `top..bottom`.
    #[target_feature(enable = "avx512f")]
    fn many_rows<W: Source>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> = (from..to).map(|panel| W::reader(self.weights, panel)).collect();
        let mut buffer = vec![[0f32; PAIR * LANES]; PART];
        for part in parts(self.stride) {
            let steps = part.len();
            for (pair, readers) in readers.as_chunks_mut::<PAIR>().0.iter_mut().enumerate() {
                for block in buffer[..steps].chunks_exact_mut(DEPTH) {
                    for (side, reader) in readers.iter_mut().enumerate() {
                        // SAFETY: the panel has as many blocks as `x`, and there is room for two panels' weights.
                        for (weight, out) in unsafe { reader.next() }.into_iter().zip(block.iter_mut()) {
                            unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(side * LANES), weight) };
                        }
                    }
                }
                self.tiles((top, bottom), from + PAIR * pair, part.start, &buffer[..steps]);
            }
        }
    }

    /// Adds the steps from `step` on, whose weights are in `buffer`, to the columns of two panels.
    #[target_feature(enable = "avx512f")]
    fn tiles(&self, (top, bottom): (usize, usize), panel: usize, step: usize, buffer: &[[f32; PAIR * LANES]]) {
        let mut row = top;
        macro_rules! tile {
            ($rows:expr) => {{
                // SAFETY: so many rows are left, the panels are there, and steps before have written their sums.
                unsafe {
                    let x = self.x[row * self.stride..(row + $rows) * self.stride].as_ptr().add(step);
                    let mut sums = tile::<$rows>(buffer, x, self.stride);
                    if step > 0 {
                        for (at, sums) in sums.iter_mut().enumerate() {
                            for (side, sum) in sums.iter_mut().enumerate() {
                                let (out, count) = self.out(row + at, panel + side);
                                *sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes(count), out), *sum);
                            }
                        }
                    }
                    self.write(row, panel, sums);
                }
                row += $rows;
            }};
        }
        while bottom - row >= TILE_ROWS {
            tile!(TILE_ROWS);
        }
        if bottom - row >= 4 {
            tile!(4);
        }
        if bottom - row >= 2 {
            tile!(2);
        }
        if bottom > row {
            tile!(1);
        }
        debug_assert_eq!(row, bottom);
    }
}
