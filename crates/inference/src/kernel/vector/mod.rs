//! [`LANES`] numbers at a time, in whatever registers a processor has.
//!
//! Kernels are written once over [`Vector`] and compiled for each of its implementations. What is generic over it is
//! `#[inline(always)]` and ends up in a function that enables the features which the implementation asks for.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod portable;

#[cfg(target_arch = "x86_64")]
pub(super) use avx2::Avx2;
#[cfg(target_arch = "x86_64")]
pub(super) use avx512::Avx512;
pub(super) use portable::Portable;

use super::simd::LANES;

/// Numbers that stand in for the sixteen values of four bits.
pub(super) type Codebook = [f32; LANES];

/// The bits of a number that are not its fraction's.
const SIGN_AND_EXPONENT: u32 = 0xff80_0000;

/// Operations on [`LANES`] numbers.
///
/// # Safety
/// All functions ask for the processor's features that the implementation is named after. Those that take a pointer ask
/// that all bytes they name can be read (or written) there; nothing need be aligned.
pub(super) trait Vector: Copy {
    /// f32 numbers.
    type Floats: Copy;
    /// 32-bit words.
    type Words: Copy;

    unsafe fn splat(value: f32) -> Self::Floats;
    /// [`LANES`] numbers.
    unsafe fn load(at: *const f32) -> Self::Floats;
    unsafe fn store(at: *mut f32, values: Self::Floats);
    /// The first `count` numbers, at most [`LANES`]; the others are zeros.
    unsafe fn load_some(at: *const f32, count: usize) -> Self::Floats;
    /// The first `count` numbers, at most [`LANES`].
    unsafe fn store_some(at: *mut f32, count: usize, values: Self::Floats);
    unsafe fn add(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    unsafe fn mul(a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`; whether the product is rounded first is up to the processor.
    unsafe fn mul_add(a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;

    /// Rounded to bfloat16, as [one value](super::round::rounded) is.
    unsafe fn rounded(values: Self::Floats) -> Self::Floats;
    /// The power of two that each finite number's magnitude begins with, and its sign; of a 0, 0.
    unsafe fn power_of_two(values: Self::Floats) -> Self::Floats;
    /// As [`rounded`](Self::rounded), by fewer instructions, of numbers that are 0 or of a magnitude from 2^-126 to below
    /// 2^112. (The sign of a 0 is lost.)
    #[inline(always)]
    unsafe fn rounded_in_range(values: Self::Floats) -> Self::Floats {
        // A number that is added to 2^16 times its power of two loses all but eight bits, and is rounded to them.
        // SAFETY: the caller's promise.
        unsafe {
            let power = Self::power_of_two(values);
            let sum = Self::mul_add(power, Self::splat(65_536.0), values);
            Self::mul_add(power, Self::splat(-65_536.0), sum)
        }
    }

    /// [`LANES`] IEEE half-precision numbers.
    unsafe fn f16(at: *const u8) -> Self::Floats;
    /// [`LANES`] signed bytes.
    unsafe fn i8(at: *const u8) -> Self::Floats;

    /// [`LANES`] little-endian integers of one, two or four bytes.
    unsafe fn words<const BYTES: usize>(at: *const u8) -> Self::Words;
    unsafe fn splat_word(word: u32) -> Self::Words;
    unsafe fn shift_right(words: Self::Words, by: u32) -> Self::Words;
    unsafe fn shift_left(words: Self::Words, by: u32) -> Self::Words;
    /// `(word >> 4)` with copies of the sign bit.
    unsafe fn shift_right_signed_4(words: Self::Words) -> Self::Words;
    unsafe fn and(a: Self::Words, b: Self::Words) -> Self::Words;
    unsafe fn or(a: Self::Words, b: Self::Words) -> Self::Words;
    unsafe fn add_words(a: Self::Words, b: Self::Words) -> Self::Words;
    /// Words that are the bits of floats.
    unsafe fn bits(words: Self::Words) -> Self::Floats;
    /// The lowest bits of each word, at most six, as a number.
    unsafe fn lowest<const BITS: u32>(words: Self::Words) -> Self::Floats;
    /// What the lowest four bits of each word stand for.
    unsafe fn look_up(table: &Codebook, words: Self::Words) -> Self::Floats;
}
