//! Attention of one query written out for AVX-512.

use std::arch::x86_64::{
    _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_mul_ps, _mm512_set1_ps, _mm512_setzero_ps, _mm512_storeu_ps,
};

use super::attend::{Query, Visible, weigh};
use super::matmul_avx512::add_up;
use super::simd::LANES;

/// Components of the output that are summed in registers at a time.
const CHUNK: usize = 4 * LANES;

/// As [`attend`](super::attend::attend); the query's width is a multiple of [`LANES`].
///
/// Scores are dot products over fixed lanes, four keys at a time; values are added up key by key. So the bits depend on
/// nothing but what the query sees.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx2,fma")]
pub(super) fn attend_avx512(query: Query<'_>, seen: Visible<'_>, scores: &mut Vec<f32>, out: &mut [f32]) {
    let (from, to) = seen.range;
    let width = query.values.len();
    assert!(width.is_multiple_of(LANES) && out.len() == width);
    scores.clear();
    scores.resize(to - from, 0.0);
    let mut at = from;
    while at < to {
        let count = (to - at).min(4);
        // Where fewer than four are left, the last is computed more than once.
        let keys: [&[f32]; 4] = std::array::from_fn(|i| {
            let start = seen.start(at + i.min(count - 1));
            &seen.keys[start..start + width]
        });
        let mut sums = [_mm512_setzero_ps(); 4];
        for lane in (0..width).step_by(LANES) {
            // SAFETY: query and keys are `width` long, a multiple of the lanes.
            unsafe {
                let q = _mm512_loadu_ps(query.values.as_ptr().add(lane));
                for (sum, key) in sums.iter_mut().zip(&keys) {
                    *sum = _mm512_fmadd_ps(q, _mm512_loadu_ps(key.as_ptr().add(lane)), *sum);
                }
            }
        }
        let [a, b, c, d] = sums;
        for (score, sum) in scores[at - from..].iter_mut().take(count).zip(add_up(a, b, c, d)) {
            *score = sum * query.scale;
        }
        at += count;
    }
    let inverse = _mm512_set1_ps(1.0 / weigh::<true>(query.cap, scores));
    for chunk in (0..width).step_by(CHUNK) {
        let lanes = ((width - chunk) / LANES).min(4);
        let mut sums = [_mm512_setzero_ps(); 4];
        for at in from..to {
            let start = seen.start(at) + chunk;
            let values = &seen.values[start..start + lanes * LANES];
            let weight = _mm512_set1_ps(scores[at - from]);
            for (lane, sum) in sums.iter_mut().enumerate().take(lanes) {
                // SAFETY: `values` holds that many lanes.
                *sum = unsafe { _mm512_fmadd_ps(weight, _mm512_loadu_ps(values.as_ptr().add(lane * LANES)), *sum) };
            }
        }
        for (lane, sum) in sums.into_iter().enumerate().take(lanes) {
            // SAFETY: `out` is `width` long and this lane lies within.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(chunk + lane * LANES), _mm512_mul_ps(sum, inverse)) };
        }
    }
}
