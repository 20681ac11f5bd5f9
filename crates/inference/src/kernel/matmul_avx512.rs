//! `x W^T` written out for AVX-512: tiles of up to 4 rows by 6 columns, whose 24 sums stay in registers.

use std::arch::x86_64::{
    __m512, _MM_HINT_T0, _mm_add_ps, _mm_loadu_si128, _mm_prefetch, _mm_storeu_ps, _mm256_add_ps, _mm256_castpd_ps,
    _mm256_castps256_ps128, _mm256_extractf128_ps, _mm256_maskz_loadu_epi16, _mm256_set1_epi16, _mm512_add_ps,
    _mm512_castpd_ps, _mm512_castps_pd, _mm512_castps512_ps256, _mm512_castsi512_ps, _mm512_cvtepi8_epi32,
    _mm512_cvtepi32_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_extractf64x4_pd, _mm512_fmadd_ps,
    _mm512_maskz_loadu_ps, _mm512_mul_ps, _mm512_setzero_ps, _mm512_slli_epi32, _mm512_storeu_ps, _mm512_unpackhi_pd,
    _mm512_unpackhi_ps, _mm512_unpacklo_pd, _mm512_unpacklo_ps,
};

use super::matmul::{Matrix, Out, Product, Q8_BYTES, Q8_WEIGHTS, TILE_COLUMNS, q8_bytes};
use super::simd::LANES;

/// Rows of a tile.
const TILE_ROWS: usize = 4;
/// Rows of `x` from which on weights are widened once into a buffer instead of in every tile.
const WORTH_WIDENING: usize = 3 * TILE_ROWS;
/// Tiles that weights are fetched ahead.
const AHEAD: usize = 2;
/// Bytes of a cache line.
const LINE: usize = 64;
/// Widened weights that are worked on at a time: 32 KiB.
const CACHED_WEIGHTS: usize = 1 << 13;

/// How sixteen weights of one type become f32.
trait Weight: Copy {
    /// Steps of sixteen weights that a cache line holds, about.
    const STEPS: usize;

    /// The address of row `row` of weights that begin at `w`, each `k` long. (Any row: nothing is read.)
    fn row(w: *const Self, row: usize, k: usize) -> *const Self {
        w.wrapping_add(row * k)
    }

    /// Where weights `at..` of a row lie.
    fn address(row: *const Self, at: usize) -> *const Self {
        row.wrapping_add(at)
    }

    /// Weights `at..at + 16` of a row.
    ///
    /// # Safety
    /// Those that `mask` names are readable.
    unsafe fn load(row: *const Self, at: usize, mask: u16) -> __m512;
}

impl Weight for f32 {
    const STEPS: usize = 1;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(row: *const Self, at: usize, mask: u16) -> __m512 {
        // SAFETY: the caller's promise.
        unsafe { _mm512_maskz_loadu_ps(mask, row.add(at)) }
    }
}

impl Weight for half::bf16 {
    const STEPS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(row: *const Self, at: usize, mask: u16) -> __m512 {
        // SAFETY: the caller's promise; a bfloat16 is 16 bits.
        let bits = unsafe { _mm256_maskz_loadu_epi16(mask, row.add(at).cast()) };
        _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
    }
}

impl Weight for half::f16 {
    const STEPS: usize = 2;

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    unsafe fn load(row: *const Self, at: usize, mask: u16) -> __m512 {
        // SAFETY: the caller's promise; a half is 16 bits.
        _mm512_cvtph_ps(unsafe { _mm256_maskz_loadu_epi16(mask, row.add(at).cast()) })
    }
}

/// A byte of a row of `Q8_0` blocks; rows consist of whole blocks.
#[derive(Clone, Copy)]
#[repr(transparent)]
struct Q8Byte(u8);

impl Weight for Q8Byte {
    const STEPS: usize = 4;

    fn row(w: *const Self, row: usize, k: usize) -> *const Self {
        w.wrapping_add(row * (k / Q8_WEIGHTS) * Q8_BYTES)
    }

    fn address(row: *const Self, at: usize) -> *const Self {
        row.wrapping_add(at / Q8_WEIGHTS * Q8_BYTES)
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,f16c")]
    unsafe fn load(row: *const Self, at: usize, _mask: u16) -> __m512 {
        let block = Self::address(row, at);
        // SAFETY: the caller's promise: a whole block is there, its scale in front of its weights.
        unsafe {
            let scale = _mm512_cvtph_ps(_mm256_set1_epi16(block.cast::<i16>().read_unaligned()));
            let weights = _mm_loadu_si128(block.add(Q8_BYTES - Q8_WEIGHTS + at % Q8_WEIGHTS).cast());
            _mm512_mul_ps(_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(weights)), scale)
        }
    }
}

/// What a tile asks the memory for on the way. A tile is over before the processor has seen where its weights go on, so
/// it is told. (These are hints: nothing is read, and any address will do.)
#[derive(Clone, Copy)]
enum Fetch {
    /// The weights of a tile to come, where each is used but once or twice.
    Weights,
    /// What is stored from this address on, a cache line a step: the weights of the columns that come next.
    Lines(*const u8),
    /// Nothing.
    Nothing,
}

