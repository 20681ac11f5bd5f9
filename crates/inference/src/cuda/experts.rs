//! Mixtures of experts whose tokens find their way on the device.

use candle_core::{DType, Device, Result, Tensor};

use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use super::product::ExpertProduct;
use crate::checkpoint::config::Activation;

/// Where a device finds the matrices of experts.
pub(crate) struct DeviceExperts {
    gate_up: Matrices,
    down: Matrices,
}

struct Matrices {
    /// Addresses, `(experts,)` of type i64. The matrices are held by the layer that this is of.
    addresses: Tensor,
    /// `(outputs, inputs)` of each.
    shape: (usize, usize),
    dtype: DType,
}

/// The experts of each token, and their shares.
pub(crate) struct RoutedTokens {
    /// `(T * active,)` of type u32, and f32.
    experts: Tensor,
    shares: Tensor,
    active: usize,
}

impl DeviceExperts {
    /// None where a matrix is not as the kernels take them.
    pub(crate) fn new(gate_ups: &[Option<&Tensor>], downs: &[Option<&Tensor>]) -> Result<Option<Self>> {
        let (gate_up, down) = (Matrices::new(gate_ups)?, Matrices::new(downs)?);
        Ok(gate_up.zip(down).map(|(gate_up, down)| Self { gate_up, down }))
    }

    /// What the experts of each token of `input` `(T, H)` say, `(T * active, H)`.
    pub(crate) fn answers(&self, input: &Tensor, routed: &RoutedTokens, activation: Activation) -> Result<Tensor> {
        let gated = self.gate_up.product(routed, routed.active).apply(input, Some(activation))?;
        self.down.product(routed, 1).apply(&gated, None)
    }
}

impl Matrices {
    fn new(matrices: &[Option<&Tensor>]) -> Result<Option<Self>> {
        let Some(Some(first)) = matrices.first() else { return Ok(None) };
        let (shape, dtype, device) = (first.dims2()?, first.dtype(), first.device());
        let mut addresses = Vec::with_capacity(matrices.len());
        for matrix in matrices {
            let Some(matrix) = matrix.filter(|matrix| matrix.dims2().is_ok_and(|other| other == shape)) else {
                return Ok(None);
            };
            if matrix.dtype() != dtype || !ExpertProduct::takes(matrix) {
                return Ok(None);
            }
            let Argument::Address(address) = address(matrix)? else { return Ok(None) };
            addresses.push(address.cast_signed());
        }
        Ok(Some(Self { addresses: Tensor::new(addresses, device)?, shape, dtype }))
    }

    fn product<'a>(&'a self, routed: &'a RoutedTokens, share: usize) -> ExpertProduct<'a> {
        let Self { addresses, shape, dtype } = self;
        ExpertProduct { addresses, experts: &routed.experts, shape: *shape, dtype: *dtype, share }
    }
}

impl RoutedTokens {
    /// The `active` experts of each token by the router's logits `(T, experts)`; of equals the first.
    pub(crate) fn new(logits: &Tensor, active: usize, renormalise: bool) -> Result<Self> {
        let ((tokens, experts), device) = (logits.dims2()?, logits.device());
        let Some(suffix) = suffix(logits.dtype()) else { candle_core::bail!("no routes by {:?}", logits.dtype()) };
        let picked = to_fill(tokens * active, DType::U32, device)?;
        let shares = to_fill(tokens * active, DType::F32, device)?;
        let arguments = [
            address(logits)?,
            address(&picked)?,
            address(&shares)?,
            tokens.into(),
            experts.into(),
            active.into(),
            renormalise.into(),
        ];
        let shape = LaunchShape { blocks: (tokens.div_ceil(4), 1, 1), threads: 128, shared: 0 };
        launch(device, (KernelFile::Experts, logits.dtype()), &format!("route_{suffix}"), shape, &arguments)?;
        Ok(Self { experts: picked, shares, active })
    }

    /// Answers `(T * active, H)` by their shares; and those of an expert for all tokens `(T, H)` by the sigmoid of its gate
    /// `(T, 1)`: `(T, H)`.
    pub(crate) fn combined(&self, answers: &Tensor, common: Option<(&Tensor, &Tensor)>) -> Result<Tensor> {
        let ((pairs, width), device) = (answers.dims2()?, answers.device());
        let Some(suffix) = suffix(answers.dtype()) else { candle_core::bail!("no sums of {:?}", answers.dtype()) };
        let tokens = pairs / self.active;
        let out = to_fill((tokens, width), answers.dtype(), device)?;
        let arguments = [
            address(answers)?,
            address(&self.shares)?,
            address_or_null(common.map(|(values, _)| values))?,
            address_or_null(common.map(|(_, gates)| gates))?,
            address(&out)?,
            self.active.into(),
            width.into(),
        ];
        let shape = LaunchShape { blocks: (tokens, 1, 1), threads: 256, shared: 0 };
        launch(device, (KernelFile::Experts, answers.dtype()), &format!("combine_{suffix}"), shape, &arguments)?;
        Ok(out)
    }
}

/// Whether so many tokens find their way on `device`: for more, it is quicker to read each expert's weights once.
pub(crate) fn is_worth_routing(tokens: usize, device: &Device) -> bool {
    (1..=32).contains(&tokens) && device.is_cuda()
}
