//! The scales of blocks in panels: field after field, each of all lanes.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use crate::kernel::simd::LANES;
use crate::kernel::vector::Vector;

/// Bytes of a half-precision number of all lanes.
const HALVES: usize = 2 * LANES;

/// One lane of the scales of a block, written field by field.
pub(in crate::kernel) struct LaneScales<'a> {
    scales: &'a mut [u8],
    number: usize,
    /// Bytes of the fields before, of all lanes.
    at: usize,
}

impl<'a> LaneScales<'a> {
    pub(in crate::kernel) fn new(scales: &'a mut [u8], lane: usize) -> Self {
        Self { scales, number: lane, at: 0 }
    }

    /// Writes the next field.
    pub(super) fn put(&mut self, field: &[u8]) {
        let at = self.at + self.number * field.len();
        self.scales[at..at + field.len()].copy_from_slice(field);
        self.at += LANES * field.len();
    }
}

/// A scale (f16) and an offset that is `ZERO` codes below zero.
///
/// # Safety (of all here)
/// As of [`Vector`]: the fields of a block are at `scales`.
#[inline(always)]
pub(super) unsafe fn centred<V: Vector, const ZERO: u32>(scales: *const u8) -> (V::Floats, V::Floats) {
    // SAFETY: the caller's promise.
    unsafe { below::<V, ZERO>(V::f16(scales)) }
}

/// A scale and the weight that stands for code 0 (f16 both).
#[inline(always)]
pub(super) unsafe fn from_least<V: Vector>(scales: *const u8) -> (V::Floats, V::Floats) {
    // SAFETY: the caller's promise.
    unsafe { (V::f16(scales), V::f16(scales.add(HALVES))) }
}

/// A scale (f16) times the share's own (i8), and an offset that is `ZERO` codes below zero.
#[inline(always)]
pub(super) unsafe fn shared_centred<V: Vector, const ZERO: u32>(
    scales: *const u8,
    share: usize,
) -> (V::Floats, V::Floats) {
    // SAFETY: the caller's promise.
    unsafe { below::<V, ZERO>(V::mul(V::f16(scales), V::i8(scales.add(HALVES + share * LANES)))) }
}

/// A scale and one of offsets (f16 both), times the share's own scale and offset (i8 both).
#[inline(always)]
pub(super) unsafe fn shared_from_least<V: Vector>(scales: *const u8, share: usize) -> (V::Floats, V::Floats) {
    // SAFETY: the caller's promise.
    unsafe {
        let (scale, least) = from_least::<V>(scales);
        let own = scales.add(2 * HALVES + 2 * share * LANES);
        (V::mul(scale, V::i8(own)), V::mul(least, V::i8(own.add(LANES))))
    }
}

#[inline(always)]
unsafe fn below<V: Vector, const ZERO: u32>(scale: V::Floats) -> (V::Floats, V::Floats) {
    // SAFETY: the caller's promise.
    unsafe {
        let offset = if ZERO == 0 { V::splat(0.0) } else { V::mul(scale, V::splat(-(ZERO as f32))) };
        (scale, offset)
    }
}
