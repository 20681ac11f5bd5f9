//! From the last layer to logits.

use candle_core::{DType, Device, Result, Tensor};

use super::fused::times;
use super::layers::Linear;
#[cfg(feature = "cuda")]
use crate::cuda::product::{Factor, Weighed};

/// Rows that the output layer multiplies, `(T, H)`.
pub(crate) enum LastRows {
    Normed(Tensor),
    /// Not yet divided by their root mean square: the product's kernel does it.
    #[cfg(feature = "cuda")]
    Weighed(Weighed),
}

/// What becomes of the product with the output layer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogitShape {
    pub(crate) factor: f64,
    /// What bounds logits, by a hyperbolic tangent.
    pub(crate) cap: Option<f64>,
}

impl LastRows {
    fn values(&self) -> &Tensor {
        match self {
            Self::Normed(rows) => rows,
            #[cfg(feature = "cuda")]
            Self::Weighed(weighed) => weighed.values(),
        }
    }

    pub(crate) fn device(&self) -> &Device {
        self.values().device()
    }

    /// Their logits, f32 `(T, V)`; in `place` where there is one.
    pub(crate) fn logits(&self, head: &Linear, shape: LogitShape, place: Option<&Tensor>) -> Result<Tensor> {
        let LogitShape { factor, cap } = shape;
        #[cfg(feature = "cuda")]
        if let Some(product) = head.own_product(self.values()) {
            let factors = (factor as f32, cap.map(|cap| cap as f32));
            return match self {
                Self::Normed(rows) => product.logits(Factor::Plain(rows), factors, place),
                Self::Weighed(weighed) => product.logits(Factor::Weighed(weighed), factors, place),
            };
        }
        #[cfg(feature = "cuda")]
        if matches!(self, Self::Weighed(_)) {
            candle_core::bail!("rows that are only weighed, for a layer that has no kernel of ours");
        }
        let logits = times(head.forward(self.values())?.to_dtype(DType::F32)?, factor)?;
        let logits = match cap {
            Some(cap) => ((logits / cap)?.tanh()? * cap)?,
            None => logits,
        };
        let Some(place) = place else { return Ok(logits) };
        place.slice_set(&logits.contiguous()?, 0, 0)?;
        Ok(place.clone())
    }
}

#[cfg(feature = "cuda")]
impl LastRows {
    /// The first `count` of them.
    pub(crate) fn first(&self, count: usize) -> Result<Self> {
        Ok(match self {
            Self::Normed(rows) => Self::Normed(rows.narrow(0, 0, count)?),
            Self::Weighed(weighed) => Self::Weighed(weighed.first(count)?),
        })
    }

    /// Becomes what `others` are, in the memory that it has.
    pub(crate) fn become_like(&self, others: &Self) -> Result<()> {
        match (self, others) {
            (Self::Normed(rows), Self::Normed(others)) => rows.slice_set(others, 0, 0),
            (Self::Weighed(weighed), Self::Weighed(others)) => weighed.become_like(others),
            _ => candle_core::bail!("rows of another kind"),
        }
    }
}
