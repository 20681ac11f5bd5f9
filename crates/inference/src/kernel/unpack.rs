//! Rows of weights back from panels.

use rayon::prelude::*;

use super::layout::DEPTH;
use super::panels::Panels;
use super::readers::{PanelReader as _, PanelSource};
use super::simd::LANES;
use super::sources::with_source;
use super::vector::Portable;

/// Writes row `output` of the matrix in `panels` to `out`, `(K,)`.
pub(crate) fn unpack_row(panels: &Panels, output: usize, out: &mut [f32]) {
    let (panel, lane) = (output / LANES, output % LANES);
    match panels.windows.get(panel) {
        // Not the other lanes' as well: they are slow to decode.
        Some(window) => window.row(panels.bytes(panel), lane, out),
        None => with_source!(panels, W => row_of::<W>(panels, panel, lane, out)),
    }
}

/// All rows of the matrix in `panels`, one after the other, `(N, K)`.
pub(crate) fn unpack(panels: &Panels) -> Vec<f32> {
    let mut out = vec![0f32; panels.outputs() * panels.inputs()];
    out.par_chunks_mut(panels.inputs() * LANES).enumerate().for_each(|(panel, rows)| {
        with_source!(panels, W => rows_of::<W>(panels, panel, rows));
    });
    out
}

fn rows_of<W: PanelSource>(panels: &Panels, panel: usize, rows: &mut [f32]) {
    // SAFETY: no features are asked for.
    let mut reader = unsafe { W::reader::<Portable>(panels, panel) };
    for from in (0..panels.inputs()).step_by(DEPTH) {
        // SAFETY: rows are as long as the panel.
        let weights = unsafe { reader.next() };
        for (step, weights) in (from..panels.inputs()).zip(weights) {
            for (row, weight) in rows.chunks_exact_mut(panels.inputs()).zip(weights) {
                row[step] = weight;
            }
        }
    }
}

fn row_of<W: PanelSource>(panels: &Panels, panel: usize, lane: usize, out: &mut [f32]) {
    // SAFETY: no features are asked for.
    let mut reader = unsafe { W::reader::<Portable>(panels, panel) };
    for out in out.chunks_mut(DEPTH) {
        // SAFETY: a row is as long as the panel.
        let weights = unsafe { reader.next() };
        for (out, weights) in out.iter_mut().zip(weights) {
            *out = weights[lane];
        }
    }
}
