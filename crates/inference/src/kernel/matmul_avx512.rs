//! `x W^T` for AVX-512.
//!
//! Few rows of `x` are multiplied as weights are decoded, up to sixteen sums in registers: the memory is read once, from
//! one end to the other. Where there are many rows, weights of two panels are decoded into a buffer that stays in the
//! first-level cache, and tiles of eight rows by two panels go over it.

use super::micro_kernels::{PAIR, PART, Product, ROWS, decode, in_rows, parts};
use super::readers::PanelSource;
use super::simd::LANES;
use super::sources::with_source;
use super::vector::Avx512;

/// Rows from which on weights are decoded into a buffer.
const MANY_ROWS: usize = 64;

impl Product<'_> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn panels_avx512(&self, from: usize, to: usize) {
        with_source!(self.weights, W => {
            let paired = from + (to - from) / PAIR * PAIR;
            if self.m < MANY_ROWS {
                self.few_rows_avx512::<W, PAIR>(from, paired);
                self.few_rows_avx512::<W, 1>(paired, to);
            } else {
                for top in (0..self.m).step_by(ROWS) {
                    let rows = (top, self.m.min(top + ROWS));
                    self.many_rows_avx512::<W, PAIR>(rows, from, paired);
                    self.many_rows_avx512::<W, 1>(rows, paired, to);
                }
            }
        });
    }

    /// Columns of panels `from..to`, `P` at a time, of all rows, decoded as they are used.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn few_rows_avx512<W: PanelSource, const P: usize>(&self, from: usize, to: usize) {
        for panel in (from..to).step_by(P) {
            let mut row = 0;
            // From four rows on there are sums enough in flight with one panel.
            for panel in panel..panel + P {
                row = 0;
                // SAFETY (both): these rows and panels are there, and they are this task's.
                in_rows!(row to self.m, R of [16, 8, 6, 4] => unsafe { self.few::<Avx512, W, R, 1>((row, panel)) });
            }
            in_rows!(row to self.m, R of [2, 1] => unsafe { self.few::<Avx512, W, R, P>((row, panel)) });
        }
    }

    /// Columns of panels `from..to`, `P` at a time, of rows `top..bottom`.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn many_rows_avx512<W: PanelSource, const P: usize>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> =
            // SAFETY: this function has the features.
            (from..to).map(|panel| unsafe { W::reader::<Avx512>(self.weights, panel) }).collect();
        let mut buffer = [[[[0f32; LANES]; 2]; P]; PART / 2];
        for part in parts(self.stride) {
            let buffer = &mut buffer[..part.len() / 2];
            for (at, readers) in readers.as_chunks_mut::<P>().0.iter_mut().enumerate() {
                let (panel, mut row) = (from + at * P, top);
                // SAFETY: a panel has as many blocks as `x`; these rows and panels are there, and are this task's.
                unsafe {
                    decode::<Avx512, _, P>(readers, buffer);
                    in_rows!(row to bottom, R of [8, 4, 2, 1] => {
                        self.tile::<Avx512, R, P>((row, panel), part.clone(), buffer);
                    });
                }
            }
        }
    }
}
