//! Arrays: what every target has, and what the others are tested against.

#![expect(clippy::inline_always, reason = "loops over lanes are vectorised where they end up")]

use half::f16;

use super::{Codebook, LANES, SIGN_AND_EXPONENT, Vector};
use crate::kernel::round::rounded;
use crate::kernel::simd::{BASELINE_FMA, multiply_add};

/// No features are asked for. With `FMA`, multiplications and additions are fused: an instruction of NEON, and of no use
/// where it is none.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Portable<const FMA: bool = BASELINE_FMA>;

/// The `LANES` integers of `BYTES` bytes at `at`.
#[inline(always)]
unsafe fn bytes<const BYTES: usize>(at: *const u8) -> [[u8; BYTES]; LANES] {
    // SAFETY: the caller's promise; arrays of bytes need no alignment.
    unsafe { at.cast::<[[u8; BYTES]; LANES]>().read() }
}

#[inline(always)]
fn zip<T: Copy, U>(a: [T; LANES], b: [T; LANES], each: impl Fn(T, T) -> U) -> [U; LANES] {
    std::array::from_fn(|lane| each(a[lane], b[lane]))
}

impl<const FMA: bool> Vector for Portable<FMA> {
    type Floats = [f32; LANES];
    type Words = [u32; LANES];

    #[inline(always)]
    unsafe fn splat(value: f32) -> Self::Floats {
        [value; LANES]
    }

    #[inline(always)]
    unsafe fn load(at: *const f32) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<Self::Floats>().read_unaligned() }
    }

    #[inline(always)]
    unsafe fn store(at: *mut f32, values: Self::Floats) {
        // SAFETY: the caller's promise.
        unsafe { at.cast::<Self::Floats>().write_unaligned(values) }
    }

    #[inline(always)]
    unsafe fn load_some(at: *const f32, count: usize) -> Self::Floats {
        let mut values = [0f32; LANES];
        // SAFETY: the caller's promise.
        unsafe { values.as_mut_ptr().copy_from_nonoverlapping(at, count) };
        values
    }

    #[inline(always)]
    unsafe fn store_some(at: *mut f32, count: usize, values: Self::Floats) {
        // SAFETY: the caller's promise.
        unsafe { at.copy_from_nonoverlapping(values.as_ptr(), count) };
    }

    #[inline(always)]
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        zip(a, b, |a, b| a + b)
    }

    #[inline(always)]
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats {
        zip(a, b, |a, b| a * b)
    }

    #[inline(always)]
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats {
        std::array::from_fn(|lane| multiply_add::<FMA>(a[lane], b[lane], c[lane]))
    }

    #[inline(always)]
    unsafe fn rounded(values: Self::Floats) -> Self::Floats {
        values.map(|value| f32::from_bits(u32::from(rounded(value).to_bits()) << 16))
    }

    #[inline(always)]
    unsafe fn power_of_two(values: Self::Floats) -> Self::Floats {
        values.map(|value| f32::from_bits(value.to_bits() & SIGN_AND_EXPONENT))
    }

    #[inline(always)]
    unsafe fn f16(at: *const u8) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { bytes(at) }.map(|bytes| f16::from_le_bytes(bytes).to_f32())
    }

    #[inline(always)]
    unsafe fn i8(at: *const u8) -> Self::Floats {
        // SAFETY: the caller's promise.
        unsafe { bytes::<1>(at) }.map(|[byte]| f32::from(byte.cast_signed()))
    }

    #[inline(always)]
    unsafe fn words<const BYTES: usize>(at: *const u8) -> Self::Words {
        // SAFETY: the caller's promise.
        unsafe { bytes::<BYTES>(at) }.map(|bytes| bytes.iter().rev().fold(0, |word, &byte| word << 8 | u32::from(byte)))
    }

    #[inline(always)]
    unsafe fn splat_word(word: u32) -> Self::Words {
        [word; LANES]
    }

    #[inline(always)]
    unsafe fn shift_right(words: Self::Words, by: u32) -> Self::Words {
        words.map(|word| word >> by)
    }

    #[inline(always)]
    unsafe fn shift_left(words: Self::Words, by: u32) -> Self::Words {
        words.map(|word| word << by)
    }

    #[inline(always)]
    unsafe fn shift_right_signed_4(words: Self::Words) -> Self::Words {
        words.map(|word| (word.cast_signed() >> 4).cast_unsigned())
    }

    #[inline(always)]
    unsafe fn and(a: Self::Words, b: Self::Words) -> Self::Words {
        zip(a, b, |a, b| a & b)
    }

    #[inline(always)]
    unsafe fn or(a: Self::Words, b: Self::Words) -> Self::Words {
        zip(a, b, |a, b| a | b)
    }

    #[inline(always)]
    unsafe fn add_words(a: Self::Words, b: Self::Words) -> Self::Words {
        zip(a, b, u32::wrapping_add)
    }

    #[inline(always)]
    unsafe fn bits(words: Self::Words) -> Self::Floats {
        words.map(f32::from_bits)
    }

    #[inline(always)]
    unsafe fn lowest<const BITS: u32>(words: Self::Words) -> Self::Floats {
        words.map(|word| (word & ((1 << BITS) - 1)) as f32)
    }

    #[inline(always)]
    unsafe fn look_up(table: &Codebook, words: Self::Words) -> Self::Floats {
        words.map(|word| table[(word & 15) as usize])
    }
}
