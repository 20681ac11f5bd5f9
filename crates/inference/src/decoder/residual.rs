//! The residual stream.

use candle_core::{Device, Result, Tensor};

use super::fused::add;
use super::layer_device::LayerDevice;
use super::layers::Linear;
use super::norm::Norm;
#[cfg(feature = "cuda")]
use crate::{
    checkpoint::config::Activation,
    cpu::has_own_kernels,
    cuda::few::NormedProduct,
    cuda::norm::{Delta, add_norm},
};

/// The residual stream, `(T, H)`. What was added last waits until the stream is normed: where there is a kernel for both,
/// they are one pass.
pub(crate) struct Residual<'n> {
    hidden: Tensor,
    waiting: Option<Addend<'n>>,
}

/// What waits: values, the norm that they go through, and a factor.
struct Addend<'n> {
    values: Tensor,
    norm: Option<&'n Norm>,
    factor: f64,
}

impl<'n> Residual<'n> {
    pub(crate) fn new(hidden: Tensor) -> Self {
        Self { hidden, waiting: None }
    }

    pub(crate) fn device(&self) -> &Device {
        self.hidden.device()
    }

    /// Adds `factor` times `values`, normed where there is a norm.
    pub(crate) fn add(&mut self, values: Tensor, norm: Option<&'n Norm>, factor: f64) -> Result<()> {
        self.settle()?;
        self.waiting = Some(Addend { values, norm, factor });
        Ok(())
    }

    /// The stream, normed where there is a norm.
    pub(crate) fn normed(&mut self, norm: Option<&Norm>) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(Addend { values, norm: before, factor }) = self.waiting.as_ref()
            && has_own_kernels(self.hidden.device(), self.hidden.dtype())
        {
            // The kernel norms what is added without a bias.
            let (values, before) = match before {
                Some(norm) if norm.has_bias() => (&norm.forward(values)?, None),
                before => (values, before.as_ref()),
            };
            let delta = Delta { values, norm: before.map(|norm| norm.weights()), factor: *factor as f32 };
            let (sum, normed) = add_norm(&self.hidden, Some(delta), norm.map(Norm::weights))?;
            self.hidden = sum;
            self.waiting = None;
            return Ok(if norm.is_some() { normed } else { self.hidden.clone() });
        }
        if let Some(Addend { values, norm, factor }) = self.waiting.take() {
            self.hidden = add(&self.hidden, &times(through(norm, &values)?, factor)?)?;
        }
        through(norm, &self.hidden)
    }

    /// The stream, normed and multiplied; without the layer's bias.
    pub(crate) fn product(&mut self, norm: Option<&Norm>, linear: &Linear) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(product) = self.product_of_few(norm, linear, None)? {
            return Ok(product);
        }
        linear.product(&self.normed(norm)?)
    }

    /// The stream, normed and multiplied, and the first half of that as gates of the second, where one kernel does it.
    #[cfg(feature = "cuda")]
    pub(crate) fn gated_product(
        &mut self,
        norm: Option<&Norm>,
        linear: &Linear,
        activation: Activation,
    ) -> Result<Option<Tensor>> {
        if linear.bias().is_some() { Ok(None) } else { self.product_of_few(norm, linear, Some(activation)) }
    }

    #[cfg(feature = "cuda")]
    fn product_of_few(
        &mut self,
        norm: Option<&Norm>,
        linear: &Linear,
        gate: Option<Activation>,
    ) -> Result<Option<Tensor>> {
        let Some((norm, weight)) = norm.zip(linear.plain_weight()) else { return Ok(None) };
        let delta = match &self.waiting {
            Some(Addend { norm: Some(_), .. }) => return Ok(None),
            waiting => waiting.as_ref().map(|addend| (&addend.values, addend.factor as f32)),
        };
        let product = NormedProduct { hidden: &self.hidden, delta, norm: norm.weights(), weight, gate };
        if !has_own_kernels(self.hidden.device(), self.hidden.dtype()) || !product.is_taken() {
            return Ok(None);
        }
        let (sum, product) = product.compute()?;
        self.hidden = sum;
        self.waiting = None;
        Ok(Some(product))
    }

    /// Goes on with some rows, or where another layer computes.
    pub(crate) fn map(&mut self, change: impl FnOnce(&Tensor) -> Result<Tensor>) -> Result<()> {
        self.settle()?;
        self.hidden = change(&self.hidden)?;
        Ok(())
    }

    /// Whether the stream is on a layer's device, in its type.
    pub(crate) fn is_on(&self, device: &LayerDevice) -> bool {
        device.holds(&self.hidden)
    }

    fn settle(&mut self) -> Result<()> {
        if self.waiting.is_some() {
            self.normed(None)?;
        }
        Ok(())
    }
}

/// `x`, normed where there is a norm.
fn through(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(x),
        None => Ok(x.clone()),
    }
}

/// `x` by a factor.
pub(crate) fn times(x: Tensor, factor: f64) -> Result<Tensor> {
    if (factor - 1.0).abs() < f64::EPSILON { Ok(x) } else { x * factor }
}
