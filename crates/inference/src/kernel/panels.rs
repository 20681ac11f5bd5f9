//! Weights in the order that the products read them.
//!
//! A panel holds the weights of [`LANES`] outputs: for every step along the summed dimension one weight of each, so that
//! a product reads memory from one end to the other and needs no sums across lanes. [`DEPTH`] steps make a block, the
//! unit that is decoded at once.

use std::ops::Range;

use half::{bf16, f16};
use rayon::prelude::*;

use super::simd::{LANES, Simd};
use super::twelve;

/// Steps of a block along the summed dimension.
pub(super) const DEPTH: usize = 8;
/// Weights of a group of llama.cpp's `Q8_0`, which share a scale.
pub(super) const Q8_WEIGHTS: usize = 32;
/// Bytes of a group as it is stored: its scale (f16) and its integers.
const Q8_BYTES: usize = 2 + Q8_WEIGHTS;
/// Bytes of the scales of one group of each lane.
pub(super) const Q8_SCALES: usize = 2 * LANES;
/// Bytes of the groups of all lanes at the same steps: the scales, then the integers.
pub(super) const Q8_GROUP: usize = Q8_SCALES + Q8_WEIGHTS * LANES;

/// Decoded weights of a block, by step and lane.
pub(super) type Block = [[f32; LANES]; DEPTH];

/// A matrix of weights `(N, K)` as checkpoints hold it, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Rows<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
    /// llama.cpp's `Q8_0`: groups of a scale (f16) and 32 integers that it multiplies. `K` is a multiple of that.
    Q8(&'a [u8]),
}

/// How a panel's weights are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    F32,
    F16,
    Bf16,
    /// bfloat16 in twelve bits where that loses nothing: see [`twelve`].
    Twelve,
    Q8,
}

/// A matrix of weights `(N, K)` in panels.
pub(crate) struct Panels {
    outputs: usize,
    inputs: usize,
    pub(super) format: Format,
    /// All panels, one after the other.
    lines: Vec<Line>,
    /// Where each panel begins, in lines; and where the last one ends.
    starts: Vec<usize>,
    /// What [`Format::Twelve`] needs besides, per panel.
    pub(super) windows: Vec<twelve::Window>,
}

/// A cache line.
#[derive(Clone, Copy)]
#[repr(C, align(64))]
struct Line([u8; LINE]);

/// Bytes of a cache line.
pub(super) const LINE: usize = 64;

impl Panels {
    /// Rearranges `rows`, whose rows are `inputs` long.
    ///
    /// bfloat16 is written in twelve bits where the processor can afford to read those, and most blocks can be.
    pub(crate) fn pack(rows: Rows<'_>, inputs: usize, simd: Simd) -> Self {
        let (outputs, format, block) = match rows {
            Rows::F32(values) => (values.len() / inputs, Format::F32, 4 * DEPTH * LANES),
            Rows::F16(values) => (values.len() / inputs, Format::F16, 2 * DEPTH * LANES),
            Rows::Bf16(values) => {
                let outputs = values.len() / inputs;
                if simd.reads_twelve_bits()
                    && let Some(panels) = Self::pack_twelve(values, outputs, inputs)
                {
                    return panels;
                }
                (outputs, Format::Bf16, twelve::WIDE_BLOCK)
            }
            Rows::Q8(bytes) => {
                (bytes.len() / Q8_BYTES * Q8_WEIGHTS / inputs, Format::Q8, Q8_GROUP * DEPTH / Q8_WEIGHTS)
            }
        };
        let bytes = match format {
            Format::Q8 => inputs / Q8_WEIGHTS * Q8_GROUP,
            _ => inputs.div_ceil(DEPTH) * block,
        };
        let lines = bytes.div_ceil(LINE);
        let count = outputs.div_ceil(LANES);
        let mut panels = Self::with_room(outputs, inputs, format, (0..=count).map(|panel| panel * lines).collect());
        panels.fill(|panel, out| {
            let lanes = panel * LANES..outputs.min((panel + 1) * LANES);
            match rows {
                Rows::F32(values) => write(values, lanes, inputs, out, f32::to_le_bytes),
                Rows::F16(values) => write(values, lanes, inputs, out, f16::to_le_bytes),
                Rows::Bf16(values) => write(values, lanes, inputs, out, bf16::to_le_bytes),
                Rows::Q8(bytes) => write_q8(bytes, lanes, inputs, out),
            }
        });
        panels
    }