impl Fetch {
    /// Asks for what belongs to step number `step` of a tile whose weights are at `w`.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn of_step<W: Weight, const C: usize>(self, w: *const W, k: usize, step: usize) {
        match self {
            Self::Weights if step.is_multiple_of(W::STEPS) => {
                for column in 0..C {
                    let row = W::row(w, column + AHEAD * C, k);
                    _mm_prefetch::<_MM_HINT_T0>(W::address(row, step * LANES).cast());
                }
            }
            Self::Lines(start) => _mm_prefetch::<_MM_HINT_T0>(start.wrapping_add(step * LINE).cast()),
            Self::Weights | Self::Nothing => {}
        }
    }
}

/// Sums of a tile: `R` rows of `x` by `C` rows of weights, both `k` long and `k` apart.
///
/// # Safety
/// Both are readable for that many rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
#[expect(clippy::many_single_char_names, reason = "as in the mathematics")]
unsafe fn tile<W: Weight, const R: usize, const C: usize>(
    x: *const f32,
    w: *const W,
    k: usize,
    fetch: Fetch,
) -> [[f32; C]; R] {
    let mut sums = [[_mm512_setzero_ps(); C]; R];
    let whole = k / LANES * LANES;
    let mut at = 0;
    while at < whole {
        // SAFETY: a whole step is left in every row.
        unsafe { step(x.add(at), w, at, k, u16::MAX, &mut sums) };
        fetch.of_step::<W, C>(w, k, at / LANES);
        at += LANES;
    }
    if at < k {
        // SAFETY: the mask names what is left.
        unsafe { step(x.add(at), w, at, k, (1 << (k - at)) - 1, &mut sums) };
    }
    let mut out = [[0f32; C]; R];
    let mut done = 0;
    while done < R * C {
        // Four at a time; the last of a tile that is no multiple are added up more than once.
        let pick = |i: usize| (done + i).min(R * C - 1);
        let at = [pick(0), pick(1), pick(2), pick(3)];
        let [a, b, c, d] = at.map(|at| sums[at / C][at % C]);
        let four = add_up(a, b, c, d);
        for (at, sum) in at.into_iter().zip(four) {
            out[at / C][at % C] = sum;
        }
        done += 4;
    }
    out
}

/// The sums of the lanes of four vectors, each added up in the same order.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
pub(super) fn add_up(a: __m512, b: __m512, c: __m512, d: __m512) -> [f32; 4] {
    let ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    let cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    let (ab, cd) = (_mm512_castps_pd(ab), _mm512_castps_pd(cd));
    let low = _mm512_castpd_ps(_mm512_unpacklo_pd(ab, cd));
    let high = _mm512_castpd_ps(_mm512_unpackhi_pd(ab, cd));
    // Each quarter now holds the quarter's sums of a, b, c and d.
    let quarters = _mm512_add_ps(low, high);
    let halves = _mm256_add_ps(
        _mm512_castps512_ps256(quarters),
        _mm256_castpd_ps(_mm512_extractf64x4_pd::<1>(_mm512_castps_pd(quarters))),
    );
    let sums = _mm_add_ps(_mm256_castps256_ps128(halves), _mm256_extractf128_ps::<1>(halves));
    let mut out = [0f32; 4];
    // SAFETY: four floats of room.
    unsafe { _mm_storeu_ps(out.as_mut_ptr(), sums) };
    out
}

/// One step along the summed dimension.
///
/// # Safety
/// The elements that `mask` names are readable in every row.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn step<W: Weight, const R: usize, const C: usize>(
    x: *const f32,
    w: *const W,
    at: usize,
    k: usize,
    mask: u16,
    sums: &mut [[__m512; C]; R],
) {
    // SAFETY: the caller's promise, and the features are enabled here.
    unsafe {
        let mut rows = [_mm512_setzero_ps(); R];
        for (row, values) in rows.iter_mut().enumerate() {
            *values = _mm512_maskz_loadu_ps(mask, x.add(row * k));
        }
        for column in 0..C {
            let weight = W::load(W::row(w, column, k), at, mask);
            for (sums, &row) in sums.iter_mut().zip(&rows) {
                sums[column] = _mm512_fmadd_ps(row, weight, sums[column]);
            }
        }
    }
}

/// What the tiles of some columns ask the memory for.
#[derive(Clone, Copy)]
enum Fetches {
    /// [`Fetch::Weights`] each.
    Weights,
    /// Cache lines until this many bytes from an address on were asked for.
    Lines(*const u8, usize),
}

impl Fetches {
    /// The next tile's, which has so many steps.
    fn next(&mut self, steps: usize) -> Fetch {
        match self {
            Self::Weights => Fetch::Weights,
            Self::Lines(_, 0) => Fetch::Nothing,
            Self::Lines(start, left) => {
                let bytes = steps * LINE;
                let fetch = Fetch::Lines(*start);
                (*start, *left) = (start.wrapping_add(bytes), left.saturating_sub(bytes));
                fetch
            }
        }
    }
}

