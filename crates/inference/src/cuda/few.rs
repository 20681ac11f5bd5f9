//! Products of a few tokens, with the norm before them and the gate behind.

use candle_core::{D, Result, Tensor};

use super::gate::code;
use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use super::norm::NormWeights;
use crate::checkpoint::config::Activation;

/// The most tokens, and what rows consist of whole pieces of; as the kernel has them.
const TOKENS: usize = 4;
const TOGETHER: usize = 8;

/// `norm(hidden + factor * delta) W^T`, of which the first half are gates of the second where there is an activation.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NormedProduct<'a> {
    pub(crate) hidden: &'a Tensor,
    pub(crate) delta: Option<(&'a Tensor, f32)>,
    pub(crate) norm: NormWeights<'a>,
    /// `(outputs, inputs)`.
    pub(crate) weight: &'a Tensor,
    pub(crate) gate: Option<Activation>,
}

impl NormedProduct<'_> {
    /// Whether the kernel takes it: few tokens, a norm by root mean square, one type.
    pub(crate) fn is_taken(&self) -> bool {
        let width = self.hidden.dim(D::Minus1).unwrap_or_default();
        let tokens = self.hidden.elem_count() / width.max(1);
        suffix(self.hidden.dtype()).is_some()
            && (1..=TOKENS).contains(&tokens)
            && width.is_multiple_of(TOGETHER)
            && !self.norm.is_centred
            && self.weight.dtype() == self.hidden.dtype()
            && self.weight.device().same_device(self.hidden.device())
    }

    /// What was added up, `(T, H)`, and the product.
    pub(crate) fn compute(&self) -> Result<(Tensor, Tensor)> {
        let ((tokens, inputs), (outputs, _)) = (self.hidden.dims2()?, self.weight.dims2()?);
        let (device, dtype) = (self.hidden.device(), self.hidden.dtype());
        let Some(suffix) = suffix(dtype) else { candle_core::bail!("no product of {dtype:?}") };
        let pairs = outputs.div_ceil(2);
        let sum = self.delta.map(|_| to_fill((tokens, inputs), dtype, device)).transpose()?;
        let out = to_fill((tokens, if self.gate.is_some() { pairs } else { outputs }), dtype, device)?;
        let arguments = [
            address(self.hidden)?,
            address_or_null(self.delta.map(|(delta, _)| delta))?,
            address(self.norm.weight)?,
            address(self.weight)?,
            address_or_null(sum.as_ref())?,
            address(&out)?,
            tokens.into(),
            inputs.into(),
            outputs.into(),
            self.delta.map_or(0.0, |(_, factor)| factor).into(),
            self.norm.epsilon.into(),
            Argument::from(self.gate.is_some()),
            Argument::Count(self.gate.map_or(0, code)),
        ];
        let shape = LaunchShape { blocks: (pairs.div_ceil(4), 1, 1), threads: 128, shared: 0 };
        launch(device, (KernelFile::Few, dtype), &format!("normed_product_{suffix}"), shape, &arguments)?;
        Ok((sum.unwrap_or_else(|| self.hidden.clone()), out))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{DType, Device};
    use gac_needs::needs;

    use super::*;
    use crate::cuda::gate::gate_times;
    use crate::cuda::norm::{Delta, add_norm};
    use crate::device::DeviceSpec;

    fn max_abs(tensor: &Tensor) -> Result<f32> {
        tensor.to_dtype(DType::F32)?.abs()?.flatten_all()?.max(0)?.to_scalar()
    }

    #[needs(gpu)]
    #[test]
    fn kernels_for_few_tokens_do_what_three_launches_do() -> Result<()> {
        let device: Device = DeviceSpec::Cuda(0).open().map_err(candle_core::Error::wrap)?;
        let inputs = 264;
        for (dtype, most) in [(DType::F32, 1e-5), (DType::BF16, 2e-2)] {
            let random = |rows: usize, width: usize| Tensor::randn(0f32, 1.0, (rows, width), &device)?.to_dtype(dtype);
            let weight = random(1, inputs)?.flatten_all()?;
            let norm = NormWeights { weight: &weight, bias: None, epsilon: 1e-5, is_centred: false };
            for (tokens, outputs, gate) in
                [(1, 37, None), (4, 64, Some(Activation::Silu)), (3, 6, Some(Activation::Gelu))]
            {
                let (hidden, values, matrix) =
                    (random(tokens, inputs)?, random(tokens, inputs)?, random(outputs, inputs)?);
                for delta in [None, Some((&values, 0.5))] {
                    let product = NormedProduct { hidden: &hidden, delta, norm, weight: &matrix, gate };
                    assert!(product.is_taken());
                    let (sum, found) = product.compute()?;
                    let delta = delta.map(|(values, factor)| Delta { values, norm: None, factor });
                    let (plain_sum, normed) = add_norm(&hidden, delta, Some(norm))?;
                    let plain = normed.matmul(&matrix.t()?)?;
                    let plain = match gate {
                        Some(activation) => gate_times(&plain, activation)?,
                        None => plain,
                    };
                    assert!(max_abs(&(sum - plain_sum)?)? == 0.0, "{tokens} tokens");
                    let error = max_abs(&(found - &plain)?)? / max_abs(&plain)?;
                    assert!(error < most, "{tokens} tokens, {outputs} outputs, {gate:?} in {dtype:?}: {error}");
                }
            }
        }
        Ok(())
    }
}
