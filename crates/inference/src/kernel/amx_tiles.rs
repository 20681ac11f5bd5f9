//! The tiles of AMX, and products of bfloat16 in them.

use std::arch::asm;

use super::micro_kernels::PAIR;
use super::pairs::Bf16Pair;
use super::pairs_avx512::PairSteps;
use super::simd::LANES;

/// Rows of a tile: of `x`, or pairs of steps of a panel.
pub(super) const TILE: usize = 16;
/// Steps that one instruction adds up.
pub(super) const STEPS: usize = 2 * TILE;

/// Outputs of a tile's rows and two panels.
pub(super) type Sums = [[[f32; LANES]; PAIR]; TILE];

/// What a tile configuration consists of.
#[repr(C, align(64))]
struct TileConfig {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Has this thread's tiles have so many rows and bytes of a row: the first four for sums, then two for inputs, and two for
/// what these are multiplied by.
///
/// # Safety
/// Tiles [are permitted](super::amx::is_permitted); rows are 1 to [`TILE`], of whole pairs, 64 bytes at most.
pub(super) unsafe fn configure(sums: [(usize, usize); 4], inputs: [(usize, usize); 2], weights: [(usize, usize); 2]) {
    let mut config = TileConfig { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: [0; 16], rows: [0; 16] };
    for (tile, (rows, bytes)) in sums.into_iter().chain(inputs).chain(weights).enumerate() {
        debug_assert!((1..=TILE).contains(&rows) && (4..=64).contains(&bytes));
        (config.rows[tile], config.row_bytes[tile]) = (rows as u8, bytes as u16);
    }
    // SAFETY: the caller's promise; 64 bytes are read.
    unsafe {
        asm!("ldtilecfg [{config}]", config = in(reg) &raw const config, options(nostack, readonly, preserves_flags));
    };
}

/// Gives this thread's tiles back: what is in use, the system saves at every switch of threads.
///
/// # Safety
/// Tiles are permitted.
pub(super) unsafe fn release() {
    // SAFETY: the caller's promise.
    unsafe { asm!("tilerelease", options(nostack, nomem, preserves_flags)) };
}

/// Adds to `sums` those over the steps in `weights`, which are whole tiles, of as many rows of `x` as tiles are configured
/// to have, which are `stride` pairs apart.
///
/// # Safety
/// Tiles are configured, and all of that can be read.
pub(super) unsafe fn add_products(weights: &PairSteps<PAIR>, (x, stride): (*const Bf16Pair, usize), sums: &mut Sums) {
    let count = weights.len() / TILE;
    let (next_row, next_step) = (stride * size_of::<Bf16Pair>(), size_of::<[[u32; LANES]; PAIR]>());
    debug_assert!(weights.len().is_multiple_of(TILE) && count > 0);
    // SAFETY: the caller's promise; the rows of the two tiles of sums alternate.
    unsafe {
        asm!(
            "tileloadd tmm0, [{sums} + {next_step}]",
            "tileloadd tmm1, [{sums} + {next_step} + 64]",
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
}

/// Sums over the steps in `weights`, which are whole tiles, of two tiles of rows of `x`, which are `stride` pairs apart.
///
/// # Safety
/// Tiles are configured, and all of that can be read.
pub(super) unsafe fn multiply_two(
    weights: &PairSteps<PAIR>,
    (x, stride): (*const Bf16Pair, usize),
    sums: &mut [Sums; 2],
) {
    let count = weights.len() / TILE;
    let (next_row, next_step) = (stride * size_of::<Bf16Pair>(), size_of::<[[u32; LANES]; PAIR]>());
    debug_assert!(weights.len().is_multiple_of(TILE) && count > 0);
    // SAFETY: the caller's promise; a tile of sums has as many bytes as two tiles, whose rows alternate.
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
