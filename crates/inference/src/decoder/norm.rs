//! Norms: of the residual stream, and of queries and keys.

use candle_core::{DType, Result, Tensor};
use candle_nn::ops::{layer_norm, rms_norm};

use super::fused::{LayerNormOp, RmsNormOp};
use crate::checkpoint::config::{NormConfig, NormKind};
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::weights::CheckpointTensors;
use crate::compute_type::ComputeType;
use crate::cpu::fused;
#[cfg(feature = "cuda")]
use crate::{cpu::has_own_kernels, cuda::norm::NormWeights};

/// A norm over the last dimension.
pub(crate) struct Norm {
    epsilon: f32,
    weight: Tensor,
    /// Zero where there is none.
    bias: Option<Tensor>,
}

impl Norm {
    /// Reads `{name}.weight` `(width,)` and, where the kind has one, `{name}.bias`.
    pub(crate) fn load(
        weights: &CheckpointTensors,
        name: &str,
        width: usize,
        config: NormConfig,
    ) -> std::result::Result<Self, CheckpointError> {
        let weight = weights.get(&format!("{name}.weight"), width)?;
        let bias = match config.kind {
            NormKind::Layer => Some(weights.get(&format!("{name}.bias"), width)?),
            NormKind::LayerWithoutBias => Some(weight.zeros_like().map_err(|source| weights.unreadable(&source))?),
            NormKind::Rms | NormKind::RmsFromOne => None,
        };
        let weight = match config.kind {
            NormKind::RmsFromOne => (weight + 1.0).map_err(|source| weights.unreadable(&source))?,
            _ => weight,
        };
        Ok(Self { epsilon: config.epsilon as f32, weight, bias })
    }

    /// `(.., width)` to the same shape. The input is contiguous.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        self.forward_for(input, ComputeType::F32)
    }

    /// The same for a layer that multiplies in `compute`: on the CPU rounded to it.
    pub(crate) fn forward_for(&self, input: &Tensor, compute: ComputeType) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if has_own_kernels(input.device(), input.dtype()) {
            return Ok(crate::cuda::norm::add_norm(input, None, Some(self.weights()))?.1);
        }
        match &self.bias {
            None if fused(input.device()) => {
                input.apply_op2_no_bwd(&self.weight, &RmsNormOp { epsilon: self.epsilon, compute })
            }
            None => rms_norm(input, &self.weight, self.epsilon),
            Some(bias) if fused(input.device()) => {
                input.apply_op3_no_bwd(&self.weight, bias, &LayerNormOp { epsilon: self.epsilon, compute })
            }
            Some(bias) => layer_norm(input, &self.weight, bias, self.epsilon),
        }
    }
}

#[cfg(feature = "cuda")]
impl Norm {
    /// Whether there is a bias; one of zeros counts.
    pub(crate) fn has_bias(&self) -> bool {
        self.bias.is_some()
    }

    /// As the kernels take them.
    pub(crate) fn weights(&self) -> NormWeights<'_> {
        let (weight, bias) = (&self.weight, self.bias.as_ref());
        NormWeights { weight, bias, epsilon: self.epsilon, is_centred: bias.is_some() }
    }
}

/// A layer norm per head with a weight for each, `(heads, head_dim)`, and no bias.
pub(crate) struct HeadNorms {
    weight: Tensor,
    epsilon: f64,
}

impl HeadNorms {
    /// Reads `{name}.weight` `(heads, head_dim)`, or `{name}.norms.{head}.weight` of every head.
    pub(crate) fn load(
        weights: &CheckpointTensors,
        name: &str,
        (heads, head_dim): (usize, usize),
        epsilon: f64,
    ) -> std::result::Result<Self, CheckpointError> {
        let whole = format!("{name}.weight");
        let weight = if weights.has(&whole) {
            weights.get(&whole, (heads, head_dim))?
        } else {
            let each = (0..heads)
                .map(|head| weights.get(&format!("{name}.norms.{head}.weight"), head_dim))
                .collect::<std::result::Result<Vec<_>, _>>()?;
            Tensor::stack(&each, 0).map_err(|source| weights.unreadable(&source))?
        };
        Ok(Self { weight, epsilon })
    }

    /// `(heads, head_dim)`.
    #[cfg(feature = "cuda")]
    pub(crate) fn weight(&self) -> &Tensor {
        &self.weight
    }

    #[cfg(feature = "cuda")]
    pub(crate) fn epsilon(&self) -> f64 {
        self.epsilon
    }

    /// `(T, heads, head_dim)` to the same shape.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let wide = input.to_dtype(DType::F32)?;
        let last = candle_core::D::Minus1;
        let centred = wide.broadcast_sub(&wide.mean_keepdim(last)?)?;
        let variance = centred.sqr()?.mean_keepdim(last)?;
        let normed = centred.broadcast_div(&(variance + self.epsilon)?.sqrt()?)?;
        normed.to_dtype(input.dtype())?.broadcast_mul(&self.weight)
    }
}
