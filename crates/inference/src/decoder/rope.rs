//! Rotary position embedding (Su et al. 2021, arXiv 2104.09864).

use std::sync::OnceLock;

#[cfg(feature = "cuda")]
use candle_core::Device;
use candle_core::{Result, Tensor};
#[cfg(feature = "cuda")]
use rayon::prelude::*;

use crate::checkpoint::config::{RopeConfig, RopeScaling, RopeStyle};

/// Frequencies of a rotary embedding.
///
/// Angles are computed in f64: in bf16 positions past 256 would already be wrong.
pub(crate) struct RopeTable {
    frequencies: Vec<f64>,
    /// Longest pass that is turned by those, and the frequencies of longer ones (`LongRoPE`).
    beyond: Option<(usize, Vec<f64>)>,
    /// Factor of cosines and sines.
    scale: f64,
    style: RopeStyle,
}

/// Which factors positions are turned by. It is the length of a pass that decides, over all positions of it: `LongRoPE`'s
/// long factors where the pass ends beyond the original context. Other models know the short ones alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Factors {
    #[default]
    Short,
    Long,
}

/// Cosines and sines by position on a device, `(.., width / 2)` each.
#[cfg(feature = "cuda")]
#[derive(Clone, Debug)]
pub(crate) struct AngleTable {
    pub(crate) cosines: Tensor,
    pub(crate) sines: Tensor,
    pub(crate) style: RopeStyle,
}

/// Cosines and sines of a batch's positions, `(T, width / 2)` each.
pub(crate) struct Angles {
    cos: Vec<f32>,
    sin: Vec<f32>,
    half: usize,
    /// Both as tensors, on the device and in the type of what was last rotated.
    tables: OnceLock<[Tensor; 2]>,
    pub(crate) style: RopeStyle,
}

impl RopeTable {
    pub(crate) fn new(config: &RopeConfig) -> Self {
        let plain: Vec<f64> =
            (0..config.width / 2).map(|pair| config.theta.powf(-(2.0 * pair as f64) / config.width as f64)).collect();
        let divided = |by: &[f64]| plain.iter().zip(by).map(|(plain, by)| plain / by).collect();
        let (frequencies, beyond, scale) = match &config.scaling {
            RopeScaling::None => (plain, None, 1.0),
            RopeScaling::Linear { factor } => (plain.iter().map(|plain| plain / factor).collect(), None, 1.0),
            RopeScaling::Divided { by } => (divided(by), None, 1.0),
            &RopeScaling::Llama3 { factor, low, high, original_context } => {
                let stretch = |&plain: &f64| {
                    let wavelength = 2.0 * std::f64::consts::PI / plain;
                    // 0 at the long waves, which are stretched; 1 at the short ones, which are kept.
                    let kept = ((original_context / wavelength - low) / (high - low)).clamp(0.0, 1.0);
                    plain * kept + plain / factor * (1.0 - kept)
                };
                (plain.iter().map(stretch).collect(), None, 1.0)
            }
            &RopeScaling::Yarn { factor, fast, slow, truncate, original_context, attention } => {
                // The component whose wave turns so many times over the original context.
                let component = |turns: f64| {
                    config.width as f64 * (original_context / (turns * 2.0 * std::f64::consts::PI)).ln()
                        / (2.0 * config.theta.ln())
                };
                let (low, high) = (component(fast), component(slow));
                let (low, high) = if truncate { (low.floor(), high.ceil()) } else { (low, high) };
                let (low, high) = (low.max(0.0), high.min(config.width as f64 - 1.0));
                let span = if high - low < 1e-9 { 0.001 } else { high - low };
                let stretch = |(pair, plain): (usize, &f64)| {
                    let divided = ((pair as f64 - low) / span).clamp(0.0, 1.0);
                    plain / factor * divided + plain * (1.0 - divided)
                };
                (plain.iter().enumerate().map(stretch).collect(), None, attention)
            }
            RopeScaling::Long { short, long, original_context, attention } => {
                (divided(short), Some((*original_context as usize, divided(long))), *attention)
            }
        };
        Self { frequencies, beyond, scale, style: config.style }
    }

    /// Longest pass that is turned by the short factors; none where there are no others.
    pub(crate) fn border(&self) -> Option<usize> {
        self.beyond.as_ref().map(|(border, _)| *border)
    }

    /// Cosines and sines of all positions before `positions`, on a device; where there are long factors, those turned by them
    /// behind the others.
    #[cfg(feature = "cuda")]
    pub(crate) fn table(&self, positions: usize, device: &Device) -> Result<AngleTable> {
        let of = |factors| {
            let parts = (0..positions as u32).collect::<Vec<_>>();
            let parts = parts.par_chunks(1024).map(|part| self.angles(part, &vec![factors; part.len()]));
            let (cos, sin): (Vec<_>, Vec<_>) = parts.map(|angles| (angles.cos, angles.sin)).unzip();
            [cos.concat(), sin.concat()]
        };
        let [mut cosines, mut sines] = of(Factors::Short);
        if self.beyond.is_some() {
            let [long_cosines, long_sines] = of(Factors::Long);
            cosines.extend(long_cosines);
            sines.extend(long_sines);
        }
        let half = self.frequencies.len();
        let on = |numbers: Vec<f32>| Tensor::from_vec(numbers, ((), half), device);
        Ok(AngleTable { cosines: on(cosines)?, sines: on(sines)?, style: self.style })
    }

