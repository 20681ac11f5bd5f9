//! Pairs of bfloat16 where no instruction multiplies them: in f32 step by step, the second of each pair first.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::marker::PhantomData;

use half::bf16;

use super::decoded_range::DecodedRange;
use super::layout::DEPTH;
use super::new_rows::new_rows;
use super::pairs::TASK;
use super::panels::Panels;
use super::readers::{PanelReader, PanelSource, Plain};
use super::vector::Vector;

/// `x`, whose rows are `k` long, filled up with zeros to so many rows and to whole blocks; and how long a row is.
pub(super) fn in_swapped_pairs(x: &[bf16], k: usize, rows: usize) -> (Vec<f32>, usize) {
    let stride = k.next_multiple_of(DEPTH);
    let swapped = new_rows((rows, stride), 0f32, TASK.div_ceil(k), |(): &mut (), row, out| {
        let x = x.chunks_exact(k).nth(row).unwrap_or_default();
        let (pairs, last) = x.as_chunks::<2>();
        for (out, &[first, second]) in out.as_chunks_mut::<2>().0.iter_mut().zip(pairs) {
            *out = [widened(second), widened(first)];
        }
        if let [last] = last {
            out[k] = widened(*last);
        }
    });
    (swapped, stride)
}

/// As f32. (`to_f32` looks for what is no number.)
#[inline(always)]
fn widened(value: bf16) -> f32 {
    f32::from_bits(u32::from(value.to_bits()) << 16)
}

/// The weights of `W`, rounded where they are not bfloat16, in that order.
pub(super) struct InSwappedPairs<W>(PhantomData<W>);

pub(super) struct SwappedPairReader<'a, W: PanelSource, V: Vector>(W::Reader<'a, V>);

impl<'a, W: PanelSource, V: Vector> PanelReader<V> for SwappedPairReader<'a, W, V> {
    type Block = <W::Reader<'a, V> as PanelReader<V>>::Block;

    #[inline(always)]
    unsafe fn next_block(&mut self) -> Self::Block {
        // SAFETY: the caller's promise.
        unsafe { self.0.next_block() }
    }

    #[inline(always)]
    unsafe fn step(block: Self::Block, step: usize) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { W::RANGE.rounded::<V>(W::Reader::<'a, V>::step(block, step ^ 1)) }
    }
}

/// The steps of `P` in that order.
pub(super) struct SwappedSteps<P>(PhantomData<P>);

impl<P: Plain> Plain for SwappedSteps<P> {
    const BYTES: usize = P::BYTES;
    const RANGE: DecodedRange = P::RANGE;

    #[inline(always)]
    unsafe fn first<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { P::second::<V>(at) }
    }

    #[inline(always)]
    unsafe fn second<V: Vector>(at: *const u8) -> V::Floats {
        // SAFETY: the caller's promise.
        unsafe { P::first::<V>(at) }
    }
}

impl<W: PanelSource> PanelSource for InSwappedPairs<W> {
    type Reader<'a, V: Vector> = SwappedPairReader<'a, W, V>;
    type InPlace = SwappedSteps<W::InPlace>;

    /// What is to be rounded is rounded once.
    const IN_PLACE: bool = W::IN_PLACE && matches!(W::RANGE, DecodedRange::Bf16);
    const RANGE: DecodedRange = DecodedRange::Bf16;

