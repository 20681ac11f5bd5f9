//! Weights in the order that the products read them.
//!
//! A panel holds the weights of [`LANES`] outputs: for every step along the summed dimension one weight of each, so that
//! a product reads memory from one end to the other and needs no sums across lanes. [`DEPTH`] steps make a block, the
//! unit that is decoded at once.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use half::{bf16, f16};
use rayon::prelude::*;

use super::bf12;
use super::blocks::{BlockFormat, BlockType, Codes, GROUP, LaneScales, MOST_WEIGHTS, with_format};
use super::layout::{DEPTH, LINE, by_pair, by_step};
use super::simd::{LANES, Simd};

/// A matrix of weights `(N, K)` as checkpoints hold it, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum DenseRows<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
}

/// How a panel's weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    F32,
    F16,
    Bf16,
    /// bfloat16 in twelve bits where that loses nothing: see [`bf12`].
    Bf12,
    /// Blocks of a GGUF type: of each panel the scales of all blocks, then their codes.
    Blocks(BlockType),
}

/// A matrix of weights `(N, K)` in panels.
pub(crate) struct Panels {
    outputs: usize,
    inputs: usize,
    pub(super) format: Format,
    /// All panels, one after the other.
    lines: Vec<CacheLine>,
    /// Where each panel begins, in lines; and where the last one ends.
    starts: Vec<usize>,
    /// What [`Format::Bf12`] needs besides, per panel.
    pub(super) windows: Vec<bf12::Window>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct CacheLine([u8; LINE]);

impl Panels {
    /// Rearranges `rows`, whose rows are `inputs` long.
    ///
    /// bfloat16 is written in twelve bits where the processor can afford to read those, and most blocks can be.
    pub(crate) fn pack(rows: DenseRows<'_>, inputs: usize, simd: Simd) -> Self {
        let (outputs, format, block) = match rows {
            DenseRows::F32(values) => (values.len() / inputs, Format::F32, 4 * DEPTH * LANES),
            DenseRows::F16(values) => (values.len() / inputs, Format::F16, 2 * DEPTH * LANES),
            DenseRows::Bf16(values) => {
                let outputs = values.len() / inputs;
                if simd.reads_bf12()
                    && let Some(panels) = Self::pack_bf12(values, outputs, inputs)
                {
                    return panels;
                }
                (outputs, Format::Bf16, bf12::WIDE_BLOCK)
            }
        };
        let bytes = inputs.div_ceil(DEPTH) * block;
        let mut panels = Self::of_equal_panels(outputs, inputs, format, bytes);
        panels.fill(|panel, out| {
            let lanes = panel * LANES..outputs.min((panel + 1) * LANES);
            match rows {
                DenseRows::F32(values) => write(values, lanes, inputs, out, by_step, f32::to_le_bytes),
                DenseRows::F16(values) => write(values, lanes, inputs, out, by_step, f16::to_le_bytes),
                DenseRows::Bf16(values) => write(values, lanes, inputs, out, by_pair, bf16::to_le_bytes),
            }
        });
        panels
    }

    /// Rearranges `outputs` rows of blocks of a GGUF type, `inputs` weights long, a multiple of a block's. `read` gives the
    /// stored bytes of some rows: of a panel at a time, so that no second copy of a matrix is wanted.
    ///
    /// # Errors
    /// When `read` has one.
    pub(crate) fn pack_blocks<E: Send>(
        kind: BlockType,
        (outputs, inputs): (usize, usize),
        read: impl Fn(Range<usize>, &mut [u8]) -> Result<(), E> + Sync,
    ) -> Result<Self, E> {
        let row = inputs / kind.weights() * kind.bytes();
        let bytes = with_format!(kind, F => scales_bytes::<F>(inputs) + inputs / GROUP * Codes::<F>::BYTES);
        let mut panels = Self::of_equal_panels(outputs, inputs, Format::Blocks(kind), bytes);
        let failed = Mutex::new(None);
        panels.fill(|panel, out| {
            let lanes = panel * LANES..outputs.min((panel + 1) * LANES);
            let mut stored = vec![0; lanes.len() * row];
            match read(lanes, &mut stored) {
                Ok(()) => with_format!(kind, F => write_blocks::<F>(&stored, row, out)),
                Err(error) => *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error),
            }
        });
        match failed.into_inner().unwrap_or_else(PoisonError::into_inner) {
            Some(error) => Err(error),
            None => Ok(panels),
        }
    }

    /// In twelve bits; `None` if too many blocks need sixteen.
    fn pack_bf12(values: &[bf16], outputs: usize, inputs: usize) -> Option<Self> {
        if !inputs.is_multiple_of(DEPTH) {
            return None;
        }
        let count = outputs.div_ceil(LANES);
        let rows = |panel: usize| &values[panel * LANES * inputs..outputs.min((panel + 1) * LANES) * inputs];
        let windows: Vec<bf12::Window> =
            (0..count).into_par_iter().map(|panel| bf12::Window::of(rows(panel), inputs)).collect();
        let wide: usize = windows.iter().map(|window| window.wide.len()).sum();
        if wide > count * (inputs / DEPTH) / 4 {
            return None;
        }
        let mut starts = vec![0];
        for window in &windows {
            starts.push(starts[starts.len() - 1] + window.bytes(inputs / DEPTH) / LINE);
        }
        let mut panels = Self::with_room(outputs, inputs, Format::Bf12, starts);
        panels.fill(|panel, out| windows[panel].write(rows(panel), inputs, out));
        panels.windows = windows;
        Some(panels)
    }

