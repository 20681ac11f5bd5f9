//! Rotary position embedding: base, width and scaling of the frequencies.

use super::defaults::Defaults;
use super::family::Family;
use super::fields::Problem;
use super::raw::RawConfig;
use super::raw_rope::{RawRope, RawRopes};

/// Rotary position embedding.
#[derive(Clone, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// Leading components of a head that are rotated; even.
    pub width: usize,
    /// Which components are turned together.
    pub style: RopeStyle,
    /// How the frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// Which components of a head are turned together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RopeStyle {
    /// The `i`-th of the first half with the `i`-th of the second.
    Halves,
    /// Neighbours (Cohere, GLM-4).
    Pairs,
}

/// How `RoPE` frequencies are stretched.
#[derive(Clone, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all. Dynamic scaling is this, too: it stretches beyond `max_position_embeddings`, which is the context.
    None,
    /// All frequencies divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
    },
    /// Every frequency divided by a factor of its own.
    Divided {
        /// The factors.
        by: Vec<f64>,
    },
    /// Llama 3.1's smooth interpolation by wavelength.
    Llama3 {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Wavelengths above `original_context / low` are divided by `factor`.
        low: f64,
        /// Wavelengths below `original_context / high` are kept.
        high: f64,
        /// Context before stretching.
        original_context: f64,
    },
    /// `YaRN` (Peng et al. 2023, arXiv 2309.00071).
    Yarn {
        /// Divisor of the low frequencies.
        factor: f64,
        /// Frequencies that turn more often than this over the original context are kept.
        fast: f64,
        /// Frequencies that turn less often than this are divided.
        slow: f64,
        /// Whether the bounds between are rounded outward to whole components.
        truncate: bool,
        /// Context before stretching.
        original_context: f64,
        /// Factor of cosines and sines.
        attention: f64,
    },
    /// `LongRoPE` (Ding et al. 2024, arXiv 2402.13753), as Phi-3 has it.
    ///
    /// The length of a pass decides for all of its positions: within the original context they are turned by the short
    /// factors, beyond it by the long ones. Generation that crosses the border is read again from its beginning, as in
    /// transformers.
    Long {
        /// Divisor per frequency within the original context.
        short: Vec<f64>,
        /// Divisor per frequency beyond.
        long: Vec<f64>,
        /// Context before stretching.
        original_context: f64,
        /// Factor of cosines and sines.
        attention: f64,
    },
}

/// What the configuration says: one rotary embedding, or for Gemma 3 that of full layers and that of windowed ones.
pub(super) fn resolve(
    family: Family,
    raw: &RawConfig,
    head_dim: usize,
    context: usize,
    style: RopeStyle,
) -> Result<Vec<RopeConfig>, Problem> {
    let RawRopes { full, sliding } = &raw.ropes;
    let Defaults { theta, partial, .. } = family.defaults();
    let read = |rope: &RawRope, theta: f64| {
        let theta = rope.rope_theta.unwrap_or(theta);
        if !(theta.is_finite() && theta > 0.0) {
            return Err(("rope_theta", format!("is {theta}, must be positive")));
        }
        let partial = rope.partial_rotary_factor.unwrap_or(partial);
        let width = (head_dim as f64 * partial) as usize;
        if !(partial > 0.0 && partial <= 1.0) || width < 2 || !width.is_multiple_of(2) {
            return Err((
                "partial_rotary_factor",
                format!("is {partial}, must rotate an even number of a head's {head_dim} components"),
            ));
        }
        let scaling = Reader { family, rope, context: context as f64 }.scaling(width)?;
        Ok(RopeConfig { theta, width, style, scaling })
    };
    let mut ropes = vec![read(full, theta)?];
    if family == Family::Gemma3 {
        ropes.push(read(sliding.as_ref().unwrap_or(&RawRope::default()), 10_000.0)?);
    }
    Ok(ropes)
}

