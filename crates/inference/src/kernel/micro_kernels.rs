//! The micro-kernels of products: their innermost loops, over whatever [`Vector`] there is.

#![expect(clippy::inline_always, reason = "what is inlined into a function with target features is compiled for them")]

use std::ops::Range;

use super::layout::DEPTH;
use super::panels::Panels;
#[cfg(target_arch = "x86_64")]
use super::readers::PanelSource;
use super::readers::{Buffered, PanelReader, Plain};
use super::simd::{LANES, Simd};
use super::vector::Vector;

/// Panels that are worked on together.
pub(super) const PAIR: usize = 2;
/// Most steps that are added up one after the other. So many of two panels fill two thirds of a first-level cache, and
/// shorter sums lose less to rounding.
pub(super) const PART: usize = 256;

/// The parts of a sum of so many steps, about equally long, of whole blocks.
pub(super) fn parts(steps: usize) -> impl Iterator<Item = Range<usize>> {
    let length = steps.div_ceil(steps.div_ceil(PART)).next_multiple_of(DEPTH);
    (0..steps).step_by(length).map(move |start| start..steps.min(start + length))
}

/// Rows of `x` that kernels for AVX-512 work on together: those steps of them stay in the second-level cache.
#[cfg(target_arch = "x86_64")]
pub(super) const ROWS: usize = 512;

/// One product and its shape. `X` is what a row of `x` consists of.
pub(super) struct Product<'a, X = f32> {
    pub(super) simd: Simd,
    /// `(M, stride)`.
    pub(super) x: &'a [X],
    pub(super) stride: usize,
    pub(super) m: usize,
    pub(super) weights: &'a Panels,
    pub(super) out: Out,
}

/// The output, which tasks write to at different columns.
pub(super) struct Out {
    pub(super) at: *mut f32,
    /// Columns of a row.
    pub(super) n: usize,
    /// The first one of the product's; before the buffer's begin where that has but some of the product's.
    pub(super) column: isize,
}

// SAFETY: a pointer into a buffer that outlives the tasks, which own different columns of it.
unsafe impl Sync for Out {}

impl Out {
    /// Where row `row` has the columns of panel `panel`.
    ///
    /// # Safety
    /// There is such a row and such a panel.
    #[inline(always)]
    pub(super) unsafe fn start(&self, row: usize, panel: usize) -> *mut f32 {
        // SAFETY: within the buffer, by the caller's promise.
        unsafe { self.at.offset((row * self.n + panel * LANES).cast_signed() + self.column) }
    }
}

/// Sums over whole panels, `P` of them, of `R` rows of `x`, which are `stride` long: weights are multiplied as they are
/// decoded.
///
/// # Safety
/// As of [`Vector`], and all of that can be read.
#[cfg(target_arch = "x86_64")]
#[inline(always)]
pub(super) unsafe fn few<V: Vector, W: PanelReader<V>, const R: usize, const P: usize>(
    mut weights: [W; P],
    x: *const f32,
    stride: usize,
) -> [[V::Floats; P]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut totals = [[V::splat(0.0); P]; R];
        for steps in parts(stride) {
            let mut sums = [[V::splat(0.0); P]; R];
            for block in steps.step_by(DEPTH) {
                add_block::<V, W, R, P, 0>(&mut sums, &mut weights, x.add(block), stride);
                // Not in a loop, which would keep sums in memory.
                if P == PAIR {
                    add_block::<V, W, R, P, 1>(&mut sums, &mut weights, x.add(block), stride);
                }
            }
            for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total = V::add(*total, *sum);
            }
        }
        totals
    }
}

/// Adds the products of the next block of one of the panels.
///
/// # Safety
/// As of [`few`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn add_block<V: Vector, W: PanelReader<V>, const R: usize, const P: usize, const PANEL: usize>(
    sums: &mut [[V::Floats; P]; R],
    weights: &mut [W; P],
    x: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        let block = weights[PANEL].next_block();
        for step in 0..DEPTH {
            let weight = W::step(block, step);
            for (row, sums) in sums.iter_mut().enumerate() {
                let value = V::splat(*x.add(row * stride + step));
                sums[PANEL] = V::mul_add(value, weight, sums[PANEL]);
            }
        }
    }
}

/// As [`few`], of one panel, by way of a buffer of one block: there are no registers for its weights and the sums of several
/// rows.
///
/// # Safety
/// As of [`few`].
#[cfg(target_arch = "x86_64")]
#[inline(always)]
unsafe fn few_buffered<V: Vector, W: PanelReader<V>, const R: usize>(
    mut weights: [W; 1],
    x: *const f32,
    stride: usize,
) -> [[V::Floats; 1]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut buffer = [[[[0f32; LANES]; 2]; 1]; DEPTH / 2];
        let mut totals = [[V::splat(0.0); 1]; R];
        for steps in parts(stride) {
            let mut sums = [[V::splat(0.0); 1]; R];
            for block in steps.step_by(DEPTH) {
                decode::<V, W, 1>(&mut weights, &mut buffer);
                let decoded = again(buffer.as_ptr().cast());
                add_steps::<V, Buffered, R, 1>(&mut sums, decoded, DEPTH, x.add(block), stride);
            }
            for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total = V::add(*total, *sum);
            }
        }
        totals
    }
}

