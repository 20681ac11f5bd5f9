//! The steps between the products, fused on the CPU: candle's own make a pass over memory and a thread barrier each.
//!
//! Every operation has its plain version in tensor operations, for other devices and for the tests.

use candle_core::{
    CpuStorage, CustomOp1, CustomOp2, CustomOp3, InplaceOp2, Layout, Result, Shape, Tensor, WithDType, bail,
};

use super::batch::SlotRun;
use super::rope::Angles;
use crate::checkpoint::config::RopeStyle;
use crate::compute_type::ComputeType;
use crate::cpu::fused;
use crate::kernel::{self, GateActivation, LANES, ProductValue, Simd, new_rows};

/// Elements from which on rows are spread over threads.
const WORTH_THREADS: usize = 1 << 15;

/// Applies `each(row index, row of x, row of out)` to all rows, on several threads when there is much to do.
fn rows<T: ProductValue>(
    x: &[f32],
    width: usize,
    out_width: usize,
    each: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) -> Vec<T> {
    let (simd, count) = (Simd::detect(), x.len() / width);
    let rows_of_a_task = if x.len() < WORTH_THREADS { count } else { 8 };
    new_rows((count, out_width), T::ZERO, rows_of_a_task, |scratch, index, out| {
        T::through(simd, scratch, out, |out| each(index, &x[index * width..][..width], out));
    })
}

/// Rows as they are multiplied in a compute type.
fn rows_for(
    compute: ComputeType,
    x: &[f32],
    width: usize,
    each: impl Fn(usize, &[f32], &mut [f32]) + Sync,
) -> CpuStorage {
    match compute {
        ComputeType::F32 => CpuStorage::F32(rows(x, width, width, each)),
        ComputeType::Bf16 => CpuStorage::BF16(rows(x, width, width, each)),
    }
}

/// Rounds rows to bfloat16.
pub(super) struct RoundOp;

impl CustomOp1 for RoundOp {
    fn name(&self) -> &'static str {
        "round"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = *layout.shape().dims().last().unwrap_or(&1);
        let out = rows_for(ComputeType::Bf16, contiguous(x, layout)?, width, |_, x, out| out.copy_from_slice(x));
        Ok((out, layout.shape().clone()))
    }
}

/// The values of a contiguous tensor.
pub(super) fn contiguous<'a, T: WithDType>(storage: &'a CpuStorage, layout: &Layout) -> Result<&'a [T]> {
    match layout.contiguous_offsets() {
        Some((from, to)) => Ok(&storage.as_slice::<T>()?[from..to]),
        None => bail!("a CPU operation needs contiguous tensors"),
    }
}

/// Root-mean-square norm of rows by a weight.
pub(super) struct RmsNormOp {
    pub(super) epsilon: f32,
    /// What the rows are multiplied in.
    pub(super) compute: ComputeType,
}

impl CustomOp2 for RmsNormOp {
    fn name(&self) -> &'static str {
        "rms-norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, xl: &Layout, weight: &CpuStorage, wl: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, weight) = (contiguous(x, xl)?, contiguous(weight, wl)?);
        let simd = Simd::detect();
        let width = weight.len();
        let norm = |_, x: &[f32], out: &mut [f32]| kernel::rms_norm(simd, x, weight, self.epsilon, out);
        Ok((rows_for(self.compute, x, width, norm), xl.shape().clone()))
    }
}

/// Layer norm of rows by a weight and a bias.
pub(super) struct LayerNormOp {
    pub(super) epsilon: f32,
    /// What the rows are multiplied in.
    pub(super) compute: ComputeType,
}

impl CustomOp3 for LayerNormOp {
    fn name(&self) -> &'static str {
        "layer-norm"
    }

    fn cpu_fwd(
        &self,
        x: &CpuStorage,
        xl: &Layout,
        weight: &CpuStorage,
        wl: &Layout,
        bias: &CpuStorage,
        bl: &Layout,
    ) -> Result<(CpuStorage, Shape)> {
        let (x, weight, bias) = (contiguous(x, xl)?, contiguous(weight, wl)?, contiguous(bias, bl)?);
        let simd = Simd::detect();
        let width = weight.len();
        let norm = |_, x: &[f32], out: &mut [f32]| kernel::layer_norm(simd, x, weight, bias, self.epsilon, out);
        Ok((rows_for(self.compute, x, width, norm), xl.shape().clone()))
    }
}

/// `activation(gate) * up` of `(T, 2I)` rows that hold the gate and then what it scales.
pub(super) struct GateTimesOp(pub(super) GateActivation);

impl CustomOp1 for GateTimesOp {
    fn name(&self) -> &'static str {
        "gate-times"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, both) = layout.shape().dims2()?;
        let (simd, width) = (Simd::detect(), both / 2);
        let out = rows(contiguous(x, layout)?, both, width, |_, x, out| {
            let (gate, up) = x.split_at(width);
            kernel::gate_times(simd, self.0, gate, up, out);
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
        let (a, b) = (contiguous::<f32>(a, al)?, contiguous::<f32>(b, bl)?);
        let width = *al.shape().dims().last().unwrap_or(&1);
        let out = rows(a, width, width, |row, a, out| {
            for ((out, a), b) in out.iter_mut().zip(a).zip(&b[row * width..][..width]) {
                *out = a + b;
            }
        });
        Ok((CpuStorage::F32(out), al.shape().clone()))
    }
}

