//! Exponentials and sums of them.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::simd::{BASELINE_FMA, LANES, Simd, SimdLevel, multiply_add};

/// `log(sum(exp(logits)))`, the sum in f64.
pub(crate) fn log_sum_exp(simd: Simd, logits: &[f32]) -> f64 {
    match simd.level() {
        SimdLevel::Portable => log_sum_exp_body::<BASELINE_FMA>(logits),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: detection has seen both features.
        SimdLevel::Avx2 | SimdLevel::Avx512 => unsafe { log_sum_exp_avx2(logits) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn log_sum_exp_avx2(logits: &[f32]) -> f64 {
    log_sum_exp_body::<true>(logits)
}

#[inline(always)]
fn log_sum_exp_body<const FMA: bool>(logits: &[f32]) -> f64 {
    let (chunks, rest) = logits.as_chunks::<LANES>();
    let mut most = [f32::NEG_INFINITY; LANES];
    for chunk in chunks {
        for (most, &logit) in most.iter_mut().zip(chunk) {
            *most = most.max(logit);
        }
    }
    let max = most.iter().chain(rest).copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() {
        return f64::from(max);
    }
    let mut lanes = [0f64; LANES];
    for chunk in chunks {
        for (lane, &logit) in lanes.iter_mut().zip(chunk) {
            *lane += f64::from(exp::<FMA>(logit - max));
        }
    }
    for (lane, &logit) in lanes.iter_mut().zip(rest) {
        *lane += f64::from(exp::<FMA>(logit - max));
    }
    f64::from(max) + lanes.iter().sum::<f64>().ln()
}

/// `exp(x)` for `x <= 0` to within 2 units in the last place; 0 below -87.
///
/// Range reduction by ln 2 (Cody and Waite), then the Taylor polynomial of degree 7 on |r| <= ln(2)/2, whose
/// remainder is below f32's precision. No table and no branch, so that loops over it vectorise.
#[inline(always)]
pub(super) fn exp<const FMA: bool>(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    const COEFFICIENTS: [f32; 7] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let clamped = x.clamp(-87.0, 0.0);
    let rounded = multiply_add::<FMA>(clamped, std::f32::consts::LOG2_E, ROUND);
    let power = rounded - ROUND;
    let reduced = multiply_add::<FMA>(power, -LN2_LOW, multiply_add::<FMA>(power, -LN2_HIGH, clamped));
    let mut polynomial = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        polynomial = multiply_add::<FMA>(polynomial, reduced, *coefficient);
    }
    polynomial = multiply_add::<FMA>(polynomial, reduced, 1.0);
    // The integer stands in the last bits of the sum. A conversion would have to check for NaN and for what is too large.
    let scale = f32::from_bits((rounded.to_bits() << 23).wrapping_add(127 << 23));
    if x < -87.0 { 0.0 } else { polynomial * scale }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_two_units_in_the_last_place() {
        for step in 0..87_000 {
            let x = -(step as f32) / 1000.0;
            let expected = f64::from(x).exp();
            for value in [exp::<false>(x), exp::<true>(x)] {
                let error = (f64::from(value) - expected).abs() / expected;
                assert!(error < 2.4e-7, "exp({x}): {error}");
            }
        }
        assert_eq!(exp::<false>(-1000.0).to_bits(), 0);
    }

    #[test]
    fn log_sum_exp_agrees_with_f64_arithmetic() {
        let logits: Vec<f32> = (0..1003).map(|i| ((i * 7919) % 613) as f32 / 30.0 - 5.0).collect();
        let expected = logits.iter().map(|&l| f64::from(l).exp()).sum::<f64>().ln();
        for simd in Simd::every() {
            assert!((log_sum_exp(simd, &logits) - expected).abs() < 1e-6);
        }
    }
}
