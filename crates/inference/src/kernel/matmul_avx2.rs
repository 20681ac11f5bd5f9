//! `x W^T` for AVX2: as for AVX-512, in shapes for half as many registers of half the width.

use super::micro_kernels::{PAIR, PART, Product, ROWS, decode, in_rows, parts};
use super::readers::{PanelSource, with_source};
use super::simd::LANES;
use super::swapped_pairs::InSwappedPairs;
use super::vector::Avx2;
use crate::compute_type::ComputeType;

/// Rows from which on weights are decoded into a buffer.
const MANY_ROWS: usize = 4;

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
        let paired = from + (to - from) / PAIR * PAIR;
        if self.m < MANY_ROWS {
            self.few_rows_avx2::<W, PAIR>(from, paired);
            self.few_rows_avx2::<W, 1>(paired, to);
        } else {
            for top in (0..self.m).step_by(ROWS) {
                self.many_rows_avx2::<W>((top, self.m.min(top + ROWS)), from, to);
            }
        }
    }

    /// Columns of panels `from..to`, `P` at a time, of all rows, decoded as they are used.
    #[target_feature(enable = "avx2,fma,f16c")]
    fn few_rows_avx2<W: PanelSource, const P: usize>(&self, from: usize, to: usize) {
        for panel in (from..to).step_by(P) {
            let mut row = 0;
            // SAFETY: these rows and panels are there, and they are this task's.
            in_rows!(row to self.m, R of [2, 1] => unsafe { self.few::<Avx2, W, R, P>((row, panel)) });
        }
    }

    /// Columns of panels `from..to` of rows `top..bottom`.
    #[target_feature(enable = "avx2,fma,f16c")]
    fn many_rows_avx2<W: PanelSource>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> =
            // SAFETY: this function has the features.
            (from..to).map(|panel| unsafe { [W::reader::<Avx2>(self.weights, panel)] }).collect();
        let mut buffer = [[[0f32; LANES]; 1]; PART];
        for part in parts(self.stride) {
            let buffer = &mut buffer[..part.len()];
            for (readers, panel) in readers.iter_mut().zip(from..) {
                let mut row = top;
                // SAFETY: a panel has as many blocks as `x`; these rows and panels are there, and are this task's.
                unsafe {
                    decode::<Avx2, _, 1>(readers, buffer);
                    in_rows!(row to bottom, R of [6, 4, 2, 1] => self.tile::<Avx2, R, 1>((row, panel), part.start, buffer));
                }
            }
        }
    }
}
