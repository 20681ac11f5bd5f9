//! AVX2: two registers of eight lanes.

use std::arch::x86_64::{
    __m256, __m256i, _mm_loadl_epi64, _mm_loadu_si128, _mm256_add_epi32, _mm256_add_ps, _mm256_and_ps,
    _mm256_and_si256, _mm256_andnot_si256, _mm256_blendv_epi8, _mm256_blendv_ps, _mm256_castps_si256,
    _mm256_castsi256_ps, _mm256_cmpgt_epi32, _mm256_cvtepi8_epi32, _mm256_cvtepi32_ps, _mm256_cvtepu8_epi32,
    _mm256_cvtepu16_epi32, _mm256_cvtph_ps, _mm256_fmadd_ps, _mm256_loadu_ps, _mm256_loadu_si256, _mm256_mul_ps,
    _mm256_or_si256, _mm256_permutevar8x32_ps, _mm256_set1_epi32, _mm256_set1_ps, _mm256_setzero_ps, _mm256_slli_epi32,
    _mm256_sllv_epi32, _mm256_srai_epi32, _mm256_srli_epi32, _mm256_srlv_epi32, _mm256_storeu_ps,
};

use super::{Codebook, LANES, SIGN_AND_EXPONENT, Vector};

/// Asks for AVX2, FMA and F16C.
#[derive(Clone, Copy)]
pub(in crate::kernel) struct Avx2;

/// Lanes of a register.
const HALF: usize = LANES / 2;

/// As [one value](crate::kernel::round::rounded) is, by the same steps.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn rounded(values: __m256) -> __m256 {
    let word = |word: u32| _mm256_set1_epi32(word.cast_signed());
    let bits = _mm256_castps_si256(values);
    let odd = _mm256_and_si256(_mm256_srli_epi32::<16>(bits), word(1));
    let near = _mm256_add_epi32(bits, _mm256_add_epi32(odd, word(0x7fff)));
    let magnitude = _mm256_and_si256(bits, word(0x7fff_ffff));
    let quiet = _mm256_or_si256(bits, word(0x0040_0000));
    let is_nan = _mm256_cmpgt_epi32(magnitude, word(f32::INFINITY.to_bits()));
    let kept = _mm256_and_si256(_mm256_blendv_epi8(near, quiet, is_nan), word(0xffff_0000));
    let is_tiny = _mm256_cmpgt_epi32(word(f32::MIN_POSITIVE.to_bits()), magnitude);
    let magnitude_bits = _mm256_and_si256(is_tiny, word(0x7fff_ffff));
    _mm256_castsi256_ps(_mm256_andnot_si256(magnitude_bits, kept))
}

