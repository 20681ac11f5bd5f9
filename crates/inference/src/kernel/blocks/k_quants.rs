//! The k-quants: blocks of 256 weights whose shares of 16 or 32 have scales of few bits, times a scale of all.
//!
//! Scales of six bits are written in eight: that makes a panel of `Q4_K` 3 % larger, and reading it plain.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::format::BlockFormat;
use super::scales::LaneScales;
use super::scales::{from_least, shared_centred, shared_from_least};
use crate::kernel::simd::LANES;
use crate::kernel::vector::Vector;

/// Weights of a block.
const WEIGHTS: usize = 256;

/// Two bits and a scale and an offset of four each.
pub(in crate::kernel) struct Q2K;
/// Three bits, less 4, and a scale of six.
pub(in crate::kernel) struct Q3K;
/// Four bits and a scale and an offset of six each.
pub(in crate::kernel) struct Q4K;
/// Five bits and a scale and an offset of six each.
pub(in crate::kernel) struct Q5K;
/// Six bits, less 32, and a scale of eight.
pub(in crate::kernel) struct Q6K;

/// Codes of two bits: of each half of a block the lowest bits of 32 bytes come first, then the next.
fn quarters(bytes: &[u8], codes: &mut [u8]) {
    for (at, code) in codes.iter_mut().enumerate() {
        let (half, shift, byte) = (at / 128, at % 128 / 32, at % 32);
        *code = bytes[32 * half + byte] >> (2 * shift) & 3;
    }
}

/// The eight scales and offsets of six bits in twelve bytes: four of each in the lower bits of the first eight, the
/// other eight's lower bits in the last four, and their upper ones above the first eight.
fn scales_and_offsets(bytes: &[u8], share: usize) -> (u8, u8) {
    if share < 4 {
        return (bytes[share] & 63, bytes[share + 4] & 63);
    }
    let (low, above_scale, above_offset) = (bytes[share + 4], bytes[share - 4] >> 6, bytes[share] >> 6);
    (low & 15 | above_scale << 4, low >> 4 | above_offset << 4)
}

/// Writes what `Q4_K` and `Q5_K` begin with. Offsets are subtracted, so their negatives are written.
fn put_scales_and_offsets(block: &[u8], scales: &mut LaneScales<'_>) {
    scales.put(&block[..2]);
    scales.put(&block[2..4]);
    for share in 0..8 {
        let (scale, offset) = scales_and_offsets(&block[4..16], share);
        scales.put(&[scale]);
        scales.put(&[offset.wrapping_neg()]);
    }
}

impl BlockFormat for Q2K {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 84;
    const NUMBERS: &'static [(usize, usize)] = &[(80, 2), (82, 2)];
    const BITS: usize = 2;
    const SHARE: usize = 16;
    const SCALES: usize = 4 + 16;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[80..82]);
        scales.put(&block[82..84]);
        for share in &block[..16] {
            scales.put(&[*share]);
        }
        quarters(&block[16..80], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe {
            let (scale, least) = from_least::<V>(scales);
            let both = V::words::<1>(scales.add((4 + share) * LANES));
            let offset = V::mul(V::lowest::<4>(V::shift_right(both, 4)), V::splat(-1.0));
            (V::mul(scale, V::lowest::<4>(both)), V::mul(least, offset))
        }
    }
}

impl BlockFormat for Q3K {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 110;
    const NUMBERS: &'static [(usize, usize)] = &[(108, 2)];
    const BITS: usize = 3;
    const SHARE: usize = 16;
    const SCALES: usize = 2 + 16;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        let (upper, rest) = block.split_at(32);
        let (lower, packed) = rest.split_at(64);
        scales.put(&packed[12..14]);
        for share in 0..16 {
            let low = if share < 8 { packed[share] & 15 } else { packed[share - 8] >> 4 };
            let high = packed[8 + share % 4] >> (2 * (share / 4)) & 3;
            scales.put(&[(low | high << 4).wrapping_sub(32)]);
        }
        quarters(lower, codes);
        // The upper bits of 32 codes are the lowest of 32 bytes, those of the next the second.
        for (at, code) in codes.iter_mut().enumerate() {
            *code |= (upper[at % 32] >> (at / 32) & 1) << 2;
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { shared_centred::<V, 4>(scales, share) }
    }
}

impl BlockFormat for Q4K {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 144;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2), (2, 2)];
    const BITS: usize = 4;
    const SHARE: usize = 32;
    const SCALES: usize = 4 + 2 * 8;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        put_scales_and_offsets(block, scales);
        for (bytes, codes) in block[16..].chunks_exact(32).zip(codes.chunks_exact_mut(64)) {
            super::legacy::halves(bytes, codes);
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { shared_from_least::<V>(scales, share) }
    }
}

impl BlockFormat for Q5K {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 176;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2), (2, 2)];
    const BITS: usize = 5;
    const SHARE: usize = 32;
    const SCALES: usize = 4 + 2 * 8;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        put_scales_and_offsets(block, scales);
        let (upper, lower) = block[16..].split_at(32);
        for (bytes, codes) in lower.chunks_exact(32).zip(codes.chunks_exact_mut(64)) {
            super::legacy::halves(bytes, codes);
        }
        for (at, code) in codes.iter_mut().enumerate() {
            *code |= (upper[at % 32] >> (at / 32) & 1) << 4;
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { shared_from_least::<V>(scales, share) }
    }
}

impl BlockFormat for Q6K {
    const WEIGHTS: usize = WEIGHTS;
    const BYTES: usize = 210;
    const NUMBERS: &'static [(usize, usize)] = &[(208, 2)];
    const BITS: usize = 6;
    const SHARE: usize = 16;
    const SCALES: usize = 2 + 16;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        let (lower, upper) = (&block[..128], &block[128..192]);
        scales.put(&block[208..]);
        for share in &block[192..208] {
            scales.put(&[*share]);
        }
        // Of each half: the lower nibbles of 64 bytes, then the upper ones; two bits of 32 bytes each four times.
        for (at, code) in codes.iter_mut().enumerate() {
            let (half, at) = (at / 128, at % 128);
            let low = lower[64 * half + at % 64] >> (4 * (at / 64)) & 15;
            let high = upper[32 * half + at % 32] >> (2 * (at / 32)) & 3;
            *code = low | high << 4;
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { shared_centred::<V, 32>(scales, share) }
    }
}
