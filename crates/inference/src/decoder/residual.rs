//! The residual stream.

use candle_core::{Device, Result, Tensor};

use super::fused::{add, is_one, times};
use super::last_rows::LastRows;
use super::layer_device::LayerDevice;
use super::layers::Linear;
use super::norm::Norm;
use crate::compute_type::ComputeType;
#[cfg(feature = "cuda")]
use crate::{
    checkpoint::config::Activation,
    cpu::has_own_kernels,
    cuda::norm::{Delta, add_norm},
    cuda::product::{Factor, StepProduct, Weighed},
};

/// The residual stream, `(T, H)`. What was added last waits until the stream is normed: where there are kernels for both,
/// they are one pass.
pub(crate) struct Residual<'n> {
    hidden: Tensor,
    waiting: Option<Addend<'n>>,
}

/// What waits: values, the norm that they go through, and a factor.
struct Addend<'n> {
    values: AddedValues<'n>,
    norm: Option<&'n Norm>,
    factor: f64,
}

/// What is added: values, or what a layer makes of its input.
enum AddedValues<'n> {
    Known(Tensor),
    Product(&'n Linear, Tensor),
}

impl AddedValues<'_> {
    fn known(self) -> Result<Tensor> {
        match self {
            Self::Known(values) => Ok(values),
            Self::Product(linear, input) => linear.forward(&input),
        }
    }
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
        self.waiting = Some(Addend { values: AddedValues::Known(values), norm, factor });
        Ok(())
    }

    /// Adds `factor` times what `linear` makes of `input`, normed where there is a norm.
    pub(crate) fn add_product(
        &mut self,
        linear: &'n Linear,
        input: Tensor,
        norm: Option<&'n Norm>,
        factor: f64,
    ) -> Result<()> {
        self.settle()?;
        self.waiting = Some(Addend { values: AddedValues::Product(linear, input), norm, factor });
        Ok(())
    }

    /// The stream, normed where there is a norm.
    pub(crate) fn normed(&mut self, norm: Option<&Norm>) -> Result<Tensor> {
        self.normed_for(norm, ComputeType::F32)
    }

    /// The same for a layer that multiplies in `compute`: on the CPU rounded to it.
    pub(crate) fn normed_for(&mut self, norm: Option<&Norm>, compute: ComputeType) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if has_own_kernels(self.hidden.device(), self.hidden.dtype()) {
            self.add_waiting_product(None)?;
            if let Some(Addend { values, norm: before, factor }) = self.waiting.take() {
                let values = values.known()?;
                // The kernel norms what is added without a bias.
                let (values, before) = match before {
                    Some(norm) if norm.has_bias() => (norm.forward(&values)?, None),
                    before => (values, before),
                };
                let delta = Delta { values: &values, norm: before.map(Norm::weights), factor: factor as f32 };
                let (sum, normed) = add_norm(&self.hidden, Some(delta), norm.map(Norm::weights))?;
                self.hidden = sum;
                return Ok(if norm.is_some() { normed } else { self.hidden.clone() });
            }
        }
        if let Some(Addend { values, norm, factor }) = self.waiting.take() {
            let added = match &values {
                AddedValues::Product(linear, input) if norm.is_none() && is_one(factor) => {
                    linear.added(input, &self.hidden)?
                }
                _ => None,
            };
            self.hidden = match added {
                Some(sum) => sum,
                None => add(&self.hidden, &times(through(norm, &values.known()?)?, factor)?)?,
            };
        }
        match norm {
            Some(norm) => norm.forward_for(&self.hidden, compute),
            None => Ok(self.hidden.clone()),
        }
    }

    /// The stream, normed and multiplied; without the layer's bias.
    pub(crate) fn product(&mut self, norm: Option<&Norm>, linear: &Linear) -> Result<Tensor> {
        #[cfg(feature = "cuda")]
        if let Some(weight) = linear.plain_weight()
            && let Some(product) = StepProduct::of(weight, None, &self.hidden)
            && has_own_kernels(self.hidden.device(), self.hidden.dtype())
        {
            return self.multiplied(norm, |x| product.plain(x));
        }
        linear.product(&self.normed_for(norm, linear.compute())?)
    }

    /// What the output layer multiplies: the stream, normed or weighed for `norm`.
    pub(crate) fn last(&mut self, norm: &Norm, head: &Linear) -> Result<LastRows> {
        #[cfg(feature = "cuda")]
        if head.own_product(&self.hidden).is_some()
            && let Some(weighed) = self.add_waiting_product(Some(norm))?
        {
            return Ok(LastRows::Weighed(weighed));
        }
        let _ = head;
        self.normed(Some(norm)).map(LastRows::Normed)
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

#[cfg(feature = "cuda")]
impl Residual<'_> {
    /// The stream, normed and multiplied, and the first half of that as gates of the second, where one kernel does it.
    pub(crate) fn gated_product(
        &mut self,
        norm: Option<&Norm>,
        linear: &Linear,
        activation: Activation,
    ) -> Result<Option<Tensor>> {
        let Some(product) = linear.own_product(&self.hidden) else { return Ok(None) };
        self.multiplied(norm, |x| product.gated(x, activation)).map(Some)
    }

    /// What `multiply` makes of the stream, normed; or only weighed for the norm, where what waits is a product.
    fn multiplied<T>(&mut self, norm: Option<&Norm>, multiply: impl FnOnce(Factor<'_>) -> Result<T>) -> Result<T> {
        match self.add_waiting_product(norm)? {
            Some(weighed) => multiply(Factor::Weighed(&weighed)),
            None => multiply(Factor::Plain(&self.normed(norm)?)),
        }
    }

    /// Adds a product that waits, and weighs the sum for a norm that is one by root mean square.
    fn add_waiting_product(&mut self, norm: Option<&Norm>) -> Result<Option<Weighed>> {
        let Some(Addend { values: AddedValues::Product(linear, input), norm: None, factor }) = &self.waiting else {
            return Ok(None);
        };
        let Some(product) = linear.own_product(input) else { return Ok(None) };
        let norm = norm.map(Norm::weights).filter(|norm| !norm.is_centred);
        let (sum, weighed) = product.added(Factor::Plain(input), (&self.hidden, *factor as f32), norm)?;
        self.hidden = sum;
        self.waiting = None;
        Ok(weighed)
    }
}

/// `x`, normed where there is a norm.
fn through(norm: Option<&Norm>, x: &Tensor) -> Result<Tensor> {
    match norm {
        Some(norm) => norm.forward(x),
        None => Ok(x.clone()),
    }
}
