//! AVX-512: one register of sixteen lanes.

use std::arch::x86_64::{
    __m512, __m512i, _mm_loadu_si128, _mm256_loadu_si256, _mm512_add_epi32, _mm512_add_ps, _mm512_and_si512,
    _mm512_castps_si512, _mm512_castsi512_ps, _mm512_cmpgt_epi32_mask, _mm512_cmplt_epi32_mask, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu8_epi32, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
    _mm512_loadu_si512, _mm512_mask_and_epi32, _mm512_mask_or_epi32, _mm512_mask_storeu_ps, _mm512_maskz_loadu_ps,
    _mm512_mul_ps, _mm512_or_si512, _mm512_permutex2var_ps, _mm512_permutexvar_ps, _mm512_set1_epi32, _mm512_set1_ps,
    _mm512_sllv_epi32, _mm512_srai_epi32, _mm512_srli_epi32, _mm512_srlv_epi32, _mm512_storeu_ps,
};

use super::{Codebook, LANES, SIGN_AND_EXPONENT, Vector};

/// Asks for AVX-512F.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Avx512;

fn lanes(count: usize) -> u16 {
    u16::MAX >> (LANES - count)
}

/// The lowest bits of sixteen numbers from `from` on.
const fn numbers(from: u32, bits: u32) -> Codebook {
    let mut table = [0f32; LANES];
    let mut at = 0;
    while at < LANES {
        table[at] = ((from + at as u32) & ((1 << bits) - 1)) as f32;
        at += 1;
    }
    table
}

// SAFETY (all): the caller's promise of features and of what can be read and written.
impl Vector for Avx512 {
    type Floats = __m512;
    type Words = __m512i;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat(value: f32) -> __m512 {
        _mm512_set1_ps(value)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load(at: *const f32) -> __m512 {
        unsafe { _mm512_loadu_ps(at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store(at: *mut f32, values: __m512) {
        unsafe { _mm512_storeu_ps(at, values) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn load_some(at: *const f32, count: usize) -> __m512 {
        unsafe { _mm512_maskz_loadu_ps(lanes(count), at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn store_some(at: *mut f32, count: usize, values: __m512) {
        unsafe { _mm512_mask_storeu_ps(at, lanes(count), values) }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn add(a: __m512, b: __m512) -> __m512 {
        _mm512_add_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn mul(a: __m512, b: __m512) -> __m512 {
        _mm512_mul_ps(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn mul_add(a: __m512, b: __m512, c: __m512) -> __m512 {
        _mm512_fmadd_ps(a, b, c)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn rounded(values: __m512) -> __m512 {
        // As one value is, by the same steps.
        let word = |word: u32| _mm512_set1_epi32(word.cast_signed());
        let bits = _mm512_castps_si512(values);
        let odd = _mm512_and_si512(_mm512_srli_epi32::<16>(bits), word(1));
        let near = _mm512_add_epi32(bits, _mm512_add_epi32(odd, word(0x7fff)));
        let magnitude = _mm512_and_si512(bits, word(0x7fff_ffff));
        let is_nan = _mm512_cmpgt_epi32_mask(magnitude, word(f32::INFINITY.to_bits()));
        let kept = _mm512_mask_or_epi32(near, is_nan, bits, word(0x0040_0000));
        let is_tiny = _mm512_cmplt_epi32_mask(magnitude, word(f32::MIN_POSITIVE.to_bits()));
        let kept = _mm512_mask_and_epi32(kept, is_tiny, bits, word(0x8000_0000));
        _mm512_castsi512_ps(_mm512_and_si512(kept, word(0xffff_0000)))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn power_of_two(values: __m512) -> __m512 {
        let kept = _mm512_set1_epi32(SIGN_AND_EXPONENT.cast_signed());
        _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(values), kept))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn f16(at: *const u8) -> __m512 {
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at.cast()) })
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn i8(at: *const u8) -> __m512 {
        _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(unsafe { _mm_loadu_si128(at.cast()) }))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn words<const BYTES: usize>(at: *const u8) -> __m512i {
        unsafe {
            match BYTES {
                1 => _mm512_cvtepu8_epi32(_mm_loadu_si128(at.cast())),
                2 => _mm512_cvtepu16_epi32(_mm256_loadu_si256(at.cast())),
                _ => _mm512_loadu_si512(at.cast()),
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn splat_word(word: u32) -> __m512i {
        _mm512_set1_epi32(word.cast_signed())
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn shift_right(words: __m512i, by: u32) -> __m512i {
        _mm512_srlv_epi32(words, _mm512_set1_epi32(by.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn shift_left(words: __m512i, by: u32) -> __m512i {
        _mm512_sllv_epi32(words, _mm512_set1_epi32(by.cast_signed()))
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn shift_right_signed_4(words: __m512i) -> __m512i {
        _mm512_srai_epi32::<4>(words)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn and(a: __m512i, b: __m512i) -> __m512i {
        _mm512_and_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn or(a: __m512i, b: __m512i) -> __m512i {
        _mm512_or_si512(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn add_words(a: __m512i, b: __m512i) -> __m512i {
        _mm512_add_epi32(a, b)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn bits(words: __m512i) -> __m512 {
        _mm512_castsi512_ps(words)
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn lowest<const BITS: u32>(words: __m512i) -> __m512 {
        // Looked up by the lowest four or five bits: one instruction, where a mask and a conversion are two.
        match BITS {
            0..=4 => unsafe { Self::look_up(const { &numbers(0, BITS) }, words) },
            5 => unsafe {
                let small = _mm512_loadu_ps(const { &numbers(0, BITS) }.as_ptr());
                let large = _mm512_loadu_ps(const { &numbers(16, BITS) }.as_ptr());
                _mm512_permutex2var_ps(small, words, large)
            },
            _ => _mm512_cvtepi32_ps(_mm512_and_si512(words, _mm512_set1_epi32((1 << BITS) - 1))),
        }
    }

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn look_up(table: &Codebook, words: __m512i) -> __m512 {
        _mm512_permutexvar_ps(words, unsafe { _mm512_loadu_ps(table.as_ptr()) })
    }
}
