//! The inner loops: plain Rust that the compiler vectorises, compiled once more for AVX2 and FMA and chosen at run
//! time.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

/// Lanes of an accumulator. A fixed number, so that sums have one order on every machine.
const LANES: usize = 16;

/// What the processor offers beyond the baseline, found out once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Simd {
    /// The baseline of the target.
    Portable,
    /// AVX2 with fused multiply-add.
    #[cfg(target_arch = "x86_64")]
    Avx2,
}

impl Simd {
    /// The best that this processor has.
    pub(crate) fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            return Self::Avx2;
        }
        Self::Portable
    }
}

/// One query's view of the cached keys and values of its sequence and head.
#[derive(Clone, Copy)]
pub(crate) struct Visible<'a> {
    /// Keys of all slots, `(slots, kv_heads, head_dim)`.
    pub(crate) keys: &'a [f32],
    /// Values of all slots, the same shape.
    pub(crate) values: &'a [f32],
    /// Blocks of the sequence.
    pub(crate) blocks: &'a [u32],
    /// Tokens per block.
    pub(crate) block: usize,
    /// First and one past the last position that the query sees.
    pub(crate) range: (usize, usize),
    /// Distance between two slots in `keys`: `kv_heads * head_dim`.
    pub(crate) stride: usize,
    /// Where the head starts within a slot.
    pub(crate) offset: usize,
}

impl Visible<'_> {
    /// Start of position `at` in `keys` and `values`.
    #[inline(always)]
    fn start(&self, at: usize) -> usize {
        (self.blocks[at / self.block] as usize * self.block + at % self.block) * self.stride + self.offset
    }
}

