//! Rounding decoded weights to bfloat16, by as little as their range takes.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::vector::Vector;

/// What is known of decoded weights, which says how they become bfloat16.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum DecodedRange {
    /// They are bfloat16 as they are stored.
    Bf16,
    /// Each is 0 or of a magnitude from 2^-126 to below 2^112. (Where a file has scales that are no finite numbers, neither
    /// are these.)
    Moderate,
    /// They may be any f32.
    Any,
}

impl DecodedRange {
    /// Rounded to bfloat16.
    ///
    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    pub(super) unsafe fn rounded<V: Vector>(self, weights: V::Floats) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe {
            match self {
                Self::Bf16 => weights,
                Self::Moderate => V::rounded_in_range(weights),
                Self::Any => V::rounded(weights),
            }
        }
    }
}
