//! The steps between the products, fused on the CPU: candle's own make a pass over memory and a thread barrier each.
//!
//! Every operation has its plain version in tensor operations, for other devices and for the tests.

use std::sync::Arc;

use candle_core::{CpuStorage, CustomOp1, CustomOp2, InplaceOp2, Layout, Result, Shape, Tensor, bail};
use rayon::prelude::*;

use super::batch::Run;
use crate::kernel::{self, Simd};

/// Elements from which on rows are spread over threads.
const WORTH_THREADS: usize = 1 << 15;

/// Applies `each(row index, row of x, row of out)` to all rows, on several threads when there is much to do.
fn rows(x: &[f32], width: usize, out_width: usize, each: impl Fn(usize, &[f32], &mut [f32]) + Sync) -> Vec<f32> {
    let mut out = vec![0f32; x.len() / width * out_width];
    if x.len() < WORTH_THREADS {
        for (index, (x, out)) in x.chunks_exact(width).zip(out.chunks_exact_mut(out_width)).enumerate() {
            each(index, x, out);
        }
    } else {
        x.par_chunks_exact(width)
            .zip(out.par_chunks_exact_mut(out_width))
            .enumerate()
            .with_min_len(8)
            .for_each(|(index, (x, out))| each(index, x, out));
    }
    out
}

/// The values of a contiguous f32 tensor.
pub(super) fn contiguous<'a>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [f32]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<f32>()?[from..to]),
        None => bail!("a CPU operation needs contiguous tensors"),
    }
}

/// Root-mean-square norm of `(T, H)` by a weight `(H,)`.
pub(super) struct RmsNormOp {
    pub(super) epsilon: f32,
}

impl CustomOp2 for RmsNormOp {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, weight: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (contiguous(x, xl)?, contiguous(weight, wl)?);
        let simd = Simd::detect();
        let width = weight.len();
        let out = rows(x, width, width, |_, x, out| kernel::rms_norm(simd, x, weight, self.epsilon, out));
        Ok((CpuStorage::F32(out), xl.shape().clone()))
    }
}

/// `silu(gate) * up` of `(T, 2I)` rows that hold the gate and then what it scales.
pub(super) struct SiluTimesOp;

impl CustomOp1 for SiluTimesOp {
    fn name(&self) -> &'static str {
        "silu-times"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, both) = layout.shape().dims2()?;
        let (simd, width) = (Simd::detect(), both / 2);
        let out = rows(contiguous(x, layout)?, both, width, |_, x, out| {
            let (gate, up) = x.split_at(width);
            kernel::silu_times(simd, gate, up, out);
        });
        Ok((CpuStorage::F32(out), (tokens, width).into()))
    }
}

/// The sum of two tensors of one shape.
pub(super) struct AddOp;

impl CustomOp2 for AddOp {
    fn name(&self) -> &'static str {
        "add"
    }

    fn cpu_fwd(&self, a: &CpuStorage, al: &Layout, b: &CpuStorage, bl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (a, b) = (contiguous(a, al)?, contiguous(b, bl)?);
        let out = a.iter().zip(b).map(|(a, b)| a + b).collect();
        Ok((CpuStorage::F32(out), al.shape().clone()))
    }
}

/// Cosines and sines of a batch's positions, `(T, head_dim / 2)` each.
#[derive(Clone)]
pub(crate) struct Angles {
    pub(crate) cos: Arc<Vec<f32>>,
    pub(crate) sin: Arc<Vec<f32>>,
    /// `head_dim / 2`.
    pub(crate) half: usize,
}

impl Angles {
    fn of(&self, row: usize) -> (&[f32], &[f32]) {
        let range = row * self.half..(row + 1) * self.half;
        (&self.cos[range.clone()], &self.sin[range])
    }
}

/// Takes the queries out of projected rows `(T, (heads + 2 kv_heads) * head_dim)` and rotates them:
/// `(T, heads, head_dim)`.
pub(super) struct QueriesOp {
    pub(super) angles: Angles,
    pub(super) heads: usize,
}

impl CustomOp1 for QueriesOp {
    fn name(&self) -> &'static str {
        "queries"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, all) = layout.shape().dims2()?;
        let width = 2 * self.angles.half;
        let out = rows(contiguous(x, layout)?, all, self.heads * width, |row, x, out| {
            let (cos, sin) = self.angles.of(row);
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                kernel::rotate(x, cos, sin, out);
            }
        });
        Ok((CpuStorage::F32(out), (tokens, self.heads, width).into()))
    }
}

/// Writes keys or values out of projected rows to their slots of a layer's cache, `(slots, kv_heads, head_dim)`.
pub(super) struct StoreOp<'a> {
    /// Where in a row they begin.
    pub(super) offset: usize,
    /// Keys are rotated.
    pub(super) rotate: Option<&'a Angles>,
    pub(super) runs: &'a [Run],
}

impl InplaceOp2 for StoreOp<'_> {
    fn name(&self) -> &'static str {
        "store"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, cl: &Layout, rows: &CpuStorage, rl: &Layout) -> Result<()> {
        let (slots, kv_heads, width) = cl.shape().dims3()?;
        let (_, all) = rl.shape().dims2()?;
        let rows = contiguous(rows, rl)?;
        let (CpuStorage::F32(cache), Some((0, _))) = (cache, cl.contiguous_offsets()) else {
            bail!("the cache of a CPU holds f32");
        };
        let stored = kv_heads * width;
        debug_assert_eq!(cache.len(), slots * stored);
        for run in self.runs {
            for step in 0..run.length {
                let row = run.row + step;
                let x = &rows[row * all + self.offset..][..stored];
                let out = &mut cache[(run.slot + step) * stored..][..stored];
                match self.rotate {
                    None => out.copy_from_slice(x),
                    Some(angles) => {
                        let (cos, sin) = angles.of(row);
                        for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                            kernel::rotate(x, cos, sin, out);
                        }
                    }
                }
            }
        }
        Ok(())
    }
}

/// `a + b`.
pub(super) fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if a.device().is_cpu() { a.apply_op2_no_bwd(b, &AddOp) } else { a + b }
}