/// Weights of two steps of `P` panels, a panel's two together.
pub(super) type StepPairs<const P: usize> = [[[f32; LANES]; 2]; P];

/// Decodes the next blocks of `P` panels into `buffer`.
///
/// # Safety
/// As of [`Vector`], and the panels have so many more.
#[inline(always)]
pub(super) unsafe fn decode<V: Vector, W: PanelReader<V>, const P: usize>(
    readers: &mut [W; P],
    buffer: &mut [StepPairs<P>],
) {
    for block in buffer.chunks_exact_mut(DEPTH / 2) {
        for (side, reader) in readers.iter_mut().enumerate() {
            // SAFETY: the caller's promise.
            unsafe {
                for (&[first, second], out) in reader.next().as_chunks().0.iter().zip(block.iter_mut()) {
                    let [to_first, to_second] = &mut out[side];
                    V::store(to_first.as_mut_ptr(), first);
                    V::store(to_second.as_mut_ptr(), second);
                }
            }
        }
    }
}

/// Sums over the `steps`, an even number, whose weights lie at `weights`, two steps of `P` panels and then the next two;
/// of `R` rows of `x`, which are `stride` long.
///
/// # Safety
/// As of [`Vector`], and all of that can be read.
#[inline(always)]
pub(super) unsafe fn tile<V: Vector, S: Plain, const R: usize, const P: usize>(
    weights: *const u8,
    steps: usize,
    x: *const f32,
    stride: usize,
) -> [[V::Floats; P]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut sums = [[V::splat(0.0); P]; R];
        add_steps::<V, S, R, P>(&mut sums, weights, steps, x, stride);
        sums
    }
}

/// As [`tile`], added to `sums`.
///
/// # Safety
/// As of [`tile`].
#[inline(always)]
unsafe fn add_steps<V: Vector, S: Plain, const R: usize, const P: usize>(
    sums: &mut [[V::Floats; P]; R],
    mut weights: *const u8,
    steps: usize,
    x: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for pair in (0..steps).step_by(2) {
            let mut of_step = [V::splat(0.0); P];
            for (side, of_step) in of_step.iter_mut().enumerate() {
                S::fetch(weights.add(side * S::PAIR));
                *of_step = S::first::<V>(weights.add(side * S::PAIR));
            }
            add_step::<V, R, P>(sums, of_step, x.add(pair), stride);
            for (side, of_step) in of_step.iter_mut().enumerate() {
                *of_step = S::second::<V>(again(weights.add(side * S::PAIR)));
            }
            add_step::<V, R, P>(sums, of_step, x.add(pair + 1), stride);
            weights = weights.add(P * S::PAIR);
        }
    }
}

/// The same address, of which the compiler does not know that it is: what was read there is read once more, and not kept in
/// registers that sums need. (AVX2 has sixteen.)
#[inline(always)]
fn again(at: *const u8) -> *const u8 {
    #[cfg(target_arch = "x86_64")]
    let at = {
        let mut at = at;
        #[expect(clippy::pointers_in_nomem_asm_block, reason = "an address, at which nothing is read")]
        // SAFETY: a comment, and no instruction.
        unsafe {
            std::arch::asm!("/* {0} */", inout(reg) at, options(pure, nomem, nostack, preserves_flags));
        }
        at
    };
    at
}

/// Adds the products of one step: of `P` panels' weights with `R` rows' values, the first at `x`.
///
/// # Safety
/// As of [`tile`].
#[inline(always)]
unsafe fn add_step<V: Vector, const R: usize, const P: usize>(
    sums: &mut [[V::Floats; P]; R],
    weights: [V::Floats; P],
    x: *const f32,
    stride: usize,
) {
    // SAFETY: the caller's promise.
    unsafe {
        for (row, sums) in sums.iter_mut().enumerate() {
            let value = V::splat(*x.add(row * stride));
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = V::mul_add(value, weights, *sum);
            }
        }
    }
}

/// Runs a body for rows from `$row` on up to `$end`, so many of them at a time as the list says, the most first, while
/// there are so many; their number is the constant `$count` there.
macro_rules! in_rows {
    ($row:ident to $end:expr, $count:ident of [$($of:literal),*] => $body:expr) => {
        $(while $end - $row >= $of {
            const $count: usize = $of;
            $body;
            $row += $of;
        })*
    };
}
pub(super) use in_rows;

