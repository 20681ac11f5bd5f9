//! Gated activations.

use candle_core::{Result, Tensor};

use super::launch::{Argument, KernelFile, LaunchShape, address, launch, suffix, to_fill};
use crate::checkpoint::config::Activation;

/// `activation(gate) * up` of `(T, 2I)` rows that hold the gate and then what it scales.
pub(crate) fn gate_times(both: &Tensor, activation: Activation) -> Result<Tensor> {
    let (rows, all) = both.dims2()?;
    let width = all / 2;
    let Some(suffix) = suffix(both.dtype()) else { candle_core::bail!("no gate of {:?}", both.dtype()) };
    let out = to_fill((rows, width), both.dtype(), both.device())?;
    let arguments = [address(both)?, address(&out)?, rows.into(), width.into(), Argument::Count(code(activation))];
    let shape = LaunchShape { blocks: (width.div_ceil(256), rows.clamp(1, 1 << 15), 1), threads: 256, shared: 0 };
    launch(both.device(), (KernelFile::Gate, both.dtype()), &format!("gate_times_{suffix}"), shape, &arguments)?;
    Ok(out)
}

/// An activation's number among the kernels'.
pub(super) fn code(activation: Activation) -> u32 {
    match activation {
        Activation::Silu => 0,
        Activation::GeluTanh => 1,
        Activation::Gelu => 2,
    }
}
