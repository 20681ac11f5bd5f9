//! `x W^T` written out for AVX-512: tiles of up to 4 rows by 6 columns, whose 24 sums stay in registers.

use std::arch::x86_64::{
    __m256i, __m512, __m512bh, __m512i, _mm512_castsi512_ps, _mm512_cvtepu16_epi32, _mm512_cvtph_ps, _mm512_dpbf16_ps,
    _mm512_fmadd_ps, _mm512_maskz_loadu_epi16, _mm512_maskz_loadu_ps, _mm512_reduce_add_ps, _mm512_setzero_ps,
    _mm512_slli_epi32, _mm256_maskz_loadu_epi16,
};

use super::matmul::{Matrix, Out, Product, TILE_COLUMNS};

/// Rows of a tile.
const TILE_ROWS: usize = 4;
/// Rows of `x` from which on weights are widened once into a buffer instead of in every tile.
const WORTH_WIDENING: usize = 3 * TILE_ROWS;

/// One kind of operands: how a step along the summed dimension loads and multiplies.
trait Kind {
    type X: Copy;
    type W: Copy;
    type XVector: Copy;
    type WVector: Copy;
    /// Elements a step.
    const STEP: usize;
    /// # Safety
    /// `at` is readable for the elements that `mask` names.
    unsafe fn x(at: *const Self::X, mask: u32) -> Self::XVector;
    /// # Safety
    /// `at` is readable for the elements that `mask` names.
    unsafe fn w(at: *const Self::W, mask: u32) -> Self::WVector;
    /// # Safety
    /// The processor has the features.
    unsafe fn multiply_add(x: Self::XVector, w: Self::WVector, sum: __m512) -> __m512;
}

/// Both in f32.
struct Wide;
/// f32 by bfloat16, widened on the way.
struct Mixed;
/// f32 by half, widened on the way.
struct Half;
/// Pairs of bfloat16.
struct Pairs;

macro_rules! f32_kind {
    ($kind:ty, $weight:ty, |$at:ident, $mask:ident| $load:expr) => {
        impl Kind for $kind {
            type X = f32;
            type W = $weight;
            type XVector = __m512;
            type WVector = __m512;
            const STEP: usize = 16;
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn x(at: *const f32, mask: u32) -> __m512 {
                // SAFETY: the caller's promise.
                unsafe { _mm512_maskz_loadu_ps(mask as u16, at) }
            }
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn w($at: *const $weight, $mask: u32) -> __m512 {
                $load
            }
            #[inline]
            #[target_feature(enable = "avx512f,avx512bw,avx512vl")]
            unsafe fn multiply_add(x: __m512, w: __m512, sum: __m512) -> __m512 {
                _mm512_fmadd_ps(x, w, sum)
            }
        }
    };
}

f32_kind!(Wide, f32, |at, mask| {
    // SAFETY: the caller's promise.
    unsafe { _mm512_maskz_loadu_ps(mask as u16, at) }
});
f32_kind!(Mixed, half::bf16, |at, mask| {
    // SAFETY: the caller's promise; a bfloat16 is 16 bits.
    let bits: __m256i = unsafe { _mm256_maskz_loadu_epi16(mask as u16, at.cast()) };
    _mm512_castsi512_ps(_mm512_slli_epi32::<16>(_mm512_cvtepu16_epi32(bits)))
});
f32_kind!(Half, half::f16, |at, mask| {
    // SAFETY: the caller's promise; a half is 16 bits.
    let bits: __m256i = unsafe { _mm256_maskz_loadu_epi16(mask as u16, at.cast()) };
    _mm512_cvtph_ps(bits)
});

