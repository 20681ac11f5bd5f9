//! `x W^T` for weights in [`Panels`].
//!
//! Every output is the sum of a few sums, each over a part of the summed dimension, in its order. It has the same bits in
//! a batch of one and in a batch of hundreds, on one thread and on many.

use std::borrow::Cow;
use std::slice;

use rayon::prelude::*;

#[cfg(target_arch = "x86_64")]
use super::amx_tiles::{STEPS, TILE};
use super::gated::{GatePanels, GatedOutputs};
use super::layout::DEPTH;
use super::micro_kernels::{Out, PAIR, PART, Product, decode, in_rows, parts};
use super::outputs::{MultipliedRows, Outputs, tasks};
#[cfg(target_arch = "x86_64")]
use super::pairs::in_pairs;
use super::panels::Panels;
use super::product_value::{ProductInput, ProductValue};
use super::readers::PanelSource;
use super::rows::GateActivation;
use super::simd::{LANES, PairUnit, Simd, SimdLevel};
use super::sources::with_source;
use super::swapped_pairs::{InSwappedPairs, in_swapped_pairs};
use super::vector::{Portable, Vector};
use crate::compute_type::ComputeType;

/// Most tasks of a thread.
const TASKS: usize = 32;
/// Rows from which on those that are left over do not matter.
const FILLED_ROWS: usize = 64;

/// `x W^T`: `x` `(M, K)` and `weights` `(N, K)` to `(M, N)`; the outputs of several matrices stand side by side.
///
/// Of an `x` in f32, weights are widened, exactly (of a quantised weight, the number that it stands for). Of one in bfloat16,
/// they are rounded to it, and pairs of products are added up in f32: by the processor where it can, else step by step.
pub(crate) fn matmul<T: ProductValue>(simd: Simd, x: &[T], weights: &[Panels]) -> Vec<f32> {
    multiplied(simd, T::input(x), &Beside { weights, added: None })
}

/// `y + x W^T`: `y` `(M, N)`, which is added to whole sums; the rest as of [`matmul`].
pub(crate) fn added_matmul<T: ProductValue>(simd: Simd, x: &[T], weights: &[Panels], y: &[f32]) -> Vec<f32> {
    multiplied(simd, T::input(x), &Beside { weights, added: Some(y) })
}

/// `gate(x G^T) * (x U^T)`: `x` `(M, K)` to `(M, N)`, for another product in the same type; products as of [`matmul`].
pub(crate) fn gated_matmul<T: ProductValue>(
    simd: Simd,
    x: &[T],
    gate: GateActivation,
    weights: GatePanels<'_>,
) -> Vec<T> {
    multiplied(simd, T::input(x), &GatedOutputs::new(gate, weights))
}

/// Products stand side by side, with other values added where there are some.
struct Beside<'a> {
    weights: &'a [Panels],
    /// `(M, N)`.
    added: Option<&'a [f32]>,
}

fn multiplied<O: Outputs>(simd: Simd, x: ProductInput<'_>, outputs: &O) -> Vec<O::Value> {
    let k = outputs.inputs();
    let m = x.len() / k;
    let compute = x.compute();
    let rows = computed_rows(simd, compute, m);
    let mut out = match x {
        ProductInput::F32(x) => {
            let (x, stride) = whole_blocks(x, k, rows);
            let rows = MultipliedRows { simd, x: &x, stride, m: rows };
            outputs.of(rows, |product, from, to| product.panels(compute, from, to))
        }
        ProductInput::Bf16(x) => match simd.pairs() {
            PairUnit::Steps => {
                let (x, stride) = in_swapped_pairs(x, k, rows);
                let rows = MultipliedRows { simd, x: &x, stride, m: rows };
                outputs.of(rows, |product, from, to| product.panels(compute, from, to))
            }
            #[cfg(target_arch = "x86_64")]
            PairUnit::Vectors => {
                let (x, stride) = in_pairs(x, k, (rows, DEPTH));
                let rows = MultipliedRows { simd, x: &x, stride, m: rows };
                // SAFETY: detection has seen all features that this asks for.
                outputs.of(rows, |product, from, to| unsafe { product.panels_in_pairs(from, to) })
            }
            #[cfg(target_arch = "x86_64")]
            PairUnit::Tiles => {
                // As many as a tile has, or whole tiles.
                let (x, stride) = in_pairs(x, k, (m.clamp(1, TILE), STEPS));
                let rows = MultipliedRows { simd, x: &x, stride, m };
                // SAFETY: likewise.
                outputs.of(rows, |product, from, to| unsafe { product.panels_in_tiles(from, to) })
            }
        },
    };
    out.truncate(m * outputs.count());
    out
}

/// Rows that are computed where `m` are wanted. Kernels take some numbers of rows together, and the row that is left over
/// costs more by itself than a row of zeros beside others.
fn computed_rows(simd: Simd, compute: ComputeType, m: usize) -> usize {
    let pairs = if compute == ComputeType::Bf16 { simd.pairs() } else { PairUnit::Steps };
    let of_rest: &[usize] = match (pairs, simd.level()) {
        _ if m >= FILLED_ROWS => &[0],
        #[cfg(target_arch = "x86_64")]
        (PairUnit::Steps, SimdLevel::Avx512) if compute == ComputeType::F32 => &[0, 1, 2, 4, 4, 6, 6, 8],
        #[cfg(target_arch = "x86_64")]
        (PairUnit::Vectors, _) => &[0, 1, 2, 4, 4, 5, 6, 8],
        #[cfg(target_arch = "x86_64")]
        (PairUnit::Steps, SimdLevel::Avx512 | SimdLevel::Avx2) => &[0, 1, 2, 3, 4, 6],
        _ => &[0],
    };
    m - m % of_rest.len() + of_rest[m % of_rest.len()]
}

