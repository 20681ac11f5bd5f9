//! Products of which one half gates the other: both are in caches when they meet, and never in memory.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::slice;

use rayon::prelude::*;

use super::micro_kernels::{Out, PAIR, Product};
use super::new_rows::filled;
use super::outputs::{MultipliedRows, Outputs, tasks};
use super::panels::Panels;
use super::product_value::ProductValue;
use super::rows::{GateActivation, gate_times};
use super::simd::LANES;

/// Most tasks of a thread: rows of fewer columns would not be worth their loops.
const TASKS: usize = 12;

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
}

/// `gate(x G^T) * (x U^T)`, `(M, N)`, as another product takes it.
pub(super) struct GatedOutputs<'a, T> {
    gate: GateActivation,
    weights: GatePanels<'a>,
    value: PhantomData<T>,
}

impl<'a, T> GatedOutputs<'a, T> {
    pub(super) fn new(gate: GateActivation, weights: GatePanels<'a>) -> Self {
        Self { gate, weights, value: PhantomData }
    }
}

impl<T: ProductValue> Outputs for GatedOutputs<'_, T> {
    type Value = T;

    fn inputs(&self) -> usize {
        self.weights.inputs()
    }

    fn count(&self) -> usize {
        self.weights.outputs()
    }

    fn of<X: Sync>(
        &self,
        rows: MultipliedRows<'_, X>,
        panels: impl Fn(&Product<'_, X>, usize, usize) + Sync,
    ) -> Vec<T> {
        let GatePanels { sides, count } = self.weights;
        let (simd, m, n) = (rows.simd, rows.m, self.count());
        let mut gated = Vec::with_capacity(m * n);
        let place = GatedColumns(gated.as_mut_ptr());
        // Whole pairs, so that where tasks meet depends on nothing but the shape.
        let most = count.div_ceil(tasks(m * 2 * n * self.inputs(), TASKS)).next_multiple_of(PAIR);
        let task = |(both, row): &mut (Vec<f32>, Vec<f32>), from: usize| {
            let to = count.min(from + most);
            let columns = (to - from) * LANES;
            both.clear();
            both.reserve(m * 2 * columns);
            for (side, (weights, first)) in sides.into_iter().enumerate() {
                let column = (side * columns).cast_signed() - ((first + from) * LANES).cast_signed();
                let out = Out { at: both.as_mut_ptr(), n: 2 * columns, column };
                panels(&rows.product(weights, out), first + from, first + to);
            }
            // SAFETY: there is room for so many, and the panels of each side have written half of every row.
            unsafe { both.set_len(m * 2 * columns) };
            for (at, both) in both.chunks_exact(2 * columns).enumerate() {
                let (gates, values) = both.split_at(columns);
                // SAFETY: these columns of a row are there, and they are this task's.
                let out = unsafe { place.some((at * n + from * LANES, columns)) };
                T::through(simd, row, filled(out, T::ZERO), |out| gate_times(simd, self.gate, gates, values, out));
            }
        };
        if most >= count {
            task(&mut (Vec::new(), Vec::new()), 0);
        } else {
            let starts: Vec<usize> = (0..count).step_by(most).collect();
            starts.into_par_iter().with_max_len(1).for_each_init(Default::default, task);
        }
        // SAFETY: there is room for so many, and every task has written its columns of every row.
        unsafe { gated.set_len(m * n) };
        gated
    }
}

/// Room that tasks write different columns of.
struct GatedColumns<T>(*mut T);

// SAFETY: a pointer into a buffer that outlives the tasks, which own different columns of it.
unsafe impl<T: Send> Sync for GatedColumns<T> {}

impl<T> GatedColumns<T> {
    /// So many elements from one on.
    ///
    /// # Safety
    /// They are there, and nobody else's.
    #[expect(clippy::mut_from_ref, reason = "the caller's promise")]
    unsafe fn some(&self, (from, count): (usize, usize)) -> &mut [MaybeUninit<T>] {
        // SAFETY: the caller's promise.
        unsafe { slice::from_raw_parts_mut(self.0.add(from).cast(), count) }
    }
}