    #[inline(always)]
    unsafe fn reader<V: Vector>(panels: &Panels, panel: usize) -> Self::Reader<'_, V> {
        // SAFETY: the caller's promise.
        SwappedPairReader(unsafe { W::reader::<V>(panels, panel) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::round::rounded;
    use crate::kernel::simd::{LANES, Simd};
    use crate::kernel::vector::Portable;

    #[test]
    fn rows_are_swapped_pair_by_pair_and_filled_up_with_zeros() {
        let x: Vec<bf16> = (1..11).map(|at| bf16::from_f32(at as f32)).collect();
        let (swapped, stride) = in_swapped_pairs(&x, 5, 3);
        assert_eq!(stride, 8);
        assert_eq!(swapped[..16], [2., 1., 4., 3., 0., 5., 0., 0., 7., 6., 9., 8., 0., 10., 0., 0.]);
        assert_eq!(swapped[16..], [0.0; 8]);
    }

    /// By all steps, and by those for numbers in range.
    ///
    /// # Safety
    /// As of [`Vector`].
    #[inline(always)]
    unsafe fn rounded_by<V: Vector>(values: &[f32; LANES]) -> [[f32; LANES]; 2] {
        let mut out = [[0.0; LANES]; 2];
        // SAFETY: the caller's promise; these are whole vectors.
        unsafe {
            let values = V::load(values.as_ptr());
            V::store(out[0].as_mut_ptr(), V::rounded(values));
            V::store(out[1].as_mut_ptr(), V::rounded_in_range(values));
        }
        out
    }

    #[cfg(target_arch = "x86_64")]
    mod compiled {
        use super::{LANES, rounded_by};
        use crate::kernel::vector::{Avx2, Avx512};

        #[target_feature(enable = "avx2,fma,f16c")]
        pub(super) fn for_avx2(values: &[f32; LANES]) -> [[f32; LANES]; 2] {
            // SAFETY: this function has the features.
            unsafe { rounded_by::<Avx2>(values) }
        }

        #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
        pub(super) fn for_avx512(values: &[f32; LANES]) -> [[f32; LANES]; 2] {
            // SAFETY: this function has the features.
            unsafe { rounded_by::<Avx512>(values) }
        }
    }

    #[test]
    fn vectors_are_rounded_as_values_are() {
        use crate::kernel::simd::SimdLevel;
        let tiny = f32::MIN_POSITIVE.to_bits();
        let special = [0, 1, tiny - 1, tiny, tiny + 0x8000, 0x7f7f_ffff, 0x7f80_0000, 0x7f80_0001, 0x7fff_ffff];
        // Halfway between two, next to it, and below what is still in range.
        let halfway = [0x3f80_8000, 0x3f81_8000, 0x3f80_7fff, 0x3f81_8001, 0x3fff_8000, 0x777f_ffff, 0x7780_0000];
        let special = special.into_iter().chain(halfway).flat_map(|bits| [bits, bits | 0x8000_0000]);
        let bits: Vec<u32> = (0..3008u32).map(|at| at.wrapping_mul(2_654_435_769)).chain(special).collect();
        assert!(bits.len().is_multiple_of(LANES));
        let in_range = |value: f32| value == 0.0 || (f32::MIN_POSITIVE..2f32.powi(112)).contains(&value.abs());
        for bits in bits.as_chunks::<LANES>().0 {
            let values = bits.map(f32::from_bits);
            let expected = values.map(|value| u32::from(rounded(value).to_bits()) << 16);
            for simd in Simd::every() {
                let [all, moderate] = match simd.level() {
                    // SAFETY: arrays ask for no features.
                    SimdLevel::Portable => unsafe { rounded_by::<Portable>(&values) },
                    #[cfg(target_arch = "x86_64")]
                    // SAFETY (both): detection has seen the features.
                    SimdLevel::Avx2 => unsafe { compiled::for_avx2(&values) },
                    #[cfg(target_arch = "x86_64")]
                    SimdLevel::Avx512 => unsafe { compiled::for_avx512(&values) },
                };
                assert_eq!(all.map(f32::to_bits), expected, "{simd:?} {bits:x?}");
                for ((value, moderate), expected) in values.into_iter().zip(moderate).zip(expected) {
                    let (expected, is_number) = (f32::from_bits(expected), value.is_finite());
                    // The sign of a 0 is lost.
                    let as_expected = moderate.to_bits() == (expected + 0.0).to_bits();
                    assert!(!in_range(value) || as_expected, "{simd:?} {value}: {moderate}");
                    assert!(is_number || !moderate.is_finite(), "{simd:?} {value}: {moderate}");
                }
            }
        }
    }
}