impl Outputs for Beside<'_> {
    type Value = f32;

    fn inputs(&self) -> usize {
        self.weights[0].inputs()
    }

    fn count(&self) -> usize {
        self.weights.iter().map(Panels::outputs).sum()
    }

    fn of<X: Sync>(
        &self,
        rows: MultipliedRows<'_, X>,
        panels: impl Fn(&Product<'_, X>, usize, usize) + Sync,
    ) -> Vec<f32> {
        let (m, k, n) = (rows.m, self.inputs(), self.count());
        let mut out = Vec::with_capacity(m * n);
        let mut column = 0;
        let products: Vec<Product<'_, X>> = self
            .weights
            .iter()
            .map(|weights| {
                assert_eq!(weights.inputs(), k, "matrices over the same input");
                column += weights.outputs();
                let column = column - weights.outputs();
                rows.product(weights, Out { at: out.as_mut_ptr(), n, column: column.cast_signed() })
            })
            .collect();
        let columns = |product: &Product<'_, X>, from: usize, to: usize| {
            panels(product, from, to);
            if let Some(added) = self.added {
                product.add_values(added, from, to);
            }
        };
        let tasks = tasks(m * n * k, TASKS);
        if tasks == 1 {
            for product in &products {
                columns(product, 0, product.weights.count());
            }
        } else {
            // Whole pairs, so that where tasks meet depends on nothing but the shape.
            let most = n.div_ceil(LANES).div_ceil(tasks).next_multiple_of(PAIR);
            let starts = |product: &'_ Product<'_, X>| (0..product.weights.count()).step_by(most);
            let tasks: Vec<_> = products.iter().flat_map(|it| starts(it).map(move |from| (it, from))).collect();
            tasks.into_par_iter().with_max_len(1).for_each(|(product, from)| {
                columns(product, from, product.weights.count().min(from + most));
            });
        }
        // SAFETY: there is room for so many, and every panel has written its columns of every row.
        unsafe { out.set_len(m * n) };
        out
    }
}

/// `x` with so many `rows` of whole blocks, filled up with zeros, and how long they are.
fn whole_blocks(x: &[f32], k: usize, rows: usize) -> (Cow<'_, [f32]>, usize) {
    let stride = k.next_multiple_of(DEPTH);
    if stride * rows == x.len() {
        return (Cow::Borrowed(x), k);
    }
    let mut filled = vec![0f32; rows * stride];
    for (filled, row) in filled.chunks_exact_mut(stride).zip(x.chunks_exact(k)) {
        filled[..k].copy_from_slice(row);
    }
    (Cow::Owned(filled), stride)
}

impl<X> Product<'_, X> {
    /// Adds the same columns of `values`, `(M, N)`, to those of panels `from..to`, which a task has just written: they are
    /// still in its caches.
    fn add_values(&self, values: &[f32], from: usize, to: usize) {
        let first = self.out.column.cast_unsigned() + from * LANES;
        let count = self.weights.outputs().min(to * LANES) - from * LANES;
        for (row, values) in values.chunks_exact(self.out.n).enumerate() {
            // SAFETY: these columns of a row are there, written, and the calling task's.
            let sums = unsafe { slice::from_raw_parts_mut(self.out.start(row, from), count) };
            for (sum, value) in sums.iter_mut().zip(&values[first..]) {
                *sum += value;
            }
        }
    }
}

impl Product<'_> {
    /// The columns of panels `from..to`, all rows.
    fn panels(&self, compute: ComputeType, from: usize, to: usize) {
        match self.simd.level() {
            #[cfg(target_arch = "x86_64")]
            // SAFETY: a `Simd` of this level comes from detection, which has seen all features that the kernel asks for.
            SimdLevel::Avx512 if compute == ComputeType::F32 => unsafe { self.panels_avx512(from, to) },
            #[cfg(target_arch = "x86_64")]
            // SAFETY: likewise. (With AVX-512, pairs without an instruction for them are not worth kernels of their own.)
            SimdLevel::Avx512 | SimdLevel::Avx2 => unsafe { self.panels_avx2(compute, from, to) },
            SimdLevel::Portable => with_source!(self.weights, W => match compute {
                ComputeType::F32 => self.panels_plain::<Portable, W>(from, to),
                ComputeType::Bf16 => self.panels_plain::<Portable, InSwappedPairs<W>>(from, to),
            }),
        }
    }

    /// The plain version: a panel at a time, widened to f32, against four rows of `x`.
    fn panels_plain<V: Vector, W: PanelSource>(&self, from: usize, to: usize) {
        let mut buffer = [[[[0f32; LANES]; 2]; 1]; PART / 2];
        for panel in from..to {
            // SAFETY (all): arrays ask for no features, a panel has as many blocks as `x`, and these rows and panels are
            // there and are this task's.
            let mut readers = unsafe { [W::reader::<V>(self.weights, panel)] };
            for part in parts(self.stride) {
                let mut row = 0;
                if W::IN_PLACE {
                    in_rows!(row to self.m, R of [4, 1] => unsafe {
                        self.tile_in_place::<V, W::InPlace, R>((row, panel), part.clone());
                    });
                    continue;
                }
                let buffer = &mut buffer[..part.len() / 2];
                unsafe { decode::<V, _, 1>(&mut readers, buffer) };
                in_rows!(row to self.m, R of [4, 1] => unsafe {
                    self.tile::<V, R, 1>((row, panel), part.clone(), buffer);
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
