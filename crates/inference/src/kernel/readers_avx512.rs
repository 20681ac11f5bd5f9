//! Reads panels of weights block by block, decoded, with AVX-512.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256, _mm512_add_epi32,
    _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi32,
    _mm512_setzero_ps, _mm512_slli_epi32, _mm512_srai_epi32, _mm512_srli_epi32,
};

use super::panels::{DEPTH, LINE, Panels, Q8_GROUP, Q8_SCALES, Q8_WEIGHTS};
use super::simd::LANES;
use super::twelve;

/// Bytes that weights are fetched ahead: a processor that waits for memory at every turn of a loop has not seen far.
const AHEAD: usize = 3072;

/// Weights of the next block, by step.
pub(super) type Decoded = [__m512; DEPTH];

/// Reads a panel block by block.
pub(super) trait Reader {
    /// The next block.
    ///
    /// # Safety
    /// There is one left.
    unsafe fn next(&mut self) -> Decoded;
}

/// Asks for the cache lines of `bytes` bytes that come [`AHEAD`]. (A hint: nothing is read, any address will do.)
#[inline]
#[target_feature(enable = "avx512f")]
fn fetch(at: *const u8, bytes: usize) {
    for line in 0..bytes / LINE {
        _mm_prefetch::<_MM_HINT_T0>(at.wrapping_add(AHEAD + line * LINE).cast());
    }
}

/// Values that each become f32 by themselves.
pub(super) trait Plain {
    const BYTES: usize;

    /// Those of one step.
    ///
    /// # Safety
    /// All lanes are readable.
    unsafe fn step(at: *const u8) -> __m512;
}

pub(super) struct F32;
pub(super) struct F16;
pub(super) struct Bf16;

impl Plain for F32 {
    const BYTES: usize = 4;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn step(at: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_ps(at.cast()) }
    }
}

impl Plain for F16 {
    const BYTES: usize = 2;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn step(at: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        _mm512_cvtph_ps(unsafe { _mm256_loadu_si256(at.cast()) })
    }
}

impl Plain for Bf16 {
    const BYTES: usize = 2;

    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn step(at: *const u8) -> __m512 {
        // SAFETY: the caller's promise.
        let bits = unsafe { _mm256_loadu_si256(at.cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }
}

/// The next block of plain values at `at`, which moves on.
///
/// # Safety
/// There is one.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn plain<P: Plain>(at: &mut *const u8) -> Decoded {
    fetch(*at, DEPTH * LANES * P::BYTES);
    let mut out = [_mm512_setzero_ps(); DEPTH];
    for (step, out) in out.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *out = unsafe { P::step(at.add(step * LANES * P::BYTES)) };
    }
    *at = at.wrapping_add(DEPTH * LANES * P::BYTES);
    out
}

pub(super) struct PlainReader<P> {
    at: *const u8,
    values: std::marker::PhantomData<P>,
}

impl<P: Plain> Reader for PlainReader<P> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn next(&mut self) -> Decoded {
        // SAFETY: the caller's promise.
        unsafe { plain::<P>(&mut self.at) }
    }
}

pub(super) struct Q8Reader {
    at: *const u8,
    /// Steps of the group that were read.
    steps: usize,
}

impl Reader for Q8Reader {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn next(&mut self) -> Decoded {
        let mut out = [_mm512_setzero_ps(); DEPTH];
        // SAFETY: the caller's promise: the scales of the group are there, and its integers of these steps.
        unsafe {
            let scales = _mm512_cvtph_ps(_mm256_loadu_si256(self.at.cast()));
            let integers = self.at.add(Q8_SCALES + self.steps * LANES);
            fetch(integers, DEPTH * LANES);
            for (step, out) in out.iter_mut().enumerate() {
                let integers = _mm_loadu_si128(integers.add(step * LANES).cast());
                *out = _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(integers)), scales);
            }
        }
        self.steps += DEPTH;
        if self.steps == Q8_WEIGHTS {
            (self.at, self.steps) = (self.at.wrapping_add(Q8_GROUP), 0);
        }
        out
    }
}

pub(super) struct TwelveReader<'a> {
    at: *const u8,
    /// The lowest exponent, in its place in every lane.
    base: __m512i,
    /// Blocks read.
    done: u32,
    /// The next one that is wide, and those after it.
    wide: u32,
    later: std::slice::Iter<'a, u32>,
}

impl Reader for TwelveReader<'_> {
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn next(&mut self) -> Decoded {
        let wide = self.done == self.wide;
        self.done += 1;
        if wide {
            self.wide = self.later.next().copied().unwrap_or(u32::MAX);
            // SAFETY: the caller's promise.
            return unsafe { plain::<Bf16>(&mut self.at) };
        }
        fetch(self.at, twelve::BLOCK);
        // SAFETY: the caller's promise: three times sixteen words.
        let [a, b, c] = [0, 1, 2].map(|word| unsafe { _mm512_loadu_si512(self.at.add(word * LINE).cast()) });
        self.at = self.at.wrapping_add(twelve::BLOCK);
        // The twelve bits of each lane at the upper end.
        let shorts = [
            a,
            _mm512_slli_epi32::<12>(a),
            _mm512_or_si512(_mm512_slli_epi32::<24>(a), _mm512_srli_epi32::<8>(b)),
            _mm512_slli_epi32::<4>(b),
            _mm512_slli_epi32::<16>(b),
            _mm512_or_si512(_mm512_slli_epi32::<28>(b), _mm512_srli_epi32::<4>(c)),
            _mm512_slli_epi32::<8>(c),
            _mm512_slli_epi32::<20>(c),
        ];
        // Four bits further down all but the sign, in whose copies the base belongs, are in place.
        let kept = _mm512_set1_epi32(0x87ff_0000_u32.cast_signed());
        shorts.map(|short| {
            let placed = _mm512_and_si512(_mm512_srai_epi32::<4>(short), kept);
            _mm512_castsi512_ps(_mm512_add_epi32(placed, self.base))
        })
    }
}

/// What makes readers of a matrix's panels.
pub(super) trait Source {
    type Reader<'a>: Reader;

    fn reader(panels: &Panels, panel: usize) -> Self::Reader<'_>;
}

impl<P: Plain> Source for P {
    type Reader<'a> = PlainReader<P>;

    fn reader(panels: &Panels, panel: usize) -> PlainReader<P> {
        PlainReader { at: panels.bytes(panel).as_ptr(), values: std::marker::PhantomData }
    }
}

pub(super) struct Q8;

impl Source for Q8 {
    type Reader<'a> = Q8Reader;

    fn reader(panels: &Panels, panel: usize) -> Q8Reader {
        Q8Reader { at: panels.bytes(panel).as_ptr(), steps: 0 }
    }
}

pub(super) struct Twelve;

impl Source for Twelve {
    type Reader<'a> = TwelveReader<'a>;

    fn reader(panels: &Panels, panel: usize) -> TwelveReader<'_> {
        let window = &panels.windows[panel];
        let mut later = window.wide.iter();
        TwelveReader {
            at: panels.bytes(panel).as_ptr(),
            // SAFETY: an instruction of AVX-512F, which the kernel's callers have seen.
            base: unsafe { _mm512_set1_epi32(i32::from(window.base) << 23) },
            done: 0,
            wide: later.next().copied().unwrap_or(u32::MAX),
            later,
        }
    }
}
