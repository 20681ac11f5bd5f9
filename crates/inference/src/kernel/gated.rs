//! Products of which one half gates the other: both are in caches when they meet, and never in memory.

use std::mem::MaybeUninit;
use std::slice;

use rayon::prelude::*;

use super::micro_kernels::{Out, PAIR, Product};
use super::panels::Panels;
use super::rows::{GateActivation, gate_times};
use super::simd::{LANES, Simd};
use crate::compute_type::ComputeType;

/// Two matrices of one shape over the same input: that of the gates, and that of what they scale.
#[derive(Clone, Copy)]
pub(crate) struct GatePanels<'a> {
    /// Both, with their first panels.
    sides: [(&'a Panels, usize); 2],
    /// Panels of each.
    count: usize,
}

impl<'a> GatePanels<'a> {
    /// Of two matrices, or of one that has both, the gates first; none where they do not part between panels.
    pub(crate) fn of(weights: &'a [Panels]) -> Option<Self> {
        let (sides, outputs) = match weights {
            [both] => ([(both, 0), (both, both.outputs() / 2 / LANES)], both.outputs() / 2),
            [gate, up] if gate.outputs() == up.outputs() => ([(gate, 0), (up, 0)], gate.outputs()),
            _ => return None,
        };
        let halves = weights.iter().map(Panels::outputs).sum::<usize>() == 2 * outputs;
        let parts = halves && outputs > 0 && outputs.is_multiple_of(LANES);
        parts.then_some(Self { sides, count: outputs / LANES })
    }

    /// `K`.
    pub(crate) fn inputs(&self) -> usize {
        self.sides[0].0.inputs()
    }

    /// `N`, of each.
    pub(crate) fn outputs(&self) -> usize {
        self.count * LANES
    }

    /// `gate(x G^T) * (x U^T)`, `(M, N)`, of an `x` of `m` rows that are `stride` long, in about so many `tasks`. `panels`
    /// computes the columns of some panels.
    pub(super) fn product<X: Sync>(
        self,
        (simd, compute, gate): (Simd, ComputeType, GateActivation),
        (x, stride, m): (&[X], usize, usize),
        tasks: usize,
        panels: impl Fn(&Product<'_, X>, usize, usize) + Sync,
    ) -> Vec<f32> {
        let n = self.outputs();
        let mut gated = Vec::with_capacity(m * n);
        let out = Out { at: gated.as_mut_ptr(), n, column: 0 };
        // Whole pairs, so that where tasks meet depends on nothing but the shape.
        let most = self.count.div_ceil(tasks).next_multiple_of(PAIR);
        let task = |both: &mut Vec<f32>, from: usize| {
            let to = self.count.min(from + most);
            let columns = (to - from) * LANES;
            both.clear();
            both.reserve(m * 2 * columns);
            for (side, (weights, first)) in self.sides.into_iter().enumerate() {
                let column = (side * columns).cast_signed() - ((first + from) * LANES).cast_signed();
                let out = Out { at: both.as_mut_ptr(), n: 2 * columns, column };
                panels(&Product { simd, compute, x, stride, m, weights, out }, first + from, first + to);
            }
            // SAFETY: there is room for so many, and the panels of each side have written half of every row.
            unsafe { both.set_len(m * 2 * columns) };
            for (row, both) in both.chunks_exact(2 * columns).enumerate() {
                let (gates, values) = both.split_at(columns);
                // SAFETY: these columns of a row are there, and they are this task's.
                let place = unsafe { slice::from_raw_parts_mut(out.start(row, from).cast(), columns) };
                place.fill(MaybeUninit::new(0.0));
                // SAFETY: they have just been filled.
                gate_times(simd, gate, gates, values, unsafe { place.assume_init_mut() });
            }
        };
        if most >= self.count {
            task(&mut Vec::new(), 0);
        } else {
            let starts: Vec<usize> = (0..self.count).step_by(most).collect();
            starts.into_par_iter().with_max_len(1).for_each_init(Vec::new, task);
        }
        // SAFETY: there is room for so many, and every task has written its columns of every row.
        unsafe { gated.set_len(m * n) };
        gated
    }
}