impl<X> Product<'_, X> {
    /// Where row `row` of the output has the columns of panel `panel`, and how many they are.
    ///
    /// # Safety
    /// There is such a row and such a panel.
    #[inline(always)]
    pub(super) unsafe fn out(&self, row: usize, panel: usize) -> (*mut f32, usize) {
        // SAFETY: the caller's promise.
        let at = unsafe { self.out.start(row, panel) };
        (at, LANES.min(self.weights.outputs() - panel * LANES))
    }

    /// Writes the columns of `P` panels from `panel` on, `R` rows from `row` on.
    ///
    /// # Safety
    /// As of [`Vector`]; there are such rows and such panels, and they are the calling task's.
    #[inline(always)]
    pub(super) unsafe fn write<V: Vector, const R: usize, const P: usize>(
        &self,
        (row, panel): (usize, usize),
        sums: [[V::Floats; P]; R],
    ) {
        for (at, sums) in sums.into_iter().enumerate() {
            for (side, sum) in sums.into_iter().enumerate() {
                // SAFETY: the caller's promise.
                unsafe {
                    let (out, count) = self.out(row + at, panel + side);
                    // As nearly all are: a store without a mask takes less.
                    if count == LANES { V::store(out, sum) } else { V::store_some(out, count, sum) }
                }
            }
        }
    }

    /// Adds sums over the steps from `step` on.
    ///
    /// # Safety
    /// As of [`write`](Self::write), and steps before have written their sums.
    #[inline(always)]
    pub(super) unsafe fn add<V: Vector, const R: usize, const P: usize>(
        &self,
        (row, panel): (usize, usize),
        step: usize,
        mut sums: [[V::Floats; P]; R],
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            if step > 0 {
                for (at, sums) in sums.iter_mut().enumerate() {
                    for (side, sum) in sums.iter_mut().enumerate() {
                        let (out, count) = self.out(row + at, panel + side);
                        let before = if count == LANES { V::load(out) } else { V::load_some(out, count) };
                        *sum = V::add(before, *sum);
                    }
                }
            }
            self.write::<V, R, P>((row, panel), sums);
        }
    }
}

impl Product<'_> {
    /// Writes the columns of rows that are multiplied as weights are decoded.
    ///
    /// # Safety
    /// As of [`write`](Self::write).
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) unsafe fn few<V: Vector, W: PanelSource, const R: usize, const P: usize>(
        &self,
        (row, panel): (usize, usize),
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let sums = few::<V, _, R, P>(self.readers::<V, W, P>(panel), self.rows::<R>(row), self.stride);
            self.write::<V, R, P>((row, panel), sums);
        }
    }

    /// Writes the columns of rows that are multiplied by one block of weights after the other.
    ///
    /// # Safety
    /// As of [`write`](Self::write).
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(super) unsafe fn few_buffered<V: Vector, W: PanelSource, const R: usize>(&self, (row, panel): (usize, usize)) {
        // SAFETY: the caller's promise.
        unsafe {
            let sums = few_buffered::<V, _, R>(self.readers::<V, W, 1>(panel), self.rows::<R>(row), self.stride);
            self.write::<V, R, 1>((row, panel), sums);
        }
    }

    /// Of `P` panels from `panel` on.
    ///
    /// # Safety
    /// As of [`Vector`].
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    unsafe fn readers<V: Vector, W: PanelSource, const P: usize>(&self, panel: usize) -> [W::Reader<'_, V>; P] {
        let mut at = panel;
        [(); P].map(|()| {
            at += 1;
            // SAFETY: the caller's promise.
            unsafe { W::reader::<V>(self.weights, at - 1) }
        })
    }

    /// `R` rows of `x` from `row` on.
    #[inline(always)]
    fn rows<const R: usize>(&self, row: usize) -> *const f32 {
        self.x[row * self.stride..(row + R) * self.stride].as_ptr()
    }

    /// Adds the steps of `part`, whose weights are in `buffer`.
    ///
    /// # Safety
    /// As of [`add`](Self::add); there are so many.
    #[inline(always)]
    pub(super) unsafe fn tile<V: Vector, const R: usize, const P: usize>(
        &self,
        at: (usize, usize),
        part: Range<usize>,
        buffer: &[StepPairs<P>],
    ) {
        // SAFETY: the caller's promise.
        unsafe { self.add_tile::<V, Buffered, R, P>(at, part, buffer.as_ptr().cast()) }
    }

    /// Adds the steps of `part` of a panel, whose weights are read where they lie.
    ///
    /// # Safety
    /// As of [`add`](Self::add); the panel's weights are of this type.
    #[inline(always)]
    pub(super) unsafe fn tile_in_place<V: Vector, S: Plain, const R: usize>(
        &self,
        (row, panel): (usize, usize),
        part: Range<usize>,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let weights = self.weights.bytes(panel).as_ptr().add(part.start / 2 * S::PAIR);
            self.add_tile::<V, S, R, 1>((row, panel), part, weights);
        }
    }

    /// Adds the steps of `part` of `P` panels, whose weights lie at `weights`.
    ///
    /// # Safety
    /// As of [`add`](Self::add), and of what [`tile`] reads.
    #[inline(always)]
    unsafe fn add_tile<V: Vector, S: Plain, const R: usize, const P: usize>(
        &self,
        (row, panel): (usize, usize),
        part: Range<usize>,
        weights: *const u8,
    ) {
        // SAFETY: the caller's promise.
        unsafe {
            let x = self.rows::<R>(row).add(part.start);
            let sums = tile::<V, S, R, P>(weights, part.len(), x, self.stride);
            self.add::<V, R, P>((row, panel), part.start, sums);
        }
    }
}