    /// Room for panels of so many bytes each.
    fn of_equal_panels(outputs: usize, inputs: usize, format: Format, bytes: usize) -> Self {
        let (count, lines) = (outputs.div_ceil(LANES), bytes.div_ceil(LINE));
        Self::with_room(outputs, inputs, format, (0..=count).map(|panel| panel * lines).collect())
    }

    fn with_room(outputs: usize, inputs: usize, format: Format, starts: Vec<usize>) -> Self {
        let lines = vec![CacheLine([0; LINE]); starts[starts.len() - 1]];
        Self { outputs, inputs, format, lines, starts, windows: Vec::new() }
    }

    /// Has `write(panel, its bytes)` write every panel.
    fn fill(&mut self, write: impl Fn(usize, &mut [u8]) + Sync) {
        let mut parts = Vec::with_capacity(self.starts.len());
        let mut rest = self.lines.as_mut_slice();
        for ends in self.starts.windows(2) {
            let (part, after) = rest.split_at_mut(ends[1] - ends[0]);
            parts.push(part);
            rest = after;
        }
        parts.into_par_iter().enumerate().for_each(|(panel, lines)| {
            // SAFETY: lines are bytes and nothing else, and lie one after the other.
            let bytes = unsafe { std::slice::from_raw_parts_mut(lines.as_mut_ptr().cast(), lines.len() * LINE) };
            write(panel, bytes);
        });
    }

    /// `N`.
    pub(crate) fn outputs(&self) -> usize {
        self.outputs
    }

    /// `K`.
    pub(crate) fn inputs(&self) -> usize {
        self.inputs
    }

    /// Bytes that the weights take.
    #[cfg(test)]
    pub(super) fn memory(&self) -> usize {
        self.lines.len() * LINE
    }

    /// Panels that there are.
    pub(super) fn count(&self) -> usize {
        self.starts.len() - 1
    }

    /// The bytes of a panel.
    pub(super) fn bytes(&self, panel: usize) -> &[u8] {
        let lines = &self.lines[self.starts[panel]..self.starts[panel + 1]];
        // SAFETY: lines are bytes and nothing else, and lie one after the other.
        unsafe { std::slice::from_raw_parts(lines.as_ptr().cast(), lines.len() * LINE) }
    }

    /// The scales of a panel of blocks, and their codes.
    pub(super) fn scales_and_codes<F: BlockFormat>(&self, panel: usize) -> (&[u8], &[u8]) {
        self.bytes(panel).split_at(scales_bytes::<F>(self.inputs))
    }
}

/// Bytes of the scales of a panel: whole cache lines.
fn scales_bytes<F: BlockFormat>(inputs: usize) -> usize {
    (inputs / F::WEIGHTS * F::SCALES * LANES).next_multiple_of(LINE)
}

/// Writes rows of stored blocks, `row` bytes each, to a panel.
fn write_blocks<F: BlockFormat>(stored: &[u8], row: usize, out: &mut [u8]) {
    let inputs = row / F::BYTES * F::WEIGHTS;
    let (scales, codes) = out.split_at_mut(scales_bytes::<F>(inputs));
    let mut split = [0; MOST_WEIGHTS];
    for (lane, row) in stored.chunks_exact(row).enumerate() {
        let scales = scales.chunks_exact_mut(F::SCALES * LANES);
        let codes = codes.chunks_exact_mut(F::WEIGHTS / GROUP * Codes::<F>::BYTES);
        for ((block, scales), codes) in row.chunks_exact(F::BYTES).zip(scales).zip(codes) {
            let split = &mut split[..F::WEIGHTS];
            F::split(block, &mut LaneScales::new(scales, lane), split);
            for (split, codes) in split.chunks_exact(GROUP).zip(codes.chunks_exact_mut(Codes::<F>::BYTES)) {
                Codes::<F>::write(split, lane, codes);
            }
        }
    }
}

/// Writes rows `lanes` of plain values; `place` says where one belongs, by step and lane.
fn write<T: Copy, const BYTES: usize>(
    values: &[T],
    lanes: Range<usize>,
    inputs: usize,
    out: &mut [u8],
    place: impl Fn(usize, usize) -> usize,
    bytes: impl Fn(T) -> [u8; BYTES],
) {
    for (lane, row) in lanes.enumerate() {
        for (step, &value) in values[row * inputs..][..inputs].iter().enumerate() {
            out[place(step, lane) * BYTES..][..BYTES].copy_from_slice(&bytes(value));
        }
    }
}
