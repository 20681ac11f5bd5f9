//! Row-wise steps between the products: norms, rotations, gates.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::exp::exp;
use super::simd::{BASELINE_FMA, Simd, SimdLevel, dot, multiply_add, sum};

/// `x / sqrt(mean(x^2) + epsilon) * weight`, one row into `out`.
pub(crate) fn rms_norm(simd: Simd, x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    match simd.level() {
        SimdLevel::Portable => rms_norm_body::<BASELINE_FMA>(x, weight, epsilon, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen both features.
        SimdLevel::Avx2 | SimdLevel::Avx512 => unsafe { rms_norm_avx2(x, weight, epsilon, out) },
    }
}

/// What scales another input of an MLP, once it went through a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GateActivation {
    /// `x * sigmoid(x)`.
    Silu,
    /// The Gaussian error linear unit as its approximation by tanh: `x * sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3))`.
    GeluTanh,
}

/// `gate(x) * y`, one row into `out`.
pub(crate) fn gate_times(simd: Simd, gate: GateActivation, x: &[f32], y: &[f32], out: &mut [f32]) {
    match (simd.level(), gate) {
        (SimdLevel::Portable, GateActivation::Silu) => gate_times_body::<BASELINE_FMA>(|x| x, x, y, out),
        (SimdLevel::Portable, GateActivation::GeluTanh) => gate_times_body::<BASELINE_FMA>(gelu_inner, x, y, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen both features.
        (SimdLevel::Avx2 | SimdLevel::Avx512, gate) => unsafe { gate_times_avx2(gate, x, y, out) },
    }
}

/// `(x - mean) / sqrt(variance + epsilon) * weight + bias`, one row into `out`.
pub(crate) fn layer_norm(simd: Simd, x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    match simd.level() {
        SimdLevel::Portable => layer_norm_body::<BASELINE_FMA>(x, weight, bias, epsilon, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen both features.
        SimdLevel::Avx2 | SimdLevel::Avx512 => unsafe { layer_norm_avx2(x, weight, bias, epsilon, out) },
    }
}

/// Rotates heads that are `width` wide: `i`-th components of first halves with those of second ones, by the angles with
/// these cosines and sines. Components beyond twice their number are copied.
pub(crate) fn rotate_halves(simd: Simd, heads: &[f32], width: usize, [cos, sin]: [&[f32]; 2], out: &mut [f32]) {
    match simd.level() {
        SimdLevel::Portable => rotate_halves_body(heads, width, [cos, sin], out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen the feature.
        SimdLevel::Avx2 | SimdLevel::Avx512 => unsafe { rotate_halves_avx2(heads, width, [cos, sin], out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn rotate_halves_avx2(heads: &[f32], width: usize, angles: [&[f32]; 2], out: &mut [f32]) {
    rotate_halves_body(heads, width, angles, out);
}

#[inline(always)]
fn rotate_halves_body(heads: &[f32], width: usize, [cos, sin]: [&[f32]; 2], out: &mut [f32]) {
    for (head, out) in heads.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        rotate_head(head, cos, sin, out);
    }
}

#[inline(always)]
fn rotate_head(head: &[f32], cos: &[f32], sin: &[f32], out: &mut [f32]) {
    let half = cos.len();
    out[2 * half..].copy_from_slice(&head[2 * half..]);
    let (low, high) = head[..2 * half].split_at(half);
    let (out_low, out_high) = out[..2 * half].split_at_mut(half);
    for i in 0..half {
        out_low[i] = low[i] * cos[i] - high[i] * sin[i];
        out_high[i] = low[i] * sin[i] + high[i] * cos[i];
    }
}

/// The same with neighbouring components turned together.
pub(crate) fn rotate_pairs(heads: &[f32], width: usize, [cos, sin]: [&[f32]; 2], out: &mut [f32]) {
    let turned = 2 * cos.len();
    for (head, out) in heads.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
        out[turned..].copy_from_slice(&head[turned..]);
        let pairs = head[..turned].as_chunks::<2>().0.iter().zip(out[..turned].as_chunks_mut::<2>().0);
        for (([x, y], out), (cos, sin)) in pairs.zip(cos.iter().zip(sin)) {
            *out = [x * cos - y * sin, x * sin + y * cos];
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn rms_norm_avx2(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    rms_norm_body::<true>(x, weight, epsilon, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn gate_times_avx2(gate: GateActivation, x: &[f32], y: &[f32], out: &mut [f32]) {
    match gate {
        GateActivation::Silu => gate_times_body::<true>(|x| x, x, y, out),
        GateActivation::GeluTanh => gate_times_body::<true>(gelu_inner, x, y, out),
    }
}

#[inline(always)]
fn rms_norm_body<const FMA: bool>(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let scale = 1.0 / (dot::<FMA>(x, x) / x.len() as f32 + epsilon).sqrt();
    for ((out, &x), &weight) in out.iter_mut().zip(x).zip(weight) {
        *out = x * scale * weight;
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn layer_norm_avx2(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    layer_norm_body::<true>(x, weight, bias, epsilon, out);
}

#[inline(always)]
fn layer_norm_body<const FMA: bool>(x: &[f32], weight: &[f32], bias: &[f32], epsilon: f32, out: &mut [f32]) {
    let mean = sum(x) / x.len() as f32;
    for (out, &x) in out.iter_mut().zip(x) {
        *out = x - mean;
    }
    let scale = 1.0 / (dot::<FMA>(out, out) / x.len() as f32 + epsilon).sqrt();
    for ((out, &weight), &bias) in out.iter_mut().zip(weight).zip(bias) {
        *out = *out * scale * weight + bias;
    }
}

/// `x * sigmoid(inner(x)) * y`.
#[inline(always)]
fn gate_times_body<const FMA: bool>(inner: impl Fn(f32) -> f32, x: &[f32], y: &[f32], out: &mut [f32]) {
    for ((out, &x), &y) in out.iter_mut().zip(x).zip(y) {
        let inner = inner(x);
        // Of the two forms of the sigmoid the one whose exponential does not overflow.
        let small = exp::<FMA>(-inner.abs());
        let sigmoid = if inner < 0.0 { small } else { 1.0 } / (1.0 + small);
        *out = multiply_add::<FMA>(x * sigmoid, y, 0.0);
    }
}

/// `(1 + tanh(u)) / 2 = sigmoid(2 u)`, so that this is twice what the tanh of the approximation is of.
#[inline(always)]
fn gelu_inner(x: f32) -> f32 {
    const SCALE: f32 = 1.595_769; // 2 sqrt(2 / pi)
    SCALE * x * (1.0 + 0.044_715 * x * x)
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
        let square = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>() / 75.0;
        let mean = x.iter().map(|&x| f64::from(x)).sum::<f64>() / 75.0;
        for simd in Simd::every() {
            let (mut normed, mut gated, mut centred) = (vec![0.0; 75], vec![0.0; 75], vec![0.0; 75]);
            let mut by_gelu = vec![0.0; 75];
            gate_times(simd, GateActivation::GeluTanh, &x, &y, &mut by_gelu);
            layer_norm(simd, &x, &y, &x, 1e-5, &mut centred);
            rms_norm(simd, &x, &y, 1e-5, &mut normed);
            gate_times(simd, GateActivation::Silu, &x, &y, &mut gated);
            for i in 0..75 {
                let (x, y) = (f64::from(x[i]), f64::from(y[i]));
                assert!((f64::from(normed[i]) - x / (square + 1e-5).sqrt() * y).abs() < 1e-5);
                let variance = square - mean * mean;
                let expected = (x - mean) / (variance + 1e-5).sqrt() * y + x;
                assert!((f64::from(centred[i]) - expected).abs() < 2e-5);
                assert!((f64::from(gated[i]) - x / (1.0 + (-x).exp()) * y).abs() < 1e-5);
                let tanh = ((2.0 / std::f64::consts::PI).sqrt() * (x + 0.044_715 * x * x * x)).tanh();
                assert!((f64::from(by_gelu[i]) - 0.5 * x * (1.0 + tanh) * y).abs() < 1e-5);
            }
        }
    }

    #[test]
    fn a_rotation_turns_halves_or_neighbours_and_copies_the_rest() {
        let close = |out: [f32; 10], expected: [f32; 10]| out.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-7);
        let heads: [f32; 10] = std::array::from_fn(|at| at as f32 + 1.0);
        let angles: [&[f32]; 2] = [&[0.0, 1.0], &[1.0, 0.0]];
        let mut out = [0.0; 10];
        for simd in Simd::every() {
            rotate_halves(simd, &heads, 5, angles, &mut out);
            assert!(close(out, [-3.0, 2.0, 1.0, 4.0, 5.0, -8.0, 7.0, 6.0, 9.0, 10.0]), "{simd:?}");
        }
        rotate_pairs(&heads, 5, angles, &mut out);
        assert!(close(out, [-2.0, 1.0, 3.0, 4.0, 5.0, -7.0, 6.0, 8.0, 9.0, 10.0]));
    }
}
