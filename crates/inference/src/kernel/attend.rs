//! Attention of one query over a paged cache.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use super::exp::exp;
use super::simd::{LANES, Simd, dot, multiply_add, sum};

/// A query of one head.
#[derive(Clone, Copy)]
pub(crate) struct Query<'a> {
    /// Its components.
    pub(crate) values: &'a [f32],
    /// What its products with keys are multiplied by.
    pub(crate) scale: f32,
    /// Soft cap of the scores: `cap * tanh(score / cap)`.
    pub(crate) cap: Option<f32>,
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
    pub(super) fn start(&self, at: usize) -> usize {
        (self.blocks[at / self.block] as usize * self.block + at % self.block) * self.stride + self.offset
    }
}

/// Attention of one query over what it sees, into `out` `(head_dim,)`. `scores` is scratch.
pub(crate) fn attend(simd: Simd, query: Query<'_>, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    match simd {
        Simd::Portable => attend_body::<false>(query, seen, scores, out),
        #[cfg(target_arch = "x86_64")]
        // SAFETY: `detect` has seen the features.
        Simd::Avx512 if query.values.len().is_multiple_of(LANES) => unsafe {
            super::attend_avx512::attend_avx512(query, seen, scores, out);
        },
        #[cfg(target_arch = "x86_64")]
        // SAFETY: likewise.
        Simd::Avx2 | Simd::Avx512 => unsafe { attend_avx2(query, seen, scores, out) },
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
fn attend_avx2(query: Query<'_>, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    attend_body::<true>(query, seen, scores, out);
}

#[inline(always)]
fn attend_body<const FMA: bool>(query: Query<'_>, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    // Loops, not iterator adaptors: a closure that ends up in a function of its own is not compiled for the features.
    let (from, to) = seen.range;
    let width = query.values.len();
    scores.clear();
    scores.resize(to - from, 0.0);
    for at in from..to {
        let start = seen.start(at);
        scores[at - from] = dot::<FMA>(query.values, &seen.keys[start..start + width]) * query.scale;
    }
    let inverse = 1.0 / weigh::<FMA>(query.cap, scores);
    out.fill(0.0);
    for at in from..to {
        let start = seen.start(at);
        let weight = scores[at - from];
        for (out, &value) in out.iter_mut().zip(&seen.values[start..start + width]) {
            *out = multiply_add::<FMA>(weight, value, *out);
        }
    }
    for out in out.iter_mut() {
        *out *= inverse;
    }
}

/// Makes scores into weights that are not yet divided by their sum, which it gives.
#[inline(always)]
pub(super) fn weigh<const FMA: bool>(cap: Option<f32>, scores: &mut [f32]) -> f32 {
    if let Some(cap) = cap {
        for score in scores.iter_mut() {
            *score = cap * (*score / cap).tanh();
        }
    }
    let mut max = f32::NEG_INFINITY;
    for &score in scores.iter() {
        max = max.max(score);
    }
    for score in scores.iter_mut() {
        *score = exp::<FMA>(*score - max);
    }
    sum(scores)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attention_agrees_with_its_definition() {
        for width in [20, 32, 80] {
            agrees(width);
        }
    }

    fn agrees(width: usize) {
        let slots = 8;
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
            let query = Query { values: &query, scale: 0.3, cap: None };
            attend(simd, query, seen, &mut Vec::new(), &mut out);
            for (column, &out) in out.iter().enumerate() {
                let expected: f64 =
                    (1..7).map(|at| weights[at - 1] / total * f64::from(values[slot(at) * width + column])).sum();
                assert!((f64::from(out) - expected).abs() < 1e-6);
            }
        }
    }
}
