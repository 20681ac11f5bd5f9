//! `x W^T` in pairs of bfloat16, by AMX: sixteen rows of `x` times sixteen pairs of steps of a panel in one instruction.
//!
//! Such an instruction adds up the first products of its sixteen pairs one after the other, likewise the second ones, and
//! adds the sum of both to the tile. So outputs have other bits than [`pairs_avx512`](super::pairs_avx512) gives them, and
//! the same in every batch: rows that fill up a tile are zeros, and no row depends on another.

use std::arch::asm;
use std::arch::x86_64::_mm512_storeu_si512;

use super::layout::DEPTH;
use super::micro_kernels::{PAIR, Product, ROWS};
use super::pair_sources::PairSource;
use super::pairs::Bf16Pair;
use super::pairs_avx512::PairSteps;
use super::readers::with_source;
use super::simd::LANES;
use super::vector::{Avx512, Vector};

/// Rows of a tile: of `x`, or pairs of steps of a panel.
pub(super) const TILE: usize = 16;
/// Steps that one instruction adds up.
pub(super) const STEPS: usize = 2 * TILE;
/// Most steps between two sums that are written. So many of two panels stay in the second-level cache.
const PART: usize = 1024;

/// Outputs of a tile's rows and two panels.
type Sums = [[[f32; LANES]; PAIR]; TILE];

impl Product<'_, Bf16Pair> {
    /// The columns of panels `from..to`, all rows. The rows of `x` are whole tiles, and so are their steps.
    ///
    /// # Safety
    /// Tiles [are permitted](super::amx::is_permitted).
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) unsafe fn panels_in_tiles(&self, from: usize, to: usize) {
        // SAFETY (all): the caller's promise.
        unsafe { configure() };
        with_source!(self.weights, W => {
            let mut buffer = vec![[[0u32; LANES]; PAIR]; self.stride.min(PART / 2)];
            let paired = from + (to - from) / PAIR * PAIR;
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
                        multiply(buffer, (x.add(start), self.stride), &mut sums[..tiles]);
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

/// What a tile configuration consists of: eight tiles of sixteen rows of 64 bytes.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

static TILES: TileConfig = {
    let (mut row_bytes, mut rows, mut at) = ([0; 16], [0; 16], 0);
    while at < 8 {
        (row_bytes[at], rows[at]) = (64, TILE as u8);
        at += 1;
    }
    TileConfig { palette: 1, start_row: 0, reserved: [0; 14], row_bytes, rows }
};

/// Has this thread's tiles be of that form.
///
/// # Safety
/// Tiles are permitted.
unsafe fn configure() {
    // SAFETY: the caller's promise; 64 bytes are read.
    unsafe {
        asm!("ldtilecfg [{tiles}]", tiles = in(reg) &raw const TILES, options(nostack, readonly, preserves_flags));
    };
}

/// Gives this thread's tiles back: what is in use, the system saves at every switch of threads.
///
/// # Safety
/// Tiles are permitted.
unsafe fn release() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// Sums over the steps in `weights`, which are whole tiles, of one or two tiles of rows of `x`, which are `stride` pairs
/// apart.
///
/// # Safety
/// Tiles are configured, and all of that can be read.
unsafe fn multiply(weights: &PairSteps<PAIR>, (x, stride): (*const Bf16Pair, usize), sums: &mut [Sums]) {
    let count = weights.len() / TILE;
    let (next_row, next_step) = (stride * size_of::<Bf16Pair>(), size_of::<[[u32; LANES]; PAIR]>());
    debug_assert!(weights.len().is_multiple_of(TILE) && count > 0);
    if let [sums] = sums {
        // SAFETY: the caller's promise; a tile of sums has as many bytes as two tiles, whose rows alternate.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "2:",
                "tileloadd tmm4, [{x} + {next_row}]",
                "tileloadd tmm6, [{weights} + {next_step}]",
                "tileloadd tmm7, [{weights} + {next_step} + 64]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "add {x}, 64",
                "add {weights}, 2048",
                "dec {count}",
                "jnz 2b",
                "tilestored [{sums} + {next_step}], tmm0",
                "tilestored [{sums} + {next_step} + 64], tmm1",
                x = inout(reg) x => _,
                weights = inout(reg) weights.as_ptr() => _,
                count = inout(reg) count => _,
                next_row = in(reg) next_row,
                next_step = in(reg) next_step,
                sums = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    } else {
        debug_assert_eq!(sums.len(), 2);
        // SAFETY: likewise.
        unsafe {
            asm!(
                "tilezero tmm0",
                "tilezero tmm1",
                "tilezero tmm2",
                "tilezero tmm3",
                "2:",
                "tileloadd tmm4, [{x} + {next_row}]",
                "tileloadd tmm6, [{weights} + {next_step}]",
                "tdpbf16ps tmm0, tmm4, tmm6",
                "tileloadd tmm7, [{weights} + {next_step} + 64]",
                "tdpbf16ps tmm1, tmm4, tmm7",
                "tileloadd tmm5, [{below} + {next_row}]",
                "tdpbf16ps tmm2, tmm5, tmm6",
                "tdpbf16ps tmm3, tmm5, tmm7",
                "add {x}, 64",
                "add {below}, 64",
                "add {weights}, 2048",
                "dec {count}",
                "jnz 2b",
                "tilestored [{sums} + {next_step}], tmm0",
                "tilestored [{sums} + {next_step} + 64], tmm1",
                "tilestored [{sums} + {next_step} + 2048], tmm2",
                "tilestored [{sums} + {next_step} + 2112], tmm3",
                x = inout(reg) x => _,
                below = inout(reg) x.add(TILE * stride) => _,
                weights = inout(reg) weights.as_ptr() => _,
                count = inout(reg) count => _,
                next_row = in(reg) next_row,
                next_step = in(reg) next_step,
                sums = in(reg) sums.as_mut_ptr(),
                out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                options(nostack),
            );
        }
    }
}