/// Takes the queries out of projected rows `(T, (heads + 2 kv_heads) * head_dim)` and rotates them:
/// `(T, heads, head_dim)`.
pub(super) struct QueriesOp<'a> {
    /// None where the layer has no positions.
    pub(super) angles: Option<&'a Angles>,
    pub(super) heads: usize,
    pub(super) head_dim: usize,
}

impl CustomOp1 for QueriesOp<'_> {
    fn name(&self) -> &'static str {
        "queries"
    }

    fn cpu_fwd(&self, x: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (tokens, all) = layout.shape().dims2()?;
        let width = self.heads * self.head_dim;
        let out = rows(contiguous(x, layout)?, all, width, |row, x, out| {
            place(self.angles, row, &x[..width], out, self.head_dim);
        });
        Ok((CpuStorage::F32(out), (tokens, self.heads, self.head_dim).into()))
    }
}

/// Writes keys out of projected rows, rotated, to their slots of a layer's cache `(slots / LANES, kv_heads, head_dim, LANES)`,
/// or one in bfloat16 `(slots / LANES, kv_heads, head_dim / 2, LANES, 2)`.
pub(super) struct StoreKeysOp<'a> {
    pub(super) head_dim: usize,
    /// Where in a row they begin.
    pub(super) offset: usize,
    /// None where the layer has no positions.
    pub(super) angles: Option<&'a Angles>,
    pub(super) runs: &'a [SlotRun],
}

impl InplaceOp2 for StoreKeysOp<'_> {
    fn name(&self) -> &'static str {
        "store-keys"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, cl: &Layout, rows: &CpuStorage, rl: &Layout) -> Result<()> {
        let Self { head_dim, offset, angles, runs } = *self;
        let stored = cl.shape().elem_count() / cl.shape().dims()[0] / LANES;
        let mut rotated = vec![0f32; stored];
        match cache {
            CpuStorage::F32(cache) => store(cache, cl, rows, rl, runs, |cache, row, slot, all| {
                place(angles, row, &all[offset..][..stored], &mut rotated, head_dim);
                kernel::store_key(cache, slot, &rotated);
            }),
            CpuStorage::BF16(cache) => store(cache, cl, rows, rl, runs, |cache, row, slot, all| {
                place(angles, row, &all[offset..][..stored], &mut rotated, head_dim);
                kernel::store_key_in_pairs(cache, slot, &rotated);
            }),
            _ => bail!("the cache of a CPU holds f32 or bf16"),
        }
    }
}

/// Writes values out of projected rows to their slots of a layer's cache, `(slots / LANES, kv_heads, head_dim / together,
/// LANES, together)`, or one in bfloat16 `(slots / LANES, kv_heads, head_dim / together, LANES / 2, together, 2)`.
pub(super) struct StoreValuesOp<'a> {
    /// Where in a row they begin.
    pub(super) offset: usize,
    pub(super) runs: &'a [SlotRun],
}

impl InplaceOp2 for StoreValuesOp<'_> {
    fn name(&self) -> &'static str {
        "store-values"
    }

    fn cpu_fwd(&self, cache: &mut CpuStorage, cl: &Layout, rows: &CpuStorage, rl: &Layout) -> Result<()> {
        let stored = cl.shape().elem_count() / cl.shape().dims()[0] / LANES;
        let together = cl.shape().dims()[4];
        match cache {
            CpuStorage::F32(cache) => store(cache, cl, rows, rl, self.runs, |cache, _, slot, all| {
                kernel::store_value(cache, slot, &all[self.offset..][..stored], together);
            }),
            CpuStorage::BF16(cache) => store(cache, cl, rows, rl, self.runs, |cache, _, slot, all| {
                kernel::store_value_in_pairs(cache, slot, &all[self.offset..][..stored], together);
            }),
            _ => bail!("the cache of a CPU holds f32 or bf16"),
        }
    }
}

/// Calls `write(cache, row's number, slot, row)` for every row of a batch.
fn store<T>(
    cache: &mut [T],
    cl: &Layout,
    rows: &CpuStorage,
    rl: &Layout,
    runs: &[SlotRun],
    mut write: impl FnMut(&mut [T], usize, usize, &[f32]),
) -> Result<()> {
    let (_, all) = rl.shape().dims2()?;
    let rows = contiguous(rows, rl)?;
    let Some((from, to)) = cl.contiguous_offsets() else { bail!("a cache is contiguous") };
    let cache = &mut cache[from..to];
    for run in runs {
        for step in 0..run.length {
            let row = run.row + step;
            write(cache, row, run.slot + step, &rows[row * all..][..all]);
        }
    }
    Ok(())
}

/// Copies heads of one row, rotated where there are angles.
fn place(angles: Option<&Angles>, row: usize, x: &[f32], out: &mut [f32], head_dim: usize) {
    match angles {
        None => out.copy_from_slice(x),
        Some(angles) => match angles.style {
            RopeStyle::Halves => kernel::rotate_halves(Simd::detect(), x, head_dim, angles.of(row), out),
            RopeStyle::Pairs => kernel::rotate_pairs(x, head_dim, angles.of(row), out),
        },
    }
}

/// `a + b`.
pub(super) fn add(a: &Tensor, b: &Tensor) -> Result<Tensor> {
    if fused(a.device()) { a.apply_op2_no_bwd(b, &AddOp) } else { a + b }
}

/// `x` by a factor.
pub(super) fn times(x: Tensor, factor: f64) -> Result<Tensor> {
    if is_one(factor) { Ok(x) } else { x * factor }
}

/// Whether a factor changes nothing.
pub(super) fn is_one(factor: f64) -> bool {
    (factor - 1.0).abs() < f64::EPSILON
}
