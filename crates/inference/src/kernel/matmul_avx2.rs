//! `x W^T` for AVX2.
//!
//! Weights that are floats already are widened as often as they are multiplied: that takes less than a buffer, and memory is
//! read once, from one end to the other, for as many rows as fit the second-level cache. Others are decoded into a buffer
//! from a few rows on. Tiles are six rows by one panel: twelve of sixteen registers are sums.

use super::micro_kernels::{PAIR, PART, Product, decode, in_rows, parts};
use super::readers::PanelSource;
use super::simd::LANES;
use super::sources::with_source;
use super::swapped_pairs::InSwappedPairs;
use super::vector::Avx2;
use crate::compute_type::ComputeType;

/// Rows from which on weights are decoded into a buffer where they cannot be read where they lie.
const MANY_ROWS: usize = 5;
/// Rows of `x` that are worked on together: their parts stay in the second-level cache, of half a megabyte on Zen 3.
const ROWS: usize = 192;
/// And where weights are read where they lie, and rows are read whole.
const ROWS_IN_PLACE: usize = 96;

impl Product<'_> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx2,fma,f16c")]
    pub(super) fn panels_avx2(&self, compute: ComputeType, from: usize, to: usize) {
        with_source!(self.weights, W => match compute {
            ComputeType::F32 => self.panels_of_avx2::<W>(from, to),
            ComputeType::Bf16 => self.panels_of_avx2::<InSwappedPairs<W>>(from, to),
        });
    }

    #[target_feature(enable = "avx2,fma,f16c")]
    fn panels_of_avx2<W: PanelSource>(&self, from: usize, to: usize) {
        let rows_together = if W::IN_PLACE { ROWS_IN_PLACE } else { ROWS };
        let paired = from + (to - from) / PAIR * PAIR;
        for top in (0..self.m).step_by(rows_together) {
            let rows = (top, self.m.min(top + rows_together));
            if W::IN_PLACE || self.m < MANY_ROWS {
                self.direct_avx2::<W, PAIR>(rows, from, paired);
                self.direct_avx2::<W, 1>(rows, paired, to);
            } else {
                self.buffered_avx2::<W>(rows, from, to);
            }
        }
    }

    /// Columns of panels `from..to`, `P` at a time, of rows `top..bottom`, decoded as they are used.
    #[target_feature(enable = "avx2,fma,f16c")]
    fn direct_avx2<W: PanelSource, const P: usize>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        for panel in (from..to).step_by(P) {
            let mut row = top;
            if W::IN_PLACE {
                for panel in panel..panel + P {
                    row = top;
                    // SAFETY (both): these rows and panels are there, and they are this task's.
                    in_rows!(row to bottom, R of [6, 4, 3] => unsafe { self.in_place_avx2::<W, R>((row, panel)) });
                }
            }
            if !W::IN_PLACE {
                for panel in panel..panel + P {
                    row = top;
                    in_rows!(row to bottom, R of [4, 3] => unsafe { self.few_buffered::<Avx2, W, R>((row, panel)) });
                }
            }
            in_rows!(row to bottom, R of [2, 1] => unsafe { self.few::<Avx2, W, R, P>((row, panel)) });
        }
    }

    /// Columns of a panel, of `R` rows from `row` on, whose weights are read where they lie.
    ///
    /// # Safety
    /// These rows and this panel are there, and they are the calling task's.
    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn in_place_avx2<W: PanelSource, const R: usize>(&self, (row, panel): (usize, usize)) {
        for part in parts(self.stride) {
            // SAFETY: the caller's promise.
            unsafe { self.tile_in_place::<Avx2, W::InPlace, R>((row, panel), part) };
        }
    }

    /// Columns of panels `from..to` of rows `top..bottom`, decoded into a buffer.
    #[target_feature(enable = "avx2,fma,f16c")]
    fn buffered_avx2<W: PanelSource>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> =
            // SAFETY: this function has the features.
            (from..to).map(|panel| unsafe { [W::reader::<Avx2>(self.weights, panel)] }).collect();
        let mut buffer = [[[[0f32; LANES]; 2]; 1]; PART / 2];
        for part in parts(self.stride) {
            let buffer = &mut buffer[..part.len() / 2];
            for (readers, panel) in readers.iter_mut().zip(from..) {
                let mut row = top;
                // SAFETY: a panel has as many blocks as `x`; these rows and panels are there, and are this task's.
                unsafe {
                    decode::<Avx2, _, 1>(readers, buffer);
                    in_rows!(row to bottom, R of [6, 4, 2, 1] => {
                        self.tile::<Avx2, R, 1>((row, panel), part.clone(), buffer);
                    });
                }
            }
        }
    }
}
