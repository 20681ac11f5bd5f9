//! `x W^T` for weights in the type they are stored in.
//!
//! Rows of `x` and of `W` are both contiguous over the summed dimension, so nothing is packed: an output is a dot
//! product over fixed lanes, added up in one order. It has the same bits in a batch of one and in a batch of hundreds,
//! on one thread and on many.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use half::{bf16, f16};
use rayon::prelude::*;

use super::simd::{LANES, Simd, multiply_add};

/// Values of `x` that a pass over the weights works on: they stay in the second-level cache.
const BLOCK_VALUES: usize = 1 << 18;
/// Multiplications that make a task of their own worth while.
const TASK: usize = 1 << 16;

/// A matrix of weights `(N, K)`, row by row.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Matrix<'a> {
    F32(&'a [f32]),
    Bf16(&'a [bf16]),
    F16(&'a [f16]),
    /// llama.cpp's `Q8_0`: blocks of a scale (f16) and [`Q8_WEIGHTS`] integers that it multiplies. `K` is a multiple of
    /// that.
    Q8(&'a [u8]),
}

/// Weights of a block of `Q8_0`.
pub(super) const Q8_WEIGHTS: usize = 32;
/// Its bytes.
pub(super) const Q8_BYTES: usize = 2 + Q8_WEIGHTS;

/// Bytes of `weights`, which are whole blocks of `Q8_0`.
pub(super) fn q8_bytes(weights: usize) -> usize {
    weights / Q8_WEIGHTS * Q8_BYTES
}

impl Matrix<'_> {
    fn len(&self) -> usize {
        match self {
            Self::F32(values) => values.len(),
            Self::Bf16(values) => values.len(),
            Self::F16(values) => values.len(),
            Self::Q8(bytes) => bytes.len() / Q8_BYTES * Q8_WEIGHTS,
        }
    }
}

/// `x W^T`: `x` `(M, K)` and `weights` `(N, K)` to `(M, N)`.
///
/// Weights are widened to f32, exactly (of a quantised weight, the number that it stands for), and everything is computed in f32. (Rounding `x` to bfloat16 and multiplying in
/// pairs, as AVX-512 BF16 can, was tried: on Sapphire Rapids it was slower.)
pub(crate) fn matmul(simd: Simd, x: &[f32], weights: Matrix<'_>, k: usize) -> Vec<f32> {
    let (m, n) = (x.len() / k, weights.len() / k);
    let mut out = vec![0f32; m * n];
    let product = Product { simd, x, weights, m, k, n };
    let tasks = (m * n * k / TASK).clamp(1, 8 * rayon::current_num_threads());
    // Whole tiles of columns, so that where tasks meet depends on nothing but the shape.
    let columns = n.div_ceil(tasks).next_multiple_of(TILE_COLUMNS);
    if columns >= n {
        product.columns(0, n, &Out::new(&mut out));
    } else {
        let out = Out::new(&mut out);
        (0..n.div_ceil(columns)).into_par_iter().for_each(|task| {
            product.columns(task * columns, n.min((task + 1) * columns), &out);
        });
    }
    out
}

/// Columns that a tile of the AVX-512 kernel computes at once.
pub(super) const TILE_COLUMNS: usize = 6;

/// One product and its shape.
pub(super) struct Product<'a> {
    pub(super) simd: Simd,
    pub(super) x: &'a [f32],
    pub(super) weights: Matrix<'a>,
    pub(super) m: usize,
    pub(super) k: usize,
    pub(super) n: usize,
}

/// The output, which tasks write to at different columns.
pub(super) struct Out {
    start: *mut f32,
    length: usize,
}

// SAFETY: a pointer into a buffer that outlives the tasks; `set` may be called for any element by one task only, and
// tasks own different columns.
unsafe impl Sync for Out {}

impl Out {
    fn new(out: &mut [f32]) -> Self {
        Self { start: out.as_mut_ptr(), length: out.len() }
    }

    /// Writes element `index`, which belongs to the calling task.
    #[inline(always)]
    pub(super) fn set(&self, index: usize, value: f32) {
        assert!(index < self.length);
        // SAFETY: within the buffer, as just checked, and no other task touches this element.
        unsafe { self.start.add(index).write(value) }
    }
}

impl Product<'_> {
    /// Columns `from..to` of the output, all rows.
    fn columns(&self, from: usize, to: usize, out: &Out) {
        match self.simd {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: `Simd::Avx512` is only made by `detect`, which has seen all features that the kernel asks for.
            Simd::Avx512 => unsafe { self.columns_avx512(from, to, out) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: likewise for `Simd::Avx2`.
            Simd::Avx2 => unsafe { self.columns_avx2(from, to, out) },
            Simd::Portable => self.columns_plain::<false>(from, to, out),
        }
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2,fma,f16c")]
    fn columns_avx2(&self, from: usize, to: usize, out: &Out) {
        self.columns_plain::<true>(from, to, out);
    }

    /// Blocks of rows that are worked on together.
    pub(super) fn row_blocks(&self) -> impl Iterator<Item = (usize, usize)> + use<> {
        let (m, rows) = (self.m, (BLOCK_VALUES / self.k).next_multiple_of(4).max(4));
        (0..m).step_by(rows).map(move |row| (row, m.min(row + rows)))
    }

    /// The plain version: one row of weights at a time, widened to f32, against four rows of `x`.
    #[inline(always)]
    fn columns_plain<const FMA: bool>(&self, from: usize, to: usize, out: &Out) {
        let (x, k) = (self.x, self.k);
        let mut row = vec![0f32; k];
        for (top, bottom) in self.row_blocks() {
            for column in from..to {
                widen(self.weights, column * k, &mut row);
                let mut at = top;
                while at + 4 <= bottom {
                    let sums = dots::<FMA, 4>([0, 1, 2, 3].map(|i| &x[(at + i) * k..][..k]), &row);
                    for (i, sum) in sums.into_iter().enumerate() {
                        out.set((at + i) * self.n + column, sum);
                    }
                    at += 4;
                }
                for at in at..bottom {
                    let [sum] = dots::<FMA, 1>([&x[at * k..][..k]], &row);
                    out.set(at * self.n + column, sum);
                }
            }
        }
    }
}

/// `out.len()` weights from `start` on, as f32.
#[inline(always)]
pub(super) fn widen(weights: Matrix<'_>, start: usize, out: &mut [f32]) {
    let range = start..start + out.len();
    match weights {
        Matrix::F32(values) => out.copy_from_slice(&values[range]),
        Matrix::Bf16(values) => {
            for (out, value) in out.iter_mut().zip(&values[range]) {
                *out = f32::from_bits(u32::from(value.to_bits()) << 16);
            }
        }
        Matrix::F16(values) => {
            for (out, value) in out.iter_mut().zip(&values[range]) {
                *out = value.to_f32();
            }
        }
        Matrix::Q8(bytes) => {
            let blocks = bytes[q8_bytes(range.start)..q8_bytes(range.end)].as_chunks::<Q8_BYTES>().0;
            for (out, &[low, high, ref weights @ ..]) in out.as_chunks_mut::<Q8_WEIGHTS>().0.iter_mut().zip(blocks) {
                let scale = f16::from_le_bytes([low, high]).to_f32();
                for (out, &weight) in out.iter_mut().zip(weights) {
                    *out = f32::from(weight.cast_signed()) * scale;
                }
            }
        }
    }
}

/// Dot products of some rows with `weights`.
#[inline(always)]
fn dots<const FMA: bool, const ROWS: usize>(rows: [&[f32]; ROWS], weights: &[f32]) -> [f32; ROWS] {
    let mut lanes = [[0f32; LANES]; ROWS];
    let (chunks, rest) = weights.as_chunks::<LANES>();
    for (at, weights) in chunks.iter().enumerate() {
        for (lanes, row) in lanes.iter_mut().zip(&rows) {
            let Some((row, _)) = row[at * LANES..].split_first_chunk::<LANES>() else { continue };
            for lane in 0..LANES {
                lanes[lane] = multiply_add::<FMA>(row[lane], weights[lane], lanes[lane]);
            }
        }
    }
    let start = chunks.len() * LANES;
    for (lanes, row) in lanes.iter_mut().zip(&rows) {
        for (lane, (&value, &weight)) in lanes.iter_mut().zip(row[start..].iter().zip(rest)) {
            *lane = multiply_add::<FMA>(value, weight, *lane);
        }
    }
    lanes.map(|lanes| lanes.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(count: usize, seed: usize) -> Vec<f32> {
        (0..count).map(|i| ((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5 - 1.0).collect()
    }

    /// In f64.
    fn reference(x: &[f32], weights: &[f32], k: usize) -> Vec<f64> {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum();
        x.chunks(k).flat_map(|x| weights.chunks(k).map(move |w| dot(x, w))).collect()
    }

    #[test]
    fn blocks_of_integers_multiply_as_the_numbers_that_they_stand_for() {
        for (m, n, k) in [(1, 13, 64), (2, 6, 32), (5, 7, 96), (37, 31, 160)] {
            let x = values(m * k, 1);
            let byte = |i: usize| (i * 7919 % 256) as u8;
            let block = |i: usize| {
                let scale = f16::from_f32(0.001 * (i % 17) as f32 - 0.005).to_le_bytes();
                scale.into_iter().chain((0..Q8_WEIGHTS).map(move |at| byte(i * Q8_WEIGHTS + at)))
            };
            let bytes: Vec<u8> = (0..n * k / Q8_WEIGHTS).flat_map(block).collect();
            let mut wide = vec![0f32; n * k];
            widen(Matrix::Q8(&bytes), 0, &mut wide);
            let second = f16::from_f32(-0.004).to_f32() * f32::from(byte(33).cast_signed());
            assert_eq!(wide[33].to_bits(), second.to_bits());
            for simd in every_simd() {
                let out = matmul(simd, &x, Matrix::Q8(&bytes), k);
                assert_eq!(out, matmul(simd, &x, Matrix::F32(&wide), k), "{simd:?} {m} {n} {k}");
            }
        }
    }

    fn every_simd() -> Vec<Simd> {
        let mut all = vec![Simd::Portable, Simd::detect()];
        #[cfg(target_arch = "x86_64")]
        if Simd::detect() == Simd::Avx512 {
            all.push(Simd::Avx2);
        }
        all
    }

    #[test]
    fn products_agree_with_f64_arithmetic_for_every_type_and_shape() {
        for (m, n, k) in [(1, 1, 1), (1, 13, 64), (5, 6, 48), (4, 7, 100), (103, 31, 33), (2, 700, 576)] {
            let (x, weights) = (values(m * k, 1), values(n * k, 2));
            let short: Vec<bf16> = weights.iter().map(|&w| bf16::from_f32(w)).collect();
            let half: Vec<f16> = weights.iter().map(|&w| f16::from_f32(w)).collect();
            let short_wide: Vec<f32> = short.iter().map(|w| w.to_f32()).collect();
            let half_wide: Vec<f32> = half.iter().map(|w| w.to_f32()).collect();
            for simd in every_simd() {
                for (matrix, wide) in [
                    (Matrix::F32(&weights), &weights),
                    (Matrix::Bf16(&short), &short_wide),
                    (Matrix::F16(&half), &half_wide),
                ] {
                    let out = matmul(simd, &x, matrix, k);
                    for (out, expected) in out.iter().zip(reference(&x, wide, k)) {
                        let error = (f64::from(*out) - expected).abs();
                        assert!(error < 2e-6 * (k as f64).sqrt() + 4e-6, "{simd:?} {m} {n} {k}: {error}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_row_has_the_same_bits_in_every_batch_and_on_any_number_of_threads() {
        let (m, n, k) = (101, 130, 200);
        let x = values(m * k, 3);
        let weights: Vec<bf16> = values(n * k, 4).into_iter().map(bf16::from_f32).collect();
        for simd in every_simd() {
            let product = |x: &[f32]| matmul(simd, x, Matrix::Bf16(&weights), k);
            let all = product(&x);
            let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
            assert_eq!(pool.install(|| product(&x)), all);
            for size in [1, 2, 7, 64] {
                let parts: Vec<f32> = x.chunks(size * k).flat_map(product).collect();
                assert_eq!(parts, all, "{simd:?} in batches of {size}");
            }
        }
    }

    #[test]
    #[ignore = "a measurement: cargo test --release --workspace --lib rate_of_products -- --ignored --nocapture"]
    fn rate_of_products() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for (m, n, k) in [(1, 3072, 576), (16, 3072, 576), (512, 3072, 576), (512, 576, 1536)] {
            let x = values(m * k, 3);
            let wide = values(n * k, 4);
            let weights: Vec<bf16> = wide.iter().map(|&w| bf16::from_f32(w)).collect();
            for (name, matrix) in [("f32", Matrix::F32(&wide)), ("bf16", Matrix::Bf16(&weights))] {
                let mut best = f64::INFINITY;
                pool.install(|| {
                    let began = std::time::Instant::now();
                    while began.elapsed().as_secs_f64() < 0.5 {
                        let start = std::time::Instant::now();
                        let out = matmul(Simd::detect(), &x, matrix, k);
                        best = best.min(start.elapsed().as_secs_f64());
                        std::hint::black_box(out);
                    }
                });
                println!("{m} x {k} by {n}, {name}: {:.0} GFLOP/s", 2e-9 * (m * n * k) as f64 / best);
            }
        }
    }
}