// SAFETY (all): the caller's promise of features and of what can be read and written.
impl Vector for Avx2 {
    type Floats = [__m256; 2];
    type Words = [__m256i; 2];

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn splat(value: f32) -> [__m256; 2] {
        [_mm256_set1_ps(value); 2]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load(at: *const f32) -> [__m256; 2] {
        unsafe { [_mm256_loadu_ps(at), _mm256_loadu_ps(at.add(HALF))] }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn store(at: *mut f32, [low, high]: [__m256; 2]) {
        unsafe {
            _mm256_storeu_ps(at, low);
            _mm256_storeu_ps(at.add(HALF), high);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn load_some(at: *const f32, count: usize) -> [__m256; 2] {
        if count == LANES {
            return unsafe { Self::load(at) };
        }
        let mut values = [0f32; LANES];
        unsafe {
            values.as_mut_ptr().copy_from_nonoverlapping(at, count);
            Self::load(values.as_ptr())
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn store_some(at: *mut f32, count: usize, values: [__m256; 2]) {
        if count == LANES {
            return unsafe { Self::store(at, values) };
        }
        let mut all = [0f32; LANES];
        unsafe {
            Self::store(all.as_mut_ptr(), values);
            at.copy_from_nonoverlapping(all.as_ptr(), count);
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn add(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [_mm256_add_ps(a[0], b[0]), _mm256_add_ps(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mul(a: [__m256; 2], b: [__m256; 2]) -> [__m256; 2] {
        [_mm256_mul_ps(a[0], b[0]), _mm256_mul_ps(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn mul_add(a: [__m256; 2], b: [__m256; 2], c: [__m256; 2]) -> [__m256; 2] {
        [_mm256_fmadd_ps(a[0], b[0], c[0]), _mm256_fmadd_ps(a[1], b[1], c[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn rounded([low, high]: [__m256; 2]) -> [__m256; 2] {
        [rounded(low), rounded(high)]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn power_of_two([low, high]: [__m256; 2]) -> [__m256; 2] {
        let kept = _mm256_castsi256_ps(_mm256_set1_epi32(SIGN_AND_EXPONENT.cast_signed()));
        [_mm256_and_ps(low, kept), _mm256_and_ps(high, kept)]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn f16(at: *const u8) -> [__m256; 2] {
        unsafe { [_mm256_cvtph_ps(_mm_loadu_si128(at.cast())), _mm256_cvtph_ps(_mm_loadu_si128(at.add(LANES).cast()))] }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn i8(at: *const u8) -> [__m256; 2] {
        let (low, high) = unsafe { (_mm_loadl_epi64(at.cast()), _mm_loadl_epi64(at.add(HALF).cast())) };
        [_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(low)), _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(high))]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn words<const BYTES: usize>(at: *const u8) -> [__m256i; 2] {
        unsafe {
            let half = at.add(BYTES * HALF);
            match BYTES {
                1 => [
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64(at.cast())),
                    _mm256_cvtepu8_epi32(_mm_loadl_epi64(half.cast())),
                ],
                2 => [
                    _mm256_cvtepu16_epi32(_mm_loadu_si128(at.cast())),
                    _mm256_cvtepu16_epi32(_mm_loadu_si128(half.cast())),
                ],
                _ => [_mm256_loadu_si256(at.cast()), _mm256_loadu_si256(half.cast())],
            }
        }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn splat_word(word: u32) -> [__m256i; 2] {
        [_mm256_set1_epi32(word.cast_signed()); 2]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn shift_right(words: [__m256i; 2], by: u32) -> [__m256i; 2] {
        let by = _mm256_set1_epi32(by.cast_signed());
        [_mm256_srlv_epi32(words[0], by), _mm256_srlv_epi32(words[1], by)]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn shift_left(words: [__m256i; 2], by: u32) -> [__m256i; 2] {
        let by = _mm256_set1_epi32(by.cast_signed());
        [_mm256_sllv_epi32(words[0], by), _mm256_sllv_epi32(words[1], by)]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn shift_right_signed_4(words: [__m256i; 2]) -> [__m256i; 2] {
        [_mm256_srai_epi32::<4>(words[0]), _mm256_srai_epi32::<4>(words[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn and(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        [_mm256_and_si256(a[0], b[0]), _mm256_and_si256(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn or(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        [_mm256_or_si256(a[0], b[0]), _mm256_or_si256(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn add_words(a: [__m256i; 2], b: [__m256i; 2]) -> [__m256i; 2] {
        [_mm256_add_epi32(a[0], b[0]), _mm256_add_epi32(a[1], b[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn bits(words: [__m256i; 2]) -> [__m256; 2] {
        [_mm256_castsi256_ps(words[0]), _mm256_castsi256_ps(words[1])]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn lowest<const BITS: u32>(words: [__m256i; 2]) -> [__m256; 2] {
        let mask = _mm256_set1_epi32((1 << BITS) - 1);
        let [low, high] = [_mm256_and_si256(words[0], mask), _mm256_and_si256(words[1], mask)];
        [_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)]
    }

    #[inline]
    #[target_feature(enable = "avx2,fma,f16c")]
    unsafe fn look_up(table: &Codebook, words: [__m256i; 2]) -> [__m256; 2] {
        let mut out = [_mm256_setzero_ps(); 2];
        let [low, high] = unsafe { Self::load(table.as_ptr()) };
        for (out, words) in out.iter_mut().zip(words) {
            // Of either half of the table by the lowest three bits; the fourth, put where a sign is, chooses.
            let (small, large) = (_mm256_permutevar8x32_ps(low, words), _mm256_permutevar8x32_ps(high, words));
            *out = _mm256_blendv_ps(small, large, _mm256_castsi256_ps(_mm256_slli_epi32::<28>(words)));
        }
        out
    }
}
