//! Weights into blocks of signed bytes: to the bit what candle and ggml make of them, on whatever registers there are.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use half::f16;

use crate::kernel::simd::{LANES, Simd, SimdLevel};

/// Weights of a block, and its bytes: a scale in half precision, then a byte for each weight.
const WEIGHTS: usize = 32;
const BYTES: usize = 2 + WEIGHTS;
/// The largest number below a half: where it is added, cutting off rounds halves away from zero, as [`f32::round`] does.
const BELOW_HALF: f32 = 0.499_999_97;

/// Writes whole blocks of weights as `q8_0`.
pub(crate) fn quantise_q8_0(simd: Simd, weights: &[f32], out: &mut [u8]) {
    match simd.level() {
        SimdLevel::Portable => body(weights, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen the features.
        SimdLevel::Avx2 | SimdLevel::Avx512 => unsafe { body_avx2(weights, out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn body_avx2(weights: &[f32], out: &mut [u8]) {
    body(weights, out);
}

#[inline(always)]
fn body(weights: &[f32], out: &mut [u8]) {
    assert_eq!(weights.len() / WEIGHTS * BYTES, out.len(), "room for whole blocks");
    for (weights, out) in weights.as_chunks::<WEIGHTS>().0.iter().zip(out.as_chunks_mut::<BYTES>().0) {
        let mut lanes = [0f32; LANES];
        for half in weights.as_chunks::<LANES>().0 {
            for lane in 0..LANES {
                lanes[lane] = lanes[lane].max(half[lane].abs());
            }
        }
        let mut most = 0f32;
        for lane in lanes {
            most = most.max(lane);
        }
        let scale = most / 127.0;
        let inverse = if scale == 0.0 { 0.0 } else { 1.0 / scale };
        let (first, codes) = out.split_at_mut(2);
        first.copy_from_slice(&f16::from_f32(scale).to_le_bytes());
        for (code, weight) in codes.iter_mut().zip(weights) {
            let scaled = weight * inverse;
            *code = (scaled + BELOW_HALF.copysign(scaled)) as i32 as u8;
        }
    }
}

#[cfg(test)]
mod tests {
    use candle_core::quantized::{GgmlDType, QTensor};
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn blocks_are_to_the_bit_what_candle_makes_of_them() {
        let mut weights: Vec<f32> =
            (0..64 * WEIGHTS).map(|at| ((at * 7919 + 31) % 2003) as f32 / 1001.5 - 1.0).collect();
        // Zeros; halves between two codes, and what is next to them; large ones and tiny ones.
        weights[..WEIGHTS].fill(0.0);
        for (at, weight) in weights[WEIGHTS..2 * WEIGHTS].iter_mut().enumerate() {
            *weight = [127.0, 0.5, -0.5, 1.5, 0.499_999_97, -2.5, 126.5, 0.500_000_06][at % 8];
        }
        weights[2 * WEIGHTS..3 * WEIGHTS].iter_mut().for_each(|weight| *weight *= 1e30);
        weights[3 * WEIGHTS..4 * WEIGHTS].iter_mut().for_each(|weight| *weight *= 1e-30);
        let tensor = Tensor::from_slice(&weights, (64, WEIGHTS), &Device::Cpu).unwrap();
        let expected = QTensor::quantize(&tensor, GgmlDType::Q8_0).unwrap();
        for simd in Simd::every() {
            let mut out = vec![0; 64 * BYTES];
            quantise_q8_0(simd, &weights, &mut out);
            assert!(out == *expected.data().unwrap(), "{simd:?}");
        }
    }
}
