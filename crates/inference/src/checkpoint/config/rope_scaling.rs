//! Rotary position embeddings as `config.json` describes them.

use super::architecture::{Architecture, Defaults};
use super::fields::Problem;
use super::raw::RawConfig;
use super::raw_rope::{RawRope, RawRopes};
use super::rope::{RopeConfig, RopeScaling};

/// What the configuration says: one rotary embedding, or for Gemma 3 that of full layers and that of windowed ones.
pub(super) fn ropes(
    architecture: &Architecture,
    raw: &RawConfig,
    head_dim: usize,
    context: usize,
) -> Result<Vec<RopeConfig>, Problem> {
    let RawRopes { full, sliding } = &raw.ropes;
    let Defaults { theta, partial, .. } = architecture.defaults;
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
        let scaling = ScalingReader { architecture, rope, context: context as f64 }.scaling(width)?;
        Ok(RopeConfig { theta, width, style: architecture.rope_style, scaling })
    };
    let mut ropes = vec![read(full, theta)?];
    if let Some(theta) = architecture.sliding_theta {
        ropes.push(read(sliding.as_ref().unwrap_or(&RawRope::default()), theta)?);
    }
    Ok(ropes)
}

struct ScalingReader<'a> {
    architecture: &'a Architecture,
    rope: &'a RawRope,
    context: f64,
}

impl ScalingReader<'_> {
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
            "yarn" if self.architecture.yarn_is_longrope => "longrope",
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