/// All tiles of rows `top..bottom` and columns `from..to`.
///
/// # Safety
/// `x` points to row 0 of `x`, `w` to the row of weights of column `from`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl")]
unsafe fn tiles<W: Weight>(
    (x, w, k): (*const f32, *const W, usize),
    (top, bottom): (usize, usize),
    (from, to): (usize, usize),
    n: usize,
    mut fetch: Fetches,
    out: &Out,
) {
    macro_rules! tile {
        ($row:expr, $column:expr, $rows:literal, $columns:expr) => {{
            let fetch = fetch.next(k / LANES);
            // SAFETY: these rows of `x` and of the weights are there.
            let sums = unsafe { tile::<W, $rows, $columns>(x.add($row * k), W::row(w, $column - from, k), k, fetch) };
            for i in 0..$rows {
                for j in 0..$columns {
                    out.set(($row + i) * n + $column + j, sums[i][j]);
                }
            }
        }};
    }
    // Rows outside: a few of `x` and these columns' weights fit the first-level cache together.
    macro_rules! strip {
        ($row:expr, $rows:literal) => {{
            let mut column = from;
            while column + TILE_COLUMNS <= to {
                tile!($row, column, $rows, TILE_COLUMNS);
                column += TILE_COLUMNS;
            }
            while column < to {
                tile!($row, column, $rows, 1);
                column += 1;
            }
        }};
    }
    let mut row = top;
    while row + TILE_ROWS <= bottom {
        strip!(row, 4);
        row += TILE_ROWS;
    }
    match bottom - row {
        3 => strip!(row, 3),
        2 => strip!(row, 2),
        1 => strip!(row, 1),
        _ => {}
    }
}

impl Product<'_> {
    /// Columns `from..to` of the output, all rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    pub(super) fn columns_avx512(&self, from: usize, to: usize, out: &Out) {
        let (k, n) = (self.k, self.n);
        // Columns whose widened weights leave room for rows of `x` in the first-level cache.
        let group = (CACHED_WEIGHTS / k / TILE_COLUMNS).max(1) * TILE_COLUMNS;
        let mut buffer = Vec::new();
        for rows in self.row_blocks() {
            for column in (from..to).step_by(group) {
                let columns = (column, to.min(column + group));
                let weights = column * k..columns.1 * k;
                // Rows enough to find the weights in the first-level cache again.
                let again = rows.1 - rows.0 >= WORTH_WIDENING;
                let widened = again && !matches!(self.weights, Matrix::F32(_));
                if widened {
                    buffer.resize(group * k, 0f32);
                    self.widen(&weights, &mut buffer[..weights.len()]);
                }
                let x = self.x[..self.m * k].as_ptr();
                let fetch = if again { self.lines_after(&weights) } else { Fetches::Weights };
                // SAFETY (all): `x` has `m` rows of `k`, as the slice proves, and the weights of these columns are cut
                // out of a slice as well.
                match self.weights {
                    _ if widened => unsafe {
                        tiles((x, buffer[..weights.len()].as_ptr(), k), rows, columns, n, fetch, out);
                    },
                    Matrix::F32(all) => unsafe { tiles((x, all[weights].as_ptr(), k), rows, columns, n, fetch, out) },
                    Matrix::Bf16(all) => unsafe { tiles((x, all[weights].as_ptr(), k), rows, columns, n, fetch, out) },
                    Matrix::F16(all) => unsafe { tiles((x, all[weights].as_ptr(), k), rows, columns, n, fetch, out) },
                    Matrix::Q8(all) => {
                        let bytes = all[q8_bytes(weights.start)..q8_bytes(weights.end)].as_ptr().cast::<Q8Byte>();
                        unsafe { tiles((x, bytes, k), rows, columns, n, fetch, out) };
                    }
                }
            }
        }
    }

    /// Whole rows of weights as f32.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
    fn widen(&self, weights: &std::ops::Range<usize>, out: &mut [f32]) {
        let Matrix::Q8(all) = self.weights else { return super::matmul::widen(self.weights, weights.start, out) };
        let bytes = all[q8_bytes(weights.start)..q8_bytes(weights.end)].as_ptr().cast::<Q8Byte>();
        for (at, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
            // SAFETY: as many blocks were cut out of the slice as `out` has room for.
            unsafe { _mm512_storeu_ps(out.as_mut_ptr(), Q8Byte::load(bytes, at * LANES, u16::MAX)) };
        }
    }

    /// The stored weights after `weights`, as many again: those of the columns that come next.
    fn lines_after(&self, weights: &std::ops::Range<usize>) -> Fetches {
        let count = weights.len();
        match self.weights {
            Matrix::F32(all) => Fetches::Lines(all[weights.end..].as_ptr().cast(), count * size_of::<f32>()),
            Matrix::Bf16(all) => Fetches::Lines(all[weights.end..].as_ptr().cast(), count * size_of::<half::bf16>()),
            Matrix::F16(all) => Fetches::Lines(all[weights.end..].as_ptr().cast(), count * size_of::<half::f16>()),
            Matrix::Q8(all) => Fetches::Lines(all[q8_bytes(weights.end)..].as_ptr(), q8_bytes(count)),
        }
    }
}
