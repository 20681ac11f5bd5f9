//! Weights of panels as pairs of bfloat16, for AVX-512 BF16.
//!
//! Weights that were bfloat16 become pairs as they are, without a detour through f32. What is less than the smallest
//! normal number stays then, which products of pairs take for the zero that it would be rounded to.

use std::arch::x86_64::{
    __m512bh, __m512i, _mm512_add_epi16, _mm512_and_si512, _mm512_cvtne2ps_pbh, _mm512_loadu_si512,
    _mm512_mask_blend_epi16, _mm512_or_si512, _mm512_permutexvar_epi16, _mm512_set1_epi16, _mm512_setzero_si512,
    _mm512_slli_epi32, _mm512_srai_epi16, _mm512_srli_epi32,
};

use super::bf12_reader::{Bf12, Bf12Block};
use super::blocks::BlockFormat;
use super::layout::{DEPTH, LINE};
use super::readers::{Bf16, Blocks, F16, F32, PanelReader, PanelSource};
use super::simd::LANES;
use super::vector::Avx512;

/// The weights of a block, two steps of each lane together, the first in the lower half.
pub(super) type PairBlock = [__m512i; DEPTH / 2];

/// Where in two vectors of halves, one behind the other, each half of the pairs comes from.
const INTERLEAVED: [u16; 2 * LANES] = {
    let mut from = [0; 2 * LANES];
    let mut lane = 0;
    while lane < LANES {
        from[2 * lane] = lane as u16;
        from[2 * lane + 1] = (LANES + lane) as u16;
        lane += 1;
    }
    from
};

/// What is read in pairs.
pub(super) trait PairSource: PanelSource {
    /// Rows of `x` from which on weights are decoded into a buffer: the fewer, the longer that takes.
    const MANY_ROWS: usize = 8;

    /// The next block, rounded to bfloat16.
    ///
    /// # Safety
    /// There is one left.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn next_pairs(reader: &mut Self::Reader<'_, Avx512>) -> PairBlock {
        // SAFETY: the caller's promise.
        let steps = unsafe { reader.next() };
        let mut pairs = [interleaved(); DEPTH / 2];
        for (pair, [first, second]) in pairs.iter_mut().zip(steps.as_chunks::<2>().0) {
            *pair = _mm512_permutexvar_epi16(*pair, words(_mm512_cvtne2ps_pbh(*second, *first)));
        }
        pairs
    }
}

impl PairSource for F32 {}
impl PairSource for F16 {}
impl<F: BlockFormat> PairSource for Blocks<F> {}

impl PairSource for Bf16 {
    const MANY_ROWS: usize = 20;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn next_pairs(reader: &mut Self::Reader<'_, Avx512>) -> PairBlock {
        // SAFETY: the caller's promise.
        unsafe { pairs_at(reader.next_place()) }
    }
}

impl PairSource for Bf12 {
    const MANY_ROWS: usize = 20;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    unsafe fn next_pairs(reader: &mut Self::Reader<'_, Avx512>) -> PairBlock {
        /// The second halves of pairs.
        const SECOND: u32 = 0xaaaa_aaaa;
        let at = match reader.next_place() {
            Bf12Block::Narrow(at) => at,
            // SAFETY: the caller's promise.
            Bf12Block::Wide(at) => return unsafe { pairs_at(at) },
        };
        // SAFETY: the caller's promise: three times sixteen words.
        let (a, b, c) = unsafe {
            (
                _mm512_loadu_si512(at.cast()),
                _mm512_loadu_si512(at.add(LINE).cast()),
                _mm512_loadu_si512(at.add(2 * LINE).cast()),
            )
        };
        // The twelve bits of each at the upper end of its half.
        let mut pairs = [
            _mm512_mask_blend_epi16(SECOND, _mm512_srli_epi32::<16>(a), _mm512_slli_epi32::<12>(a)),
            _mm512_mask_blend_epi16(
                SECOND,
                _mm512_or_si512(_mm512_slli_epi32::<8>(a), _mm512_srli_epi32::<24>(b)),
                _mm512_slli_epi32::<4>(b),
            ),
            _mm512_mask_blend_epi16(SECOND, b, _mm512_or_si512(_mm512_slli_epi32::<28>(b), _mm512_srli_epi32::<4>(c))),
            _mm512_mask_blend_epi16(SECOND, _mm512_srli_epi32::<8>(c), _mm512_slli_epi32::<20>(c)),
        ];
        let (kept, base) = (_mm512_set1_epi16(0x87ffu16.cast_signed()), reader.base());
        let base = _mm512_or_si512(base, _mm512_srli_epi32::<16>(base));
        for pair in &mut pairs {
            *pair = _mm512_add_epi16(_mm512_and_si512(_mm512_srai_epi16::<4>(*pair), kept), base);
        }
        pairs
    }
}

/// The block of bfloat16 at `at`, which are pairs already.
///
/// # Safety
/// There is one.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn pairs_at(at: *const u8) -> PairBlock {
    let mut pairs = [_mm512_setzero_si512(); DEPTH / 2];
    for (index, pair) in pairs.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *pair = unsafe { _mm512_loadu_si512(at.add(index * LINE).cast()) };
    }
    pairs
}

/// [`INTERLEAVED`].
#[inline]
#[target_feature(enable = "avx512f")]
fn interleaved() -> __m512i {
    // SAFETY: so many bytes lie there.
    unsafe { _mm512_loadu_si512(INTERLEAVED.as_ptr().cast()) }
}

/// The same bits.
pub(super) fn words(pairs: __m512bh) -> __m512i {
    // SAFETY: both are 64 bytes, and any are of either.
    unsafe { std::mem::transmute(pairs) }
}
