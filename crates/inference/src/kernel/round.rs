//! From f32 to bfloat16.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use half::bf16;

#[cfg(target_arch = "x86_64")]
use super::pairs_avx512::round_vectors;
use super::simd::Simd;
#[cfg(target_arch = "x86_64")]
use super::simd::{PairUnit, SimdLevel};

/// Rounded to bfloat16, to the even one of two that are as near. What is smaller than the smallest normal number is zero, as
/// instructions that round have it.
#[inline(always)]
pub(super) fn rounded(value: f32) -> bf16 {
    const SIGN: u32 = 0x8000_0000;
    const INFINITY: u32 = f32::INFINITY.to_bits();
    const QUIET: u32 = 0x0040_0000;
    let bits = value.to_bits();
    let near = bits.wrapping_add(0x7fff + (bits >> 16 & 1));
    let magnitude = bits & !SIGN;
    let kept = if magnitude > INFINITY { bits | QUIET } else { near };
    let kept = if magnitude < f32::MIN_POSITIVE.to_bits() { bits & SIGN } else { kept };
    bf16::from_bits((kept >> 16) as u16)
}

/// Rounds values, [one by one](rounded) or by vectors.
pub(crate) fn round(simd: Simd, values: &[f32], out: &mut [bf16]) {
    debug_assert_eq!(values.len(), out.len());
    #[cfg(target_arch = "x86_64")]
    if simd.pairs() > PairUnit::Steps {
        // SAFETY: detection has seen the features.
        let done = unsafe { round_vectors(values, out) };
        return round_each(&values[done..], &mut out[done..]);
    }
    #[cfg(target_arch = "x86_64")]
    if simd.level() > SimdLevel::Portable {
        // SAFETY: detection has seen the features.
        return unsafe { round_avx2(values, out) };
    }
    let _ = simd;
    round_each(values, out);
}

/// The plain version, compiled once more.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn round_avx2(values: &[f32], out: &mut [bf16]) {
    round_all(values, out);
}

/// One by one.
// Not inlined: what is left over of a row is no work for gathers of whole vectors, which the compiler makes of it elsewhere.
#[inline(never)]
pub(super) fn round_each(values: &[f32], out: &mut [bf16]) {
    round_all(values, out);
}

#[inline(always)]
fn round_all(values: &[f32], out: &mut [bf16]) {
    for (out, &value) in out.iter_mut().zip(values) {
        *out = rounded(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_rounded_to_the_nearest_one_by_one_and_by_vectors() {
        let bits = (0..3001u32).map(|at| at.wrapping_mul(2_654_435_769));
        let mut x: Vec<f32> = bits.map(f32::from_bits).collect();
        let tiny = f32::MIN_POSITIVE;
        let below = f32::from_bits(tiny.to_bits() - 1);
        x.extend([0.0, -0.0, tiny, -tiny, below, -below, tiny / 4.0, f32::MAX, f32::INFINITY, f32::NEG_INFINITY]);
        x.extend([0x7f80_0001, 0xff80_0001, 0x7fff_ffff].map(f32::from_bits));
        for simd in Simd::every() {
            let mut all = vec![bf16::ONE; x.len()];
            round(simd, &x, &mut all);
            for (&value, short) in x.iter().zip(all) {
                let expected = match bf16::from_f32(value) {
                    _ if value.abs() < tiny => bf16::from_f32(0f32.copysign(value)),
                    near => near,
                };
                assert_eq!(short.to_bits(), expected.to_bits(), "{value} ({:#x}), {simd:?}", value.to_bits());
            }
        }
    }
}