    /// Cosines and sines of `positions`, each turned by its own `factors`.
    pub(crate) fn angles(&self, positions: &[u32], factors: &[Factors]) -> Angles {
        let half = self.frequencies.len();
        let mut cos = Vec::with_capacity(positions.len() * half);
        let mut sin = Vec::with_capacity(positions.len() * half);
        for (&position, factors) in positions.iter().zip(factors) {
            let frequencies = match (&self.beyond, factors) {
                (Some((_, long)), Factors::Long) => long,
                _ => &self.frequencies,
            };
            for frequency in frequencies {
                let angle = f64::from(position) * frequency;
                cos.push((angle.cos() * self.scale) as f32);
                sin.push((angle.sin() * self.scale) as f32);
            }
        }
        Angles { cos, sin, half, tables: OnceLock::new(), style: self.style }
    }
}

impl Angles {
    /// Cosines and sines of row `row`, `width / 2` each.
    pub(crate) fn of(&self, row: usize) -> [&[f32]; 2] {
        let range = row * self.half..(row + 1) * self.half;
        [&self.cos[range.clone()], &self.sin[range]]
    }

    /// Rotates `(T, heads, head_dim)` by tensor operations, for devices without the fused ones.
    pub(crate) fn rotate(&self, x: &Tensor) -> Result<Tensor> {
        let (tokens, heads, head_dim) = x.dims3()?;
        let width = 2 * self.half;
        let [cos, sin] = self.tables(x)?;
        let turned = x.narrow(2, 0, width)?.contiguous()?;
        let rotated = match self.style {
            RopeStyle::Halves => candle_nn::rotary_emb::rope_thd(&turned.unsqueeze(0)?, cos, sin)?.squeeze(0)?,
            RopeStyle::Pairs => {
                // (1, heads, T, width) is what candle's interleaved rotation takes.
                let by_head = turned.transpose(0, 1)?.contiguous()?.unsqueeze(0)?;
                candle_nn::rotary_emb::rope_i(&by_head, cos, sin)?.squeeze(0)?.transpose(0, 1)?.contiguous()?
            }
        };
        if width == head_dim {
            return rotated.reshape((tokens, heads, head_dim));
        }
        Tensor::cat(&[rotated, x.narrow(2, width, head_dim - width)?.contiguous()?], 2)
    }

    /// Makes ready for another device: the tables are made there when something is rotated.
    pub(crate) fn leave_device(&mut self) {
        self.tables = OnceLock::new();
    }

    /// Cosines and sines `(T, width / 2)` where `x` is, made once for all layers there.
    fn tables(&self, x: &Tensor) -> Result<&[Tensor; 2]> {
        if let Some(tables) = self.tables.get() {
            return Ok(tables);
        }
        let shape = (self.cos.len() / self.half, self.half);
        let table = |values: &[f32]| Tensor::from_slice(values, shape, x.device())?.to_dtype(x.dtype());
        let tables = [table(&self.cos)?, table(&self.sin)?];
        Ok(self.tables.get_or_init(|| tables))
    }
}

#[cfg(test)]
mod tests {
    use candle_core::Device;

    use super::*;

    fn plain(theta: f64, width: usize) -> RopeConfig {
        RopeConfig { theta, width, style: RopeStyle::Halves, scaling: RopeScaling::None }
    }

    #[test]
    fn llama3_scaling_keeps_short_waves_and_divides_long_ones() {
        let scaled = RopeConfig {
            scaling: RopeScaling::Llama3 { factor: 8.0, low: 1.0, high: 4.0, original_context: 8192.0 },
            ..plain(500_000.0, 128)
        };
        let (plain, scaled) = (RopeTable::new(&plain(500_000.0, 128)).frequencies, RopeTable::new(&scaled).frequencies);
        assert!((plain[0] - scaled[0]).abs() < 1e-15);
        assert!((plain[63] / scaled[63] - 8.0).abs() < 1e-9);
        assert!(plain.iter().zip(&scaled).all(|(p, s)| s <= p));
    }

    #[test]
    fn positions_far_out_are_exact_to_f32() {
        let angles = RopeTable::new(&plain(10_000.0, 4)).angles(&[100_003], &[Factors::Short]);
        assert!((f64::from(angles.of(0)[0][0]) - 100_003f64.cos()).abs() < 1e-6);
    }

    #[test]
    fn the_fused_rotation_is_the_one_by_tensor_operations() -> Result<()> {
        let (tokens, heads, head_dim) = (5, 3, 8);
        let x = Tensor::randn(0f32, 1.0, (tokens, heads, head_dim), &Device::Cpu)?;
        for style in [RopeStyle::Halves, RopeStyle::Pairs] {
            for width in [4, 8] {
                let table = RopeTable::new(&RopeConfig { style, ..plain(100.0, width) });
                let angles = table.angles(&[3, 4, 5, 0, 1], &[Factors::Short; 5]);
                let plain = angles.rotate(&x)?;
                let op = super::super::fused::QueriesOp { angles: Some(&angles), heads, head_dim };
                let fused = x.reshape((tokens, heads * head_dim))?.apply_op1_no_bwd(&op)?;
                let error = (plain - fused)?.abs()?.flatten_all()?.max(0)?.to_scalar::<f32>()?;
                assert!(error < 1e-6, "{style:?} {width}: {error}");
            }
        }
        Ok(())
    }
}
