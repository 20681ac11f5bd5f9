//! `x W^T` written out for AVX-512.
//!
//! Few rows of `x` are multiplied as weights are decoded, up to sixteen sums in registers: the memory is read once, from
//! one end to the other. Where there are many rows, weights of two panels are decoded into a buffer that stays in the
//! first-level cache, and tiles of eight rows by two panels go over it.

use std::arch::x86_64::{
    __m512, __m512i, _MM_HINT_T0, _mm_loadu_si128, _mm_prefetch, _mm256_loadu_si256, _mm512_add_epi32, _mm512_add_ps,
    _mm512_and_si512, _mm512_castsi512_ps, _mm512_cvtepi8_epi32, _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32,
    _mm512_cvtph_ps, _mm512_fmadd_ps, _mm512_loadu_ps, _mm512_loadu_si512, _mm512_mask_storeu_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_or_si512, _mm512_set1_epi32, _mm512_set1_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm512_srai_epi32, _mm512_srli_epi32, _mm512_storeu_ps,
};

use super::matmul::{PAIR, PART, Product, parts};
use super::panels::{DEPTH, Format, LINE, Panels, Q8_GROUP, Q8_SCALES, Q8_WEIGHTS};
use super::simd::LANES;
use super::twelve;

/// Rows from which on weights are decoded into a buffer.
const MANY_ROWS: usize = 24;
/// Rows of a tile over the buffer.
const TILE_ROWS: usize = 8;
/// Rows of `x` that are worked on together: those steps of them stay in the second-level cache.
const ROWS: usize = 512;
/// Bytes that weights are fetched ahead: a processor that waits for memory at every turn of a loop has not seen far.
const AHEAD: usize = 3072;

/// Weights of the next block, by step.
type Decoded = [__m512; DEPTH];

/// Reads a panel block by block.
trait Reader {
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
trait Plain {
    const BYTES: usize;

    /// Those of one step.
    ///
    /// # Safety
    /// All lanes are readable.
    unsafe fn step(at: *const u8) -> __m512;
}

struct F32;
struct F16;
struct Bf16;

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

struct PlainReader<P> {
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

struct Q8Reader {
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

struct TwelveReader<'a> {
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
trait Source {
    type Reader<'a>: Reader;

    fn reader(panels: &Panels, panel: usize) -> Self::Reader<'_>;
}

impl<P: Plain> Source for P {
    type Reader<'a> = PlainReader<P>;

    fn reader(panels: &Panels, panel: usize) -> PlainReader<P> {
        PlainReader { at: panels.bytes(panel).as_ptr(), values: std::marker::PhantomData }
    }
}

struct Q8;

impl Source for Q8 {
    type Reader<'a> = Q8Reader;

    fn reader(panels: &Panels, panel: usize) -> Q8Reader {
        Q8Reader { at: panels.bytes(panel).as_ptr(), steps: 0 }
    }
}

struct Twelve;

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

/// Sums over whole panels, `P` of them, of `R` rows of `x`, which are `stride` long.
///
/// # Safety
/// All of that can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn few<W: Reader, const R: usize, const P: usize>(
    mut weights: [W; P],
    x: *const f32,
    stride: usize,
) -> [[__m512; P]; R] {
    let mut totals = [[_mm512_setzero_ps(); P]; R];
    for steps in parts(stride) {
        let mut sums = [[_mm512_setzero_ps(); P]; R];
        for block in steps.step_by(DEPTH) {
            for (panel, weights) in weights.iter_mut().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let x = x.add(block);
                    for (step, weight) in weights.next().into_iter().enumerate() {
                        for (row, sums) in sums.iter_mut().enumerate() {
                            let value = _mm512_set1_ps(*x.add(row * stride + step));
                            sums[panel] = _mm512_fmadd_ps(value, weight, sums[panel]);
                        }
                    }
                }
            }
        }
        for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
            *total = _mm512_add_ps(*total, *sum);
        }
    }
    totals
}

