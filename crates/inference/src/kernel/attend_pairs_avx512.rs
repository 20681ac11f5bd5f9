//! Attention in bfloat16 by AVX-512 BF16.

use std::arch::x86_64::{
    __m256bh, __m256i, __m512, __m512bh, __m512i, _mm512_and_si512, _mm512_cvtepu32_epi64, _mm512_cvtneps_pbh,
    _mm512_dpbf16_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_set1_epi32, _mm512_storeu_si512,
};

use half::bf16;

use super::attend_together::attend_together;
use super::cached_steps::CachedSteps;
use super::pairs_avx512::pairs;
use super::scoring::{Cached, HeadQuery, Scoring};
use super::simd::LANES;
use super::vector::Avx512;

/// As [`attend_in_pairs`](super::attend_pairs::attend_in_pairs), of heads that are a multiple of [`LANES`] wide.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16,avx2,fma")]
pub(super) fn attend_avx512(
    queries: &[HeadQuery<'_>],
    seen: Cached<'_, bf16>,
    scoring: Scoring,
    scratch: &mut Vec<f32>,
    out: &mut [&mut [f32]],
) {
    // SAFETY: this function has the features.
    unsafe { attend_together::<MultipliedPairs, true, 4, 4, 4>(queries, seen, scoring, scratch, out) }
}

/// Pairs of bfloat16 that one instruction multiplies and adds. Asks for AVX-512 BF16.
struct MultipliedPairs;

// SAFETY (all): the caller's promise.
impl CachedSteps for MultipliedPairs {
    type Value = bf16;
    const STEPS: usize = 2;
    type Lanes = Avx512;
    type Factors = __m512bh;
    type Cached = __m512i;

    /// A pair is in the place of the first of its numbers.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn prepare(numbers: &mut [f32]) {
        for numbers in numbers.as_chunks_mut::<LANES>().0 {
            unsafe {
                let rounded = _mm512_cvtneps_pbh(_mm512_loadu_ps(numbers.as_ptr()));
                let rounded = std::mem::transmute::<__m256bh, __m256i>(rounded);
                _mm512_storeu_si512(numbers.as_mut_ptr().cast(), _mm512_cvtepu32_epi64(rounded));
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn factors(prepared: *const f32) -> __m512bh {
        pairs(_mm512_set1_epi32(unsafe { *prepared.cast() }))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn cached(at: *const bf16) -> __m512i {
        unsafe { _mm512_loadu_si512(at.cast()) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn only(step: usize, cached: __m512i) -> __m512i {
        _mm512_and_si512(cached, _mm512_set1_epi32(0xffff << (16 * step)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn add(factors: __m512bh, cached: __m512i, sums: __m512) -> __m512 {
        _mm512_dpbf16_ps(sums, factors, pairs(cached))
    }
}