    /// In twelve bits; `None` if too many blocks need sixteen.
    fn pack_twelve(values: &[bf16], outputs: usize, inputs: usize) -> Option<Self> {
        if !inputs.is_multiple_of(DEPTH) {
            return None;
        }
        let count = outputs.div_ceil(LANES);
        let rows = |panel: usize| &values[panel * LANES * inputs..outputs.min((panel + 1) * LANES) * inputs];
        let windows: Vec<twelve::Window> =
            (0..count).into_par_iter().map(|panel| twelve::Window::of(rows(panel), inputs)).collect();
        let wide: usize = windows.iter().map(|window| window.wide.len()).sum();
        if wide > count * (inputs / DEPTH) / 4 {
            return None;
        }
        let mut starts = vec![0];
        for window in &windows {
            starts.push(starts[starts.len() - 1] + window.bytes(inputs / DEPTH) / LINE);
        }
        let mut panels = Self::with_room(outputs, inputs, Format::Twelve, starts);
        panels.fill(|panel, out| windows[panel].write(rows(panel), inputs, out));
        panels.windows = windows;
        Some(panels)
    }

    fn with_room(outputs: usize, inputs: usize, format: Format, starts: Vec<usize>) -> Self {
        let lines = vec![Line([0; LINE]); starts[starts.len() - 1]];
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

    /// Writes row `output` of the matrix to `out`, `(K,)`.
    pub(crate) fn row(&self, output: usize, out: &mut [f32]) {
        let (mut blocks, lane) = (Blocks::new(self, output / LANES), output % LANES);
        for out in out.chunks_mut(DEPTH) {
            let weights = match blocks.next_twelve() {
                // Not the other lanes' as well: they are slow to decode.
                Some((bytes, window)) => window.decode(bytes, lane),
                None => blocks.next_other().map(|step| step[lane]),
            };
            out.copy_from_slice(&weights[..out.len()]);
        }
    }
}

/// Writes rows `lanes` of plain values, step by step.
fn write<T: Copy, const BYTES: usize>(
    values: &[T],
    lanes: Range<usize>,
    inputs: usize,
    out: &mut [u8],
    bytes: impl Fn(T) -> [u8; BYTES],
) {
    for (lane, row) in lanes.enumerate() {
        for (step, &value) in values[row * inputs..][..inputs].iter().enumerate() {
            out[(step * LANES + lane) * BYTES..][..BYTES].copy_from_slice(&bytes(value));
        }
    }
}

/// Writes rows `lanes` of `Q8_0` groups.
fn write_q8(bytes: &[u8], lanes: Range<usize>, inputs: usize, out: &mut [u8]) {
    let groups = inputs / Q8_WEIGHTS;
    for (lane, row) in lanes.enumerate() {
        let row = bytes[row * groups * Q8_BYTES..][..groups * Q8_BYTES].as_chunks::<Q8_BYTES>().0;
        for ([scale_low, scale_high, integers @ ..], out) in row.iter().zip(out.chunks_exact_mut(Q8_GROUP)) {
            let (scales, out) = out.split_at_mut(Q8_SCALES);
            scales[2 * lane..][..2].copy_from_slice(&[*scale_low, *scale_high]);
            for (step, &integer) in integers.iter().enumerate() {
                out[step * LANES + lane] = integer;
            }
        }
    }
}

/// Decodes a panel block by block: the plain version.
pub(super) struct Blocks<'a> {
    format: Format,
    rest: &'a [u8],
    window: Option<&'a twelve::Window>,
    /// Blocks decoded.
    done: usize,
    /// Wide ones among them, of a panel in twelve bits.
    wide: usize,
}

