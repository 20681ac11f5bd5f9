//! What becomes of products: as a kernel computes some columns, somebody says where they go and what follows.

use super::micro_kernels::{Out, Product};
use super::panels::Panels;
use super::simd::Simd;

/// Multiplications that make a task of their own worth while.
const TASK: usize = 1 << 16;

/// What becomes of products.
pub(super) trait Outputs {
    type Value;

    /// `K`.
    fn inputs(&self) -> usize;

    /// `N`.
    fn count(&self) -> usize;

    /// `(M, N)`. `panels` computes the columns of some panels.
    fn of<X: Sync>(
        &self,
        rows: MultipliedRows<'_, X>,
        panels: impl Fn(&Product<'_, X>, usize, usize) + Sync,
    ) -> Vec<Self::Value>;
}

/// `x` as kernels read it: `m` rows that are `stride` long.
pub(super) struct MultipliedRows<'a, X> {
    pub(super) simd: Simd,
    pub(super) x: &'a [X],
    pub(super) stride: usize,
    pub(super) m: usize,
}

impl<'a, X> MultipliedRows<'a, X> {
    /// The product with a matrix, written to `out`.
    pub(super) fn product(&self, weights: &'a Panels, out: Out) -> Product<'a, X> {
        let Self { simd, x, stride, m } = *self;
        Product { simd, x, stride, m, weights, out }
    }
}

/// Tasks that are worth while, so many of a thread at most.
pub(super) fn tasks(multiplications: usize, of_a_thread: usize) -> usize {
    (multiplications / TASK).clamp(1, of_a_thread * rayon::current_num_threads())
}
