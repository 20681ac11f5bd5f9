//! Products of a few tokens, with the norm before them and the gate behind.

use candle_core::{D, Result, Tensor};

use super::gate::code;
use super::launch::{Argument, KernelFile, LaunchShape, address, address_or_null, launch, suffix, to_fill};
use super::norm::NormWeights;
use crate::checkpoint::config::Activation;

/// The most tokens, and what rows consist of whole pieces of; as the kernel has them.
const TOKENS: usize = 8;
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