impl Kind for Pairs {
    type X = half::bf16;
    type W = half::bf16;
    type XVector = __m512bh;
    type WVector = __m512bh;
    const STEP: usize = 32;
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn x(at: *const half::bf16, mask: u32) -> __m512bh {
        // SAFETY: the caller's promise; both types are 512 bits of bfloat16.
        unsafe { std::mem::transmute::<__m512i, __m512bh>(_mm512_maskz_loadu_epi16(mask, at.cast())) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn w(at: *const half::bf16, mask: u32) -> __m512bh {
        // SAFETY: the caller's promise.
        unsafe { Self::x(at, mask) }
    }
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512bf16")]
    unsafe fn multiply_add(x: __m512bh, w: __m512bh, sum: __m512) -> __m512 {
        _mm512_dpbf16_ps(sum, x, w)
    }
}

/// Sums of a tile: `R` rows of `x` by `C` rows of weights, both `k` long and `k` apart.
///
/// # Safety
/// Both are readable for that many rows.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tile<K: Kind, const R: usize, const C: usize>(x: *const K::X, w: *const K::W, k: usize) -> [[f32; C]; R] {
    let mut sums = [[_mm512_setzero_ps(); C]; R];
    let mut at = 0;
    while at < k {
        let left = k - at;
        let mask = if left >= K::STEP { u32::MAX } else { (1u32 << left) - 1 };
        let mut columns = [const { std::mem::MaybeUninit::<K::WVector>::uninit() }; C];
        for (column, vector) in columns.iter_mut().enumerate() {
            // SAFETY: within row `column` of the weights, as far as the mask goes.
            vector.write(unsafe { K::w(w.add(column * k + at), mask) });
        }
        for (row, sums) in sums.iter_mut().enumerate() {
            // SAFETY: within row `row` of `x`, as far as the mask goes.
            let x = unsafe { K::x(x.add(row * k + at), mask) };
            for (sum, column) in sums.iter_mut().zip(&columns) {
                // SAFETY: written above; the features are enabled here.
                *sum = unsafe { K::multiply_add(x, column.assume_init(), *sum) };
            }
        }
        at += K::STEP;
    }
    sums.map(|row| row.map(|sum| _mm512_reduce_add_ps(sum)))
}

/// All tiles of rows `top..bottom` and columns `from..to`.
///
/// # Safety
/// `x` points to row 0 of `x`, `w` to the row of weights of column `from`.
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
unsafe fn tiles<K: Kind>(
    (x, w, k): (*const K::X, *const K::W, usize),
    (top, bottom): (usize, usize),
    (from, to): (usize, usize),
    n: usize,
    out: &Out,
) {
    macro_rules! tile {
        ($row:expr, $column:expr, $rows:literal, $columns:expr) => {{
            // SAFETY: these rows of `x` and of the weights are there.
            let sums = unsafe { tile::<K, $rows, $columns>(x.add($row * k), w.add(($column - from) * k), k) };
            for (i, row) in sums.iter().enumerate() {
                for (j, &sum) in row.iter().enumerate() {
                    out.set(($row + i) * n + $column + j, sum);
                }
            }
        }};
    }
    macro_rules! strip {
        ($column:expr, $columns:expr) => {{
            let mut row = top;
            while row + TILE_ROWS <= bottom {
                tile!(row, $column, 4, $columns);
                row += TILE_ROWS;
            }
            match bottom - row {
                3 => tile!(row, $column, 3, $columns),
                2 => tile!(row, $column, 2, $columns),
                1 => tile!(row, $column, 1, $columns),
                _ => {}
            }
        }};
    }
    let mut column = from;
    while column + TILE_COLUMNS <= to {
        strip!(column, TILE_COLUMNS);
        column += TILE_COLUMNS;
    }
    while column < to {
        strip!(column, 1);
        column += 1;
    }
}

impl Product<'_> {
    /// Columns `from..to` of the output, all rows.
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512bf16")]
    pub(super) fn columns_avx512(&self, from: usize, to: usize, out: &Out) {
        let (k, n) = (self.k, self.n);
        let start = from * k;
        let mut buffer = Vec::new();
        for (top, bottom) in self.row_blocks() {
            let rows = (top, bottom);
            // SAFETY (all calls): `x` has `m` rows and the weights `n`, each of `k`; slices are cut to prove it.
            match self.weights {
                Matrix::Bf16(weights) if !self.rounded.is_empty() => {
                    let (x, w) = (&self.rounded[..self.m * k], &weights[start..to * k]);
                    // SAFETY: see above.
                    unsafe { tiles::<Pairs>((x.as_ptr(), w.as_ptr(), k), rows, (from, to), n, out) };
                }
                Matrix::F32(weights) => {
                    let (x, w) = (&self.x[..self.m * k], &weights[start..to * k]);
                    // SAFETY: see above.
                    unsafe { tiles::<Wide>((x.as_ptr(), w.as_ptr(), k), rows, (from, to), n, out) };
                }
                _ if bottom - top >= WORTH_WIDENING => {
                    buffer.resize(TILE_COLUMNS * k, 0f32);
                    for column in (from..to).step_by(TILE_COLUMNS) {
                        let end = to.min(column + TILE_COLUMNS);
                        let wide = &mut buffer[..(end - column) * k];
                        super::matmul::widen(self.weights, column * k, wide);
                        let x = &self.x[..self.m * k];
                        // SAFETY: see above.
                        unsafe { tiles::<Wide>((x.as_ptr(), wide.as_ptr(), k), rows, (column, end), n, out) };
                    }
                }
                Matrix::Bf16(weights) => {
                    let (x, w) = (&self.x[..self.m * k], &weights[start..to * k]);
                    // SAFETY: see above.
                    unsafe { tiles::<Mixed>((x.as_ptr(), w.as_ptr(), k), rows, (from, to), n, out) };
                }
                Matrix::F16(weights) => {
                    let (x, w) = (&self.x[..self.m * k], &weights[start..to * k]);
                    // SAFETY: see above.
                    unsafe { tiles::<Half>((x.as_ptr(), w.as_ptr(), k), rows, (from, to), n, out) };
                }
            }
        }
    }
}
