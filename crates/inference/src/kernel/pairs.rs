//! Inputs of products in bfloat16: two neighbouring steps of a sum make a pair.
//!
//! A processor that multiplies pairs adds `x1 w1` and then `x0 w0`. A product of two bfloat16 is exact in f32, so that
//! multiplying and adding f32 in that order gives the same bits; but where something is smaller than the smallest normal
//! number, which pairs take for zero.

use half::bf16;

use super::layout::DEPTH;
#[cfg(target_arch = "x86_64")]
use super::new_rows::new_rows;
use super::simd::LANES;

/// Two neighbouring steps, the first in the lower half.
#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(transparent)]
pub(super) struct Bf16Pair(pub(super) u32);

/// Rounded to bfloat16; less than the smallest normal number is zero.
pub(super) fn rounded(value: f32) -> bf16 {
    let short = bf16::from_f32(value);
    if short.is_normal() || !short.is_finite() { short } else { bf16::from_f32(0f32.copysign(value)) }
}

/// Values that make a task of their own worth while.
#[cfg(target_arch = "x86_64")]
const TASK: usize = 1 << 14;

/// `x`, whose rows are `k` long, in pairs, filled up with zeros to multiples of so many rows and steps; and the pairs of a
/// row. `round_vectors` may round the first values of a row, and tells how many.
#[cfg(target_arch = "x86_64")]
pub(super) fn in_pairs(
    x: &[f32],
    k: usize,
    (whole_rows, whole_steps): (usize, usize),
    round_vectors: impl Fn(&[f32], &mut [Bf16Pair]) -> usize + Sync,
) -> (Vec<Bf16Pair>, usize) {
    let (rows, stride) = (x.len() / k, k.next_multiple_of(whole_steps) / 2);
    let pairs = new_rows((rows.next_multiple_of(whole_rows), stride), Bf16Pair(0), TASK.div_ceil(k), |row, pairs| {
        if row < rows {
            round_row(&x[row * k..][..k], pairs, &round_vectors);
        }
    });
    (pairs, stride)
}

/// A row in pairs. `round_vectors` may round the first values, and tells how many.
// Not inlined: what is left over of a row is no work for gathers of whole vectors, which the compiler makes of it elsewhere.
#[cfg(target_arch = "x86_64")]
#[inline(never)]
pub(super) fn round_row(row: &[f32], pairs: &mut [Bf16Pair], round_vectors: impl Fn(&[f32], &mut [Bf16Pair]) -> usize) {
    let done = round_vectors(row, pairs);
    for (pair, values) in pairs[done / 2..].iter_mut().zip(row[done..].chunks(2)) {
        let half = |at: usize| values.get(at).map_or(0, |&value| u32::from(rounded(value).to_bits()));
        *pair = Bf16Pair(half(0) | half(1) << 16);
    }
}

/// The same in f32, the second of each pair first; and how long a row is.
pub(super) fn in_swapped_pairs(x: &[f32], k: usize) -> (Vec<f32>, usize) {
    let stride = k.next_multiple_of(DEPTH);
    let mut swapped = vec![0f32; x.len() / k * stride];
    for (swapped, row) in swapped.chunks_exact_mut(stride).zip(x.chunks_exact(k)) {
        for (at, &value) in row.iter().enumerate() {
            swapped[at ^ 1] = rounded(value).to_f32();
        }
    }
    (swapped, stride)
}

/// Rounds weights, which lie step by step, and has the second of each pair of steps come first.
pub(super) fn swap_pairs<const P: usize>(steps: &mut [[[f32; LANES]; P]]) {
    for pair in steps.as_chunks_mut::<2>().0 {
        pair.swap(0, 1);
        for value in pair.as_flattened_mut().as_flattened_mut() {
            *value = rounded(*value).to_f32();
        }
    }
}

#[cfg(all(test, target_arch = "x86_64"))]
mod tests {
    use super::*;
    use crate::kernel::simd::PairUnit;

    #[test]
    fn values_are_rounded_to_the_nearest_one_by_one_and_by_vectors() {
        let bits = (0..3000u32).map(|at| at.wrapping_mul(2_654_435_769));
        let x: Vec<f32> = bits.map(f32::from_bits).filter(|value| value.is_finite()).collect();
        let by_value = in_pairs(&x, x.len(), (1, 2), |_, _| 0).0;
        for (at, &value) in x.iter().enumerate() {
            let half = by_value[at / 2].0 >> (16 * (at % 2)) & 0xffff;
            let (low, error) = (f32::from_bits(half << 16), |other: f32| (f64::from(other) - f64::from(value)).abs());
            let nearest = [half.wrapping_sub(1), half + 1].map(|other| error(f32::from_bits(other << 16)));
            let is_tiny = value.abs() < f32::MIN_POSITIVE && low == 0.0;
            assert!(is_tiny || nearest.iter().all(|other| error(low) <= *other || other.is_nan()), "{value} to {low}");
        }
        if super::super::simd::Simd::detect().pairs() > PairUnit::Steps {
            // SAFETY: detection has seen the features.
            let round = |values: &[f32], out: &mut [Bf16Pair]| unsafe {
                super::super::pairs_avx512::round_vectors(values, out)
            };
            assert_eq!(in_pairs(&x, x.len(), (1, 2), round).0, by_value);
        }
    }

    #[test]
    fn pairs_hold_rounded_values_and_are_filled_up_with_zeros() {
        let tiny = f32::MIN_POSITIVE / 4.0;
        let x = [1.0, 1.0 + 1.0 / 512.0, -3.0, 1.0 + 3.0 / 256.0, -tiny];
        let (pairs, stride) = in_pairs(&x, 5, (3, DEPTH), |_, _| 0);
        let (swapped, width) = in_swapped_pairs(&x, 5);
        assert_eq!((stride, width), (4, 8));
        let wide = |bits: u32| f32::from_bits(bits << 16);
        let halves: Vec<f32> = pairs.iter().flat_map(|pair| [wide(pair.0 & 0xffff), wide(pair.0 >> 16)]).collect();
        assert_eq!(halves[..8], [1.0, 1.0, -3.0, 1.0 + 4.0 / 256.0, 0.0, 0.0, 0.0, 0.0]);
        assert_eq!(halves[8..], [0.0; 16], "rows");
        let back: Vec<f32> = (0..8).map(|at| swapped[at ^ 1]).collect();
        assert_eq!(halves[..8], back);
    }
}
