//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864), half-rotated as in Llama.

use std::sync::Arc;

use candle_core::{DType, Device, Result, Tensor};

use super::fused::Angles;
use crate::checkpoint::config::{RopeConfig, RopeScaling};

/// Cosines and sines by position, `(context, head_dim / 2)` each.
///
/// Angles are computed in f64: in bf16 positions past 256 would already be wrong.
pub(crate) struct RopeTable {
    inverse_frequencies: Vec<f64>,
    device: Device,
    dtype: DType,
}

impl RopeTable {
    pub(crate) fn new(config: &RopeConfig, head_dim: usize, device: &Device, dtype: DType) -> Self {
        Self { inverse_frequencies: inverse_frequencies(config, head_dim), device: device.clone(), dtype }
    }

    /// Cosines and sines of `positions`.
    pub(crate) fn angles(&self, positions: &[u32]) -> Angles {
        let half = self.inverse_frequencies.len();
        let mut cos = Vec::with_capacity(positions.len() * half);
        let mut sin = Vec::with_capacity(positions.len() * half);
        for &position in positions {
            for frequency in &self.inverse_frequencies {
                let angle = f64::from(position) * frequency;
                cos.push(angle.cos() as f32);
                sin.push(angle.sin() as f32);
            }
        }
        Angles { cos: Arc::new(cos), sin: Arc::new(sin), half }
    }

    /// The same as tensors `(T, head_dim / 2)`, in the type we compute in.
    pub(crate) fn tensors(&self, angles: &Angles) -> Result<(Tensor, Tensor)> {
        let shape = (angles.cos.len() / angles.half, angles.half);
        let tensor = |values: &[f32]| Tensor::from_slice(values, shape, &self.device)?.to_dtype(self.dtype);
        Ok((tensor(&angles.cos)?, tensor(&angles.sin)?))
    }
}

/// Radians per position, `(head_dim / 2,)`.
fn inverse_frequencies(config: &RopeConfig, head_dim: usize) -> Vec<f64> {
    (0..head_dim / 2)
        .map(|pair| {
            let plain = config.theta.powf(-(2.0 * pair as f64) / head_dim as f64);
            match config.scaling {
                RopeScaling::None => plain,
                RopeScaling::Linear { factor } => plain / factor,
                RopeScaling::Llama3 { factor, low, high, original_context } => {
                    let wavelength = 2.0 * std::f64::consts::PI / plain;
                    // 0 at the long waves, which are stretched; 1 at the short ones, which are kept.
                    let kept = ((original_context / wavelength - low) / (high - low)).clamp(0.0, 1.0);
                    plain * kept + plain / factor * (1.0 - kept)
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn llama3_scaling_keeps_short_waves_and_divides_long_ones() {
        let plain = RopeConfig { theta: 500_000.0, scaling: RopeScaling::None };
        let scaled = RopeConfig {
            scaling: RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_context: 8192.0 },
            ..plain
        };
        let (plain, scaled) = (inverse_frequencies(&plain, 128), inverse_frequencies(&scaled, 128));
        assert!((plain[0] - scaled[0]).abs() < 1e-15);
        assert!((plain[63] / scaled[63] - 8.0).abs() < 1e-9);
        assert!(plain.iter().zip(&scaled).all(|(p, s)| s <= p));
    }

    #[test]
    fn positions_far_out_are_exact_to_f32() {
        let config = RopeConfig { theta: 10_000.0, scaling: RopeScaling::None };
        let table = RopeTable::new(&config, 4, &Device::Cpu, DType::F32);
        let angles = table.angles(&[100_003]);
        assert!((f64::from(angles.cos[0]) - 100_003f64.cos()).abs() < 1e-6);
    }
}
