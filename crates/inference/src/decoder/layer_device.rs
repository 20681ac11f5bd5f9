//! Where a layer computes, and in which type.

use candle_core::{DType, Device, Result, Tensor};

/// A device, and the type of activations, keys and values on it.
#[derive(Clone, Debug)]
pub(crate) struct LayerDevice {
    pub(crate) device: Device,
    pub(crate) dtype: DType,
}

impl LayerDevice {
    /// Whether `x` is here already.
    pub(crate) fn holds(&self, x: &Tensor) -> bool {
        x.dtype() == self.dtype && x.device().same_device(&self.device)
    }

    /// `x` here, in the type that it computes in.
    pub(crate) fn receive(&self, x: &Tensor) -> Result<Tensor> {
        moved(x, &self.device)?.to_dtype(self.dtype)
    }
}

/// `x` on `device`; itself where it is there already.
///
/// From one GPU to another it goes by way of the host. That is slower than a copy between them, but what crosses is
/// `(T, H)` per boundary and forward, and it needs neither access of one to the other's memory nor their streams in
/// step: reading to the host waits for what computes `x`.
pub(super) fn moved(x: &Tensor, device: &Device) -> Result<Tensor> {
    if x.device().same_device(device) || x.device().is_cpu() || device.is_cpu() {
        return x.to_device(device);
    }
    x.to_device(&Device::Cpu)?.to_device(device)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_here_stays_and_what_is_of_another_type_is_converted() -> Result<()> {
        let layer = |dtype| LayerDevice { device: Device::Cpu, dtype };
        let x = Tensor::new(&[[1f32, 2.5], [0.0, -3.0]], &Device::Cpu)?;
        assert!(layer(DType::F32).holds(&x) && !layer(DType::BF16).holds(&x));
        assert_eq!(layer(DType::F32).receive(&x)?.id(), x.id());
        let received = layer(DType::BF16).receive(&x)?;
        assert!(layer(DType::BF16).holds(&received));
        assert_eq!(layer(DType::F32).receive(&received)?.to_vec2::<f32>()?, x.to_vec2::<f32>()?);
        Ok(())
    }
}
