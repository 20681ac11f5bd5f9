//! Types of four bits that stand for numbers in a table.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::format::BlockFormat;
use super::legacy::halves;
use super::scales::LaneScales;
use super::scales::{centred, shared_centred};
use crate::kernel::decoded_range::DecodedRange;
use crate::kernel::vector::{Codebook, Vector};

/// 32 weights with a scale.
pub(in crate::kernel) struct Iq4Nl;
/// 256 weights; each 32 have a scale of six bits, less 32.
pub(in crate::kernel) struct Iq4Xs;
/// OCP's microscaling format: 32 weights in E2M1 with a power of two.
pub(in crate::kernel) struct Mxfp4;

/// ggml's `kvalues_iq4nl`.
const NOT_LINEAR: Codebook = [-127., -104., -83., -65., -49., -35., -22., -10., 1., 13., 25., 38., 53., 69., 89., 113.];
/// Twice the numbers of E2M1, as in ggml; scales are half as large.
const E2M1: Codebook = [0., 1., 2., 3., 4., 6., 8., 12., -0., -1., -2., -3., -4., -6., -8., -12.];

impl BlockFormat for Iq4Nl {
    const WEIGHTS: usize = 32;
    const BYTES: usize = 18;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2)];
    const BITS: usize = 4;
    const TABLE: Option<&'static Codebook> = Some(&NOT_LINEAR);
    const SHARE: usize = 32;
    const SCALES: usize = 2;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..2]);
        halves(&block[2..], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { centred::<V, 0>(scales) }
    }
}

impl BlockFormat for Iq4Xs {
    const WEIGHTS: usize = 256;
    const BYTES: usize = 136;
    const NUMBERS: &'static [(usize, usize)] = &[(0, 2), (2, 2)];
    const BITS: usize = 4;
    const TABLE: Option<&'static Codebook> = Some(&NOT_LINEAR);
    const SHARE: usize = 32;
    const SCALES: usize = 2 + 8;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        let (high, low) = (u16::from_le_bytes([block[2], block[3]]), &block[4..8]);
        scales.put(&block[..2]);
        for share in 0..8 {
            let low = low[share / 2] >> (4 * (share % 2)) & 15;
            let high = (high >> (2 * share) & 3) as u8;
            scales.put(&[(low | high << 4).wrapping_sub(32)]);
        }
        for (bytes, codes) in block[8..].chunks_exact(16).zip(codes.chunks_exact_mut(32)) {
            halves(bytes, codes);
        }
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
        // SAFETY: the caller's promise.
        unsafe { shared_centred::<V, 0>(scales, share) }
    }
}

impl BlockFormat for Mxfp4 {
    /// Three bits times a power of two.
    const RANGE: DecodedRange = DecodedRange::Bf16;
    const WEIGHTS: usize = 32;
    const BYTES: usize = 17;
    const NUMBERS: &'static [(usize, usize)] = &[];
    const BITS: usize = 4;
    const TABLE: Option<&'static Codebook> = Some(&E2M1);
    const SHARE: usize = 32;
    const SCALES: usize = 1;

    fn split(block: &[u8], scales: &mut LaneScales<'_>, codes: &mut [u8]) {
        scales.put(&block[..1]);
        halves(&block[1..], codes);
    }

    #[inline(always)]
    unsafe fn scale<V: Vector>(scales: *const u8, _: usize) -> (V::Floats, V::Floats) {
        // 2^(e - 128) as the product of two, so that neither leaves the range of normal numbers.
        // SAFETY: the caller's promise.
        unsafe {
            let exponent = V::words::<1>(scales);
            let half = V::shift_right(exponent, 1);
            let rest = V::add_words(half, V::and(exponent, V::splat_word(1)));
            let low = V::bits(V::shift_left(V::add_words(half, V::splat_word(64)), 23));
            let high = V::bits(V::shift_left(V::add_words(rest, V::splat_word(62)), 23));
            (V::mul(low, high), V::splat(0.0))
        }
    }
}