impl<'a> Blocks<'a> {
    pub(super) fn new(panels: &'a Panels, panel: usize) -> Self {
        Self { format: panels.format, rest: panels.bytes(panel), window: panels.windows.get(panel), done: 0, wide: 0 }
    }

    /// The next block. There is one.
    #[expect(clippy::inline_always, reason = "it is compiled for the features of the function that it ends up in")]
    #[inline(always)]
    pub(super) fn next_block(&mut self) -> Block {
        let Some((bytes, window)) = self.next_twelve() else { return self.next_other() };
        let mut block = [[0f32; LANES]; DEPTH];
        for lane in 0..LANES {
            for (out, weight) in block.iter_mut().zip(window.decode(bytes, lane)) {
                out[lane] = weight;
            }
        }
        block
    }

    /// The next block if that is in twelve bits.
    #[expect(clippy::inline_always, reason = "it is compiled for the features of the function that it ends up in")]
    #[inline(always)]
    fn next_twelve(&mut self) -> Option<(&'a [u8], &'a twelve::Window)> {
        let window = self.window?;
        if window.wide.get(self.wide) == Some(&(self.done as u32)) {
            self.wide += 1;
            return None;
        }
        self.done += 1;
        Some((self.take(twelve::BLOCK), window))
    }

    /// The next block, which is not in twelve bits.
    #[expect(clippy::inline_always, reason = "it is compiled for the features of the function that it ends up in")]
    #[inline(always)]
    fn next_other(&mut self) -> Block {
        let block = match self.format {
            Format::F32 => self.plain(|&bytes| f32::from_le_bytes(bytes)),
            Format::F16 => self.plain(|&bytes| f16::from_le_bytes(bytes).to_f32()),
            Format::Bf16 | Format::Twelve => self.plain(|&bytes| bf16::from_le_bytes(bytes).to_f32()),
            Format::Q8 => self.q8(),
        };
        self.done += 1;
        block
    }

    fn take(&mut self, bytes: usize) -> &'a [u8] {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest;
        taken
    }

    #[expect(clippy::inline_always, reason = "it is compiled for the features of the function that it ends up in")]
    #[inline(always)]
    fn plain<const BYTES: usize>(&mut self, value: impl Fn(&[u8; BYTES]) -> f32) -> Block {
        let mut block = [[0f32; LANES]; DEPTH];
        let bytes = self.take(DEPTH * LANES * BYTES);
        for (out, bytes) in block.as_flattened_mut().iter_mut().zip(bytes.as_chunks::<BYTES>().0) {
            *out = value(bytes);
        }
        block
    }

    #[expect(clippy::inline_always, reason = "it is compiled for the features of the function that it ends up in")]
    #[inline(always)]
    fn q8(&mut self) -> Block {
        let mut block = [[0f32; LANES]; DEPTH];
        let part = self.done % (Q8_WEIGHTS / DEPTH);
        let (scales, integers) = self.rest.split_at(Q8_SCALES);
        let mut wide = [0f32; LANES];
        for (wide, &bytes) in wide.iter_mut().zip(scales.as_chunks().0) {
            *wide = f16::from_le_bytes(bytes).to_f32();
        }
        for (out, integers) in block.iter_mut().zip(integers[part * DEPTH * LANES..].chunks_exact(LANES)) {
            for ((out, &integer), scale) in out.iter_mut().zip(integers).zip(wide) {
                *out = f32::from(integer.cast_signed()) * scale;
            }
        }
        if part + 1 == Q8_WEIGHTS / DEPTH {
            self.take(Q8_GROUP);
        }
        block
    }
}
