//! The kernels, for `cargo bench` alone.

use half::bf16;

use crate::kernel::{self, Cached, DenseRows, HeadQuery, LANES, Panels, Scoring, Simd, TOGETHER};

/// Weights `(N, K)` as products read them.
pub struct ProductBench([Panels; 1]);

impl ProductBench {
    /// Weights in f32.
    pub fn of_f32(weights: &[f32], k: usize) -> Self {
        Self([Panels::pack(DenseRows::F32(weights), k, Simd::detect())])
    }

    /// Weights in bfloat16.
    pub fn of_bf16(weights: &[bf16], k: usize) -> Self {
        Self([Panels::pack(DenseRows::Bf16(weights), k, Simd::detect())])
    }

    /// `x` `(M, K)` by the weights, transposed: `(M, N)`.
    pub fn product(&self, x: &[f32]) -> Vec<f32> {
        kernel::matmul(Simd::detect(), x, &self.0)
    }
}

/// One head of keys and values of one sequence, and queries at its end. `T` is what the cache holds.
pub struct AttentionBench<T> {
    keys: Vec<T>,
    values: Vec<T>,
    blocks: Vec<u32>,
    queries: Vec<f32>,
    head_dim: usize,
    scratch: Vec<f32>,
    out: Vec<f32>,
}

impl<T> AttentionBench<T> {
    /// `positions` of them, a multiple of 16.
    fn of(positions: usize, head_dim: usize, value: impl Fn(f32) -> T) -> Self {
        let number = |i: usize| ((i * 37 + 11) % 23) as f32 / 23.0 - 0.5;
        let cached = || (0..positions * head_dim).map(|i| value(number(i))).collect();
        Self {
            keys: cached(),
            values: cached(),
            blocks: (0..(positions / LANES) as u32).collect(),
            queries: (0..TOGETHER * head_dim).map(number).collect(),
            head_dim,
            scratch: Vec::new(),
            out: vec![0.0; TOGETHER * head_dim],
        }
    }

    /// Four queries that see everything, by `kernel`.
    fn attend_by(
        &mut self,
        kernel: impl Fn(Simd, &[HeadQuery<'_>], Cached<'_, T>, Scoring, &mut Vec<f32>, &mut [&mut [f32]]),
    ) -> &[f32] {
        let range = (0, self.blocks.len() * LANES);
        let queries: Vec<HeadQuery<'_>> =
            self.queries.chunks(self.head_dim).map(|values| HeadQuery { values, range }).collect();
        let seen = Cached {
            keys: &self.keys,
            values: &self.values,
            blocks: &self.blocks,
            kv_heads: 1,
            head: 0,
            head_dim: self.head_dim,
        };
        let mut out: Vec<&mut [f32]> = self.out.chunks_mut(self.head_dim).collect();
        kernel(Simd::detect(), &queries, seen, Scoring { scale: 0.1, cap: None }, &mut self.scratch, &mut out);
        &self.out
    }
}

impl AttentionBench<f32> {
    /// `positions` of them in f32, a multiple of 16.
    pub fn in_f32(positions: usize, head_dim: usize) -> Self {
        Self::of(positions, head_dim, |value| value)
    }

    /// Four queries that see everything.
    pub fn attend(&mut self) -> &[f32] {
        self.attend_by(kernel::attend)
    }
}

impl AttentionBench<bf16> {
    /// `positions` of them in bfloat16, a multiple of 16.
    pub fn in_bf16(positions: usize, head_dim: usize) -> Self {
        Self::of(positions, head_dim, bf16::from_f32)
    }

    /// Four queries that see everything.
    pub fn attend(&mut self) -> &[f32] {
        self.attend_by(kernel::attend_in_pairs)
    }
}
