//! The parts of a layer.

use candle_core::{Result, Tensor};
use candle_nn::ops::{rms_norm, silu};

use crate::checkpoint::config::Activation;
use crate::checkpoint::files::CheckpointError;
use crate::checkpoint::weights::Weights;

/// `x W^T + b`.
pub(crate) struct Linear {
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// Reads `{name}.weight` `(output, input)` and, where there is one, `{name}.bias`.
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        (input, output): (usize, usize),
        bias: bool,
    ) -> std::result::Result<Self, CheckpointError> {
        let weight = weights.get(&format!("{name}.weight"), (output, input))?;
        let bias = bias.then(|| weights.get(&format!("{name}.bias"), output)).transpose()?;
        Ok(Self { weight, bias })
    }

    /// A layer without bias over a weight that is shared with another, `(output, input)`.
    pub(crate) fn tied(weight: Tensor) -> Self {
        Self { weight, bias: None }
    }

    /// `(T, input)` to `(T, output)`.
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let product = input.matmul(&self.weight.t()?)?;
        match &self.bias {
            Some(bias) => product.broadcast_add(bias),
            None => Ok(product),
        }
    }
}

/// Root-mean-square norm.
pub(crate) struct RmsNorm {
    weight: Tensor,
    epsilon: f32,
}

impl RmsNorm {
    pub(crate) fn load(
        weights: &Weights,
        name: &str,
        width: usize,
        epsilon: f64,
    ) -> std::result::Result<Self, CheckpointError> {
        Ok(Self { weight: weights.get(&format!("{name}.weight"), width)?, epsilon: epsilon as f32 })
    }

    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        rms_norm(input, &self.weight, self.epsilon)
    }
}

/// A gated MLP: `down(activation(gate(x)) * up(x))`.
pub(crate) struct GatedMlp {
    pub(crate) gate: Linear,
    pub(crate) up: Linear,
    pub(crate) down: Linear,
    pub(crate) activation: Activation,
}

impl GatedMlp {
    pub(crate) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let gate = self.gate.forward(input)?;
        let gate = match self.activation {
            Activation::Silu => silu(&gate)?,
            Activation::Gelu => gate.gelu_erf()?,
            Activation::GeluTanh => gate.gelu()?,
        };
        self.down.forward(&(gate * self.up.forward(input)?)?)
    }
}
