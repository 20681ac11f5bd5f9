//! Row-wise steps between the products: norms, rotations, gates.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::exp::exp;
use super::simd::{Simd, dot, multiply_add};

/// `x / sqrt(mean(x^2) + epsilon) * weight`, one row into `out`.
pub(crate) fn rms_norm(simd: Simd, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    match simd {
        Simd::Portable => rms_norm_body::<false>(x, weight, epsilon, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` has seen both features.
        Simd::Avx2 | Simd::Avx512 => unsafe { rms_norm_avx2(x, weight, epsilon, out) },
    }
}

/// `x * sigmoid(x) * y`, one row into `out`.
pub(crate) fn silu_times(simd: Simd, x: &[f32], y: &[f32], out: &mut [f32]) {
    match simd {
        Simd::Portable => silu_times_body::<false>(x, y, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` has seen both features.
        Simd::Avx2 | Simd::Avx512 => unsafe { silu_times_avx2(x, y, out) },
    }
}

/// Rotates the halves of one head by the angles with these cosines and sines, each half as wide.
#[inline(always)]
pub(crate) fn rotate(head: &[f32], cos: &[f32], sin: &[f32], out: &mut [f32]) {
    let half = cos.len();
    let (low, high) = head.split_at(half);
    let (out_low, out_high) = out.split_at_mut(half);
    for i in 0..half {
        out_low[i] = low[i] * cos[i] - high[i] * sin[i];
        out_high[i] = low[i] * sin[i] + high[i] * cos[i];
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rms_norm_avx2(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    rms_norm_body::<true>(x, weight, epsilon, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn silu_times_avx2(x: &[f32], y: &[f32], out: &mut [f32]) {
    silu_times_body::<true>(x, y, out);
}

#[inline(always)]
fn rms_norm_body<const FMA: bool>(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let scale = 1.0 / (dot::<FMA>(x, x) / x.len() as f32 + epsilon).sqrt();
    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

#[inline(always)]
fn silu_times_body<const FMA: bool>(x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
        // Of the two forms of the sigmoid the one whose exponential does not overflow.
        let small = exp::<FMA>(-x.abs());
        let sigmoid = if x < 0.0 { small } else { 1.0 } / (1.0 + small);
        *out = multiply_add::<FMA>(x * sigmoid, y, 0.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 37 + 11) % 101) as f32 / 10.0 - 5.0).collect()
    }

    #[test]
    fn norms_and_gates_agree_with_f64_arithmetic() {
        let (x, y) = (values(75), values(75).into_iter().rev().collect::<Vec<_>>());
        let mean = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 75.0;
        for simd in [Simd::Portable, Simd::detect()] {
            let (mut normed, mut gated) = (vec![0.0; 75], vec![0.0; 75]);
            rms_norm(simd, &x, &y, 1e-5, &mut normed);
            silu_times(simd, &x, &y, &mut gated);
            for i in 0..75 {
                let (x, y) = (f64::from(x[i]), f64::from(y[i]));
                assert!((f64::from(normed[i]) - x / (mean + 1e-5).sqrt() * y).abs() < 1e-5);
                assert!((f64::from(gated[i]) - x / (1.0 + (-x).exp()) * y).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_rotation_turns_pairs_of_the_two_halves() {
        let mut out = [0.0; 4];
        rotate(&[1.0, 2.0, 3.0, 4.0], &[0.0, 1.0], &[1.0, 0.0], &mut out);
        assert!(out.iter().zip([-3.0, 2.0, 1.0, 4.0]).all(|(out, expected)| (out - expected).abs() < 1e-7));
    }
}