/// Attention of one query `(head_dim,)` over what it sees, into `out` `(head_dim,)`. `scores` is scratch.
pub(crate) fn attend(simd: Simd, query: &[f32], scale: f32, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    match simd {
        Simd::Portable => attend_body::<false>(query, scale, seen, scores, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `Simd::Avx2` is only made by `detect`, which has seen both features.
        Simd::Avx2 => unsafe { attend_avx2(query, scale, seen, scores, out) },
    }
}

/// `log(sum(exp(logits)))`, the sum in f64.
pub(crate) fn log_sum_exp(simd: Simd, logits: &[f32]) -> f64 {
    match simd {
        Simd::Portable => log_sum_exp_body::<false>(logits),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: as in `attend`.
        Simd::Avx2 => unsafe { log_sum_exp_avx2(logits) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn attend_avx2(query: &[f32], scale: f32, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    attend_body::<true>(query, scale, seen, scores, out);
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn log_sum_exp_avx2(logits: &[f32]) -> f64 {
    log_sum_exp_body::<true>(logits)
}

#[inline(always)]
fn attend_body<const FMA: bool>(query: &[f32], scale: f32, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    let (from, to) = seen.range;
    let width = query.len();
    scores.clear();
    scores.extend((from..to).map(|at| {
        let start = seen.start(at);
        dot::<FMA>(query, &seen.keys[start..start + width]) * scale
    }));
    let max = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    for score in scores.iter_mut() {
        *score = exp::<FMA>(*score - max);
    }
    let inverse = 1.0 / sum(scores);
    out.fill(0.0);
    for (at, &weight) in (from..to).zip(scores.iter()) {
        let start = seen.start(at);
        for (out, &value) in out.iter_mut().zip(&seen.values[start..start + width]) {
            *out = multiply_add::<FMA>(weight, value, *out);
        }
    }
    for out in out.iter_mut() {
        *out *= inverse;
    }
}

#[inline(always)]
fn log_sum_exp_body<const FMA: bool>(logits: &[f32]) -> f64 {
    let max = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    if !max.is_finite() {
        return f64::from(max);
    }
    let mut lanes = [0f64; LANES];
    let (chunks, rest) = logits.as_chunks::<LANES>();
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

#[inline(always)]
fn multiply_add<const FMA: bool>(a: f32, b: f32, c: f32) -> f32 {
    // Without the instruction, `mul_add` is a slow library call.
    if FMA { a.mul_add(b, c) } else { a * b + c }
}

#[inline(always)]
fn dot<const FMA: bool>(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let ((a_chunks, a_rest), (b_chunks, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    for (a, b) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] = multiply_add::<FMA>(a[lane], b[lane], lanes[lane]);
        }
    }
    for (lane, (&a, &b)) in lanes.iter_mut().zip(a_rest.iter().zip(b_rest)) {
        *lane = multiply_add::<FMA>(a, b, *lane);
    }
    lanes.iter().sum()
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0f32; LANES];
    let (chunks, rest) = values.as_chunks::<LANES>();
    for chunk in chunks {
        for (lane, value) in lanes.iter_mut().zip(chunk) {
            *lane += value;
        }
    }
    for (lane, value) in lanes.iter_mut().zip(rest) {
        *lane += value;
    }
    lanes.iter().sum()
}

/// `exp(x)` for `x <= 0` to within 2 units in the last place; 0 below -87.
///
/// Range reduction by ln 2 (Cody and Waite), then the Taylor polynomial of degree 7 on |r| <= ln(2)/2, whose
/// remainder is below f32's precision. No table and no branch, so that loops over it vectorise.
#[inline(always)]
fn exp<const FMA: bool>(x: f32) -> f32 {
    const LN2_HIGH: f32 = 0.693_359_4;
    const LN2_LOW: f32 = -2.121_944_4e-4;
    // Adding and subtracting 1.5 * 2^23 rounds to an integer.
    const ROUND: f32 = 12_582_912.0;
    const COEFFICIENTS: [f32; 7] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];
    let clamped = x.clamp(-87.0, 0.0);
    let power = multiply_add::<FMA>(clamped, std::f32::consts::LOG2_E, ROUND) - ROUND;
    let reduced = multiply_add::<FMA>(power, -LN2_LOW, multiply_add::<FMA>(power, -LN2_HIGH, clamped));
    let mut polynomial = COEFFICIENTS[0];
    for coefficient in &COEFFICIENTS[1..] {
        polynomial = multiply_add::<FMA>(polynomial, reduced, *coefficient);
    }
    polynomial = multiply_add::<FMA>(polynomial, reduced, 1.0);
    let scale = f32::from_bits(((power as i32 + 127) << 23) as u32);
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
        for simd in [Simd::Portable, Simd::detect()] {
            assert!((log_sum_exp(simd, &logits) - expected).abs() < 1e-6);
        }
    }

    #[test]
    fn attention_agrees_with_its_definition() {
        let (width, slots) = (20, 8);
        let value = |i: usize| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.5;
        let keys: Vec<f32> = (0..slots * width).map(value).collect();
        let values: Vec<f32> = (0..slots * width).map(|i| value(i + 5)).collect();
        let query: Vec<f32> = (0..width).map(|i| value(i + 9)).collect();
        // Positions 0..4 lie in block 1, positions 4..8 in block 0; the query sees 1..7.
        let blocks = [1, 0];
        let seen = Visible {
            keys: &keys,
            values: &values,
            blocks: &blocks,
            block: 4,
            range: (1, 7),
            stride: width,
            offset: 0,
        };
        let slot = |at: usize| blocks[at / 4] as usize * 4 + at % 4;
        let weights: Vec<f64> = (1..7)
            .map(|at| {
                let key = &keys[slot(at) * width..][..width];
                (0.3 * query.iter().zip(key).map(|(q, k)| f64::from(q * k)).sum::<f64>()).exp()
            })
            .collect();
        let total: f64 = weights.iter().sum();
        for simd in [Simd::Portable, Simd::detect()] {
            let mut out = vec![0.0; width];
            attend(simd, &query, 0.3, seen, &mut Vec::new(), &mut out);
            for (column, &out) in out.iter().enumerate() {
                let expected: f64 =
                    (1..7).map(|at| weights[at - 1] / total * f64::from(values[slot(at) * width + column])).sum();
                assert!((f64::from(out) - expected).abs() < 1e-6);
            }
        }
    }
}