/// Sums of the steps of two panels in the buffer, which holds the decoded weights of both step by step: `R` rows of `x`, which are `stride` long.
///
/// # Safety
/// All of that can be read.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn tile<const R: usize>(buffer: &[[f32; PAIR * LANES]], x: *const f32, stride: usize) -> [[__m512; PAIR]; R] {
    let mut sums = [[_mm512_setzero_ps(); PAIR]; R];
    for (step, weights) in buffer.iter().enumerate() {
        // SAFETY: the caller's promise, and two panels' weights.
        unsafe {
            let (left, right) = (_mm512_loadu_ps(weights.as_ptr()), _mm512_loadu_ps(weights.as_ptr().add(LANES)));
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = _mm512_set1_ps(*x.add(row * stride + step));
                sums[0] = _mm512_fmadd_ps(value, left, sums[0]);
                sums[1] = _mm512_fmadd_ps(value, right, sums[1]);
            }
        }
    }
    sums
}

fn lanes(count: usize) -> u16 {
    u16::MAX >> (LANES - count)
}

impl Product<'_> {
    /// The columns of panels `from..to`, all rows.
    #[target_feature(enable = "avx512f")]
    pub(super) fn panels_avx512(&self, from: usize, to: usize) {
        match self.weights.format {
            Format::F32 => self.of::<F32>(from, to),
            Format::F16 => self.of::<F16>(from, to),
            Format::Bf16 => self.of::<Bf16>(from, to),
            Format::Twelve => self.of::<Twelve>(from, to),
            Format::Q8 => self.of::<Q8>(from, to),
        }
    }

    #[target_feature(enable = "avx512f")]
    fn of<W: Source>(&self, from: usize, to: usize) {
        let paired = from + (to - from) / PAIR * PAIR;
        if self.m < MANY_ROWS {
            for panel in (from..paired).step_by(PAIR) {
                self.few_rows::<W>(panel);
            }
        } else {
            for top in (0..self.m).step_by(ROWS) {
                self.many_rows::<W>((top, self.m.min(top + ROWS)), from, paired);
            }
        }
        for panel in paired..to {
            self.rows_of_one::<W>(panel);
        }
    }

    /// Two panels' columns of all rows, decoded as they are used.
    #[target_feature(enable = "avx512f")]
    fn few_rows<W: Source>(&self, panel: usize) {
        // From eight rows on there are sums enough in flight with one panel.
        let single = self.m / 8 * 8;
        let mut row = single;
        macro_rules! rows {
            ($count:literal) => {{
                let readers = [W::reader(self.weights, panel), W::reader(self.weights, panel + 1)];
                // SAFETY: so many rows are left, and the panels are there.
                unsafe {
                    let x = self.x[row * self.stride..(row + $count) * self.stride].as_ptr();
                    self.write(row, panel, few::<_, $count, PAIR>(readers, x, self.stride));
                }
                row += $count;
            }};
        }
        if self.m - row >= 4 {
            rows!(4);
        }
        if self.m - row >= 2 {
            rows!(2);
        }
        if self.m > row {
            rows!(1);
        }
        debug_assert_eq!(row, self.m);
        for panel in [panel, panel + 1] {
            self.eights_of_one::<W>(single, panel);
        }
    }

    /// One panel's columns of all rows.
    #[target_feature(enable = "avx512f")]
    fn rows_of_one<W: Source>(&self, panel: usize) {
        let eights = self.m / 8 * 8;
        self.eights_of_one::<W>(eights, panel);
        for row in eights..self.m {
            // SAFETY: the row and the panel are there.
            unsafe { self.rows::<W, 1>(row, panel) };
        }
    }

    /// One panel's columns of rows up to `end`, a multiple of eight.
    #[target_feature(enable = "avx512f")]
    fn eights_of_one<W: Source>(&self, end: usize, panel: usize) {
        let mut row = 0;
        while end - row >= 16 {
            // SAFETY (both): so many rows are left, and the panel is there.
            unsafe { self.rows::<W, 16>(row, panel) };
            row += 16;
        }
        if end > row {
            unsafe { self.rows::<W, 8>(row, panel) };
        }
    }

    /// One panel's columns of `R` rows from `row` on.
    ///
    /// # Safety
    /// There are such rows and such a panel.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn rows<W: Source, const R: usize>(&self, row: usize, panel: usize) {
        let x = self.x[row * self.stride..(row + R) * self.stride].as_ptr();
        // SAFETY: the caller's promise.
        unsafe { self.write(row, panel, few::<_, R, 1>([W::reader(self.weights, panel)], x, self.stride)) };
    }

    /// Writes the columns of `P` panels from `panel` on, `R` rows from `row` on.
    ///
    /// # Safety
    /// There are such rows and such panels, and they are the calling task's.
    #[inline]
    #[target_feature(enable = "avx512f")]
    unsafe fn write<const P: usize, const R: usize>(&self, row: usize, panel: usize, sums: [[__m512; P]; R]) {
        for (at, sums) in sums.into_iter().enumerate() {
            for (side, sum) in sums.into_iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let (out, count) = self.out(row + at, panel + side);
                    _mm512_mask_storeu_ps(out, lanes(count), sum);
                }
            }
        }
    }

    /// Columns of the pairs of panels `from..to` of rows `top..bottom`.
    #[target_feature(enable = "avx512f")]
    fn many_rows<W: Source>(&self, (top, bottom): (usize, usize), from: usize, to: usize) {
        let mut readers: Vec<_> = (from..to).map(|panel| W::reader(self.weights, panel)).collect();
        let mut buffer = vec![[0f32; PAIR * LANES]; PART];
        for part in parts(self.stride) {
            let steps = part.len();
            for (pair, readers) in readers.as_chunks_mut::<PAIR>().0.iter_mut().enumerate() {
                for block in buffer[..steps].chunks_exact_mut(DEPTH) {
                    for (side, reader) in readers.iter_mut().enumerate() {
                        // SAFETY: the panel has as many blocks as `x`, and there is room for two panels' weights.
                        for (weight, out) in unsafe { reader.next() }.into_iter().zip(block.iter_mut()) {
                            unsafe { _mm512_storeu_ps(out.as_mut_ptr().add(side * LANES), weight) };
                        }
                    }
                }
                self.tiles((top, bottom), from + PAIR * pair, part.start, &buffer[..steps]);
            }
        }
    }

    /// Adds the steps from `step` on, whose weights are in `buffer`, to the columns of two panels.
    #[target_feature(enable = "avx512f")]
    fn tiles(&self, (top, bottom): (usize, usize), panel: usize, step: usize, buffer: &[[f32; PAIR * LANES]]) {
        let mut row = top;
        macro_rules! tile {
            ($rows:expr) => {{
                // SAFETY: so many rows are left, the panels are there, and steps before have written their sums.
                unsafe {
                    let x = self.x[row * self.stride..(row + $rows) * self.stride].as_ptr().add(step);
                    let mut sums = tile::<$rows>(buffer, x, self.stride);
                    if step > 0 {
                        for (at, sums) in sums.iter_mut().enumerate() {
                            for (side, sum) in sums.iter_mut().enumerate() {
                                let (out, count) = self.out(row + at, panel + side);
                                *sum = _mm512_add_ps(_mm512_maskz_loadu_ps(lanes(count), out), *sum);
                            }
                        }
                    }
                    self.write(row, panel, sums);
                }
                row += $rows;
            }};
        }
        while bottom - row >= TILE_ROWS {
            tile!(TILE_ROWS);
        }
        if bottom - row >= 4 {
            tile!(4);
        }
        if bottom - row >= 2 {
            tile!(2);
        }
        if bottom > row {
            tile!(1);
        }
        debug_assert_eq!(row, bottom);
    }
}