struct Reader<'a> {
    family: Family,
    rope: &'a RawRope,
    context: f64,
}

impl Reader<'_> {
    fn need(&self, name: &str, value: Option<f64>) -> Result<f64, Problem> {
        match value {
            Some(value) if value.is_finite() && value > 0.0 => Ok(value),
            Some(value) => Err((self.rope.field, format!("has `{name}` {value}, which must be positive"))),
            None => Err((self.rope.field, format!("lacks `{name}`"))),
        }
    }

    fn original_context(&self) -> Result<f64, Problem> {
        let value = self.rope.original_max_position_embeddings;
        self.need("original_max_position_embeddings", value.or(Some(self.context)))
    }

    fn scaling(&self, width: usize) -> Result<RopeScaling, Problem> {
        let rope = self.rope;
        let kind = match rope.rope_type.as_deref().unwrap_or("default") {
            // Phi-3's first configurations call it so.
            "su" => "longrope",
            "yarn" if self.family == Family::Phi3 => "longrope",
            kind => kind,
        };
        Ok(match kind {
            "default" | "dynamic" => RopeScaling::None,
            "linear" => RopeScaling::Linear { factor: self.need("factor", rope.factor)? },
            "llama3" => {
                let low = self.need("low_freq_factor", rope.low_freq_factor)?;
                let high = self.need("high_freq_factor", rope.high_freq_factor)?;
                if high <= low {
                    let problem = format!("has `high_freq_factor` {high}, which must be above `low_freq_factor` {low}");
                    return Err((rope.field, problem));
                }
                let factor = self.need("factor", rope.factor)?;
                RopeScaling::Llama3 { factor, low, high, original_context: self.original_context()? }
            }
            "yarn" => {
                let original_context = self.original_context()?;
                let factor = self.need("factor", rope.factor.or(Some(self.context / original_context)))?;
                let scale = |mscale: f64| if factor <= 1.0 { 1.0 } else { 0.1 * mscale * factor.ln() + 1.0 };
                let attention = rope.attention_factor.unwrap_or(match (rope.mscale, rope.mscale_all_dim) {
                    (Some(m), Some(all)) if m != 0.0 && all != 0.0 => scale(m) / scale(all),
                    _ => scale(1.0),
                });
                RopeScaling::Yarn {
                    factor,
                    fast: self.need("beta_fast", rope.beta_fast.or(Some(32.0)))?,
                    slow: self.need("beta_slow", rope.beta_slow.or(Some(1.0)))?,
                    truncate: rope.truncate.unwrap_or(true),
                    original_context,
                    attention: self.need("attention_factor", Some(attention))?,
                }
            }
            "longrope" => {
                let original_context = self.original_context()?;
                let factor = self.need("factor", rope.factor.or(Some(self.context / original_context)))?;
                let stretched = if factor <= 1.0 { 1.0 } else { (1.0 + factor.ln() / original_context.ln()).sqrt() };
                RopeScaling::Long {
                    short: self.factors("short_factor", rope.short_factor.as_ref(), width)?,
                    long: self.factors("long_factor", rope.long_factor.as_ref(), width)?,
                    original_context,
                    attention: self.need("attention_factor", rope.attention_factor.or(Some(stretched)))?,
                }
            }
            other => {
                return Err((
                    rope.field,
                    format!("asks for RoPE type `{other}`; known are default, linear, dynamic, llama3, yarn, longrope"),
                ));
            }
        })
    }

    fn factors(&self, name: &str, values: Option<&Vec<f64>>, width: usize) -> Result<Vec<f64>, Problem> {
        let values = values.ok_or_else(|| (self.rope.field, format!("lacks `{name}`")))?;
        if values.len() != width / 2 || values.iter().any(|value| !(value.is_finite() && *value > 0.0)) {
            return Err((
                self.rope.field,
                format!("has {} values in `{name}`, must have {} positive ones", values.len(), width / 2),
            ));
        }
        Ok(values.clone())
    }
}
