//! `config.json` and `generation_config.json`, parsed once into a typed [`DecoderConfig`].
//!
//! Both styles in the wild are read: `rope_theta` with `rope_scaling` (transformers 4) and `rope_parameters`
//! (transformers 5). A new architecture is a row in [`Family`].

use std::path::Path;

use serde::Deserialize;

use super::files::{CheckpointError, read_json};

/// Everything the decoder needs to know about an architecture.
#[derive(Clone, Debug, PartialEq)]
pub struct DecoderConfig {
    /// Rows of the embedding and of the output layer.
    pub vocabulary: usize,
    /// Width of the residual stream, `H`.
    pub hidden: usize,
    /// Width inside the MLP.
    pub intermediate: usize,
    /// Query heads.
    pub heads: usize,
    /// Key and value heads; divides `heads`.
    pub kv_heads: usize,
    /// Width of a head; need not be `hidden / heads`.
    pub head_dim: usize,
    /// Attention window per layer: position `i` sees `j` with `i - window < j <= i`. `None` sees everything.
    pub windows: Vec<Option<usize>>,
    /// Added to the mean square in RMS norms.
    pub norm_epsilon: f64,
    /// Rotary position embedding.
    pub rope: RopeConfig,
    /// Which projections carry a bias.
    pub biases: Biases,
    /// The MLP's gate activation.
    pub activation: Activation,
    /// Whether the output layer is the embedding. `None`: it is where the checkpoint has no output layer.
    pub tied_embeddings: Option<bool>,
    /// Longest sequence in tokens.
    pub context: usize,
}

/// Which projections carry a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Biases {
    /// Query, key and value projections.
    pub qkv: bool,
    /// The attention's output projection.
    pub out: bool,
    /// The MLP's projections.
    pub mlp: bool,
}

/// The nonlinearity on the MLP's gate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(x)`.
    Silu,
    /// `GELU` with the error function.
    Gelu,
    /// `GELU` by its tanh approximation.
    GeluTanh,
}

/// Rotary position embedding: base and scaling of the frequencies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RopeConfig {
    /// Base of the frequencies.
    pub theta: f64,
    /// How the frequencies are stretched for long contexts.
    pub scaling: RopeScaling,
}

/// How `RoPE` frequencies are stretched.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RopeScaling {
    /// Not at all.
    None,
    /// All frequencies divided by a factor.
    Linear {
        /// The factor.
        factor: f64,
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
}

/// The architectures that the decoder runs, and how they differ where the configuration does not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Llama,
    Mistral,
    Qwen2,
}

impl Family {
    const ALL: [(&'static str, Self); 3] = [("llama", Self::Llama), ("mistral", Self::Mistral), ("qwen2", Self::Qwen2)];

    fn biases(self, raw: &RawConfig) -> Biases {
        let attention = raw.attention_bias.unwrap_or(false);
        match self {
            Self::Llama => Biases { qkv: attention, out: attention, mlp: raw.mlp_bias.unwrap_or(false) },
            Self::Mistral => Biases { qkv: false, out: false, mlp: false },
            Self::Qwen2 => Biases { qkv: true, out: false, mlp: false },
        }
    }

    /// transformers' default where `num_key_value_heads` is absent.
    fn default_kv_heads(self, heads: usize) -> usize {
        match self {
            Self::Llama => heads,
            Self::Mistral => 8,
            Self::Qwen2 => 32,
        }
    }

    fn windows(self, raw: &RawConfig) -> Vec<Option<usize>> {
        let layers = raw.num_hidden_layers;
        let window = raw.sliding_window;
        match self {
            Self::Llama => vec![None; layers],
            Self::Mistral => vec![window; layers],
            Self::Qwen2 if !raw.use_sliding_window.unwrap_or(false) => vec![None; layers],
            Self::Qwen2 => {
                if let Some(types) = &raw.layer_types {
                    let slides = |layer| types.get(layer) == Some(&LayerType::Sliding);
                    return (0..layers).map(|layer| window.filter(|_| slides(layer))).collect();
                }
                let first = raw.max_window_layers.unwrap_or(28);
                (0..layers).map(|layer| window.filter(|_| layer >= first)).collect()
            }
        }
    }
}

#[derive(Deserialize)]
struct RawConfig {
    vocab_size: usize,
    hidden_size: usize,
    intermediate_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    num_key_value_heads: Option<usize>,
    head_dim: Option<usize>,
    #[serde(default = "default_activation")]
    hidden_act: String,
    #[serde(default = "default_epsilon")]
    rms_norm_eps: f64,
    max_position_embeddings: Option<usize>,
    rope_theta: Option<f64>,
    rope_scaling: Option<RawRope>,
    rope_parameters: Option<RawRope>,
    attention_bias: Option<bool>,
    mlp_bias: Option<bool>,
    tie_word_embeddings: Option<bool>,
    sliding_window: Option<usize>,
    use_sliding_window: Option<bool>,
    max_window_layers: Option<usize>,
    layer_types: Option<Vec<LayerType>>,
}

fn default_activation() -> String {
    "silu".to_owned()
}

fn default_epsilon() -> f64 {
    1e-6
}

#[derive(Deserialize, PartialEq)]
enum LayerType {
    #[serde(rename = "full_attention")]
    Full,
    #[serde(rename = "sliding_attention")]
    Sliding,
}

#[derive(Deserialize)]
struct RawRope {
    #[serde(alias = "type")]
    rope_type: Option<String>,
    rope_theta: Option<f64>,
    factor: Option<f64>,
    low_freq_factor: Option<f64>,
    high_freq_factor: Option<f64>,
    original_max_position_embeddings: Option<f64>,
}

/// `model_type` alone, to name an unknown architecture before anything else is asked of the file.
#[derive(Deserialize)]
struct Kind {
    model_type: Option<String>,
}

impl DecoderConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// An unknown architecture (naming those that are known), or a field that is missing or out of range.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        let kind: Kind = read_json(path)?;
        let known = || Family::ALL.iter().map(|(name, _)| *name).collect();
        let name = kind.model_type.unwrap_or_default();
        let Some(&(_, family)) = Family::ALL.iter().find(|(known, _)| *known == name) else {
            let name = if name.is_empty() { "(no `model_type`)".to_owned() } else { name };
            return Err(CheckpointError::UnknownArchitecture {
                name,
                path: path.display().to_string(),
                known: known(),
            });
        };
        Self::resolve(family, &read_json(path)?, path)
    }

    fn resolve(family: Family, raw: &RawConfig, path: &Path) -> Result<Self, CheckpointError> {
        let bad = |field: &'static str, problem: String| CheckpointError::Config {
            field,
            path: path.display().to_string(),
            problem,
        };
        for (field, value, most) in [
            ("vocab_size", raw.vocab_size, 1 << 24),
            ("hidden_size", raw.hidden_size, 1 << 20),
            ("intermediate_size", raw.intermediate_size, 1 << 24),
            ("num_hidden_layers", raw.num_hidden_layers, 4096),
            ("num_attention_heads", raw.num_attention_heads, 1 << 16),
        ] {
            if value == 0 || value > most {
                return Err(bad(field, format!("is {value}, must be within 1..={most}")));
            }
        }
        let heads = raw.num_attention_heads;
        let kv_heads = raw.num_key_value_heads.unwrap_or_else(|| family.default_kv_heads(heads));
        if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
            return Err(bad("num_key_value_heads", format!("is {kv_heads}, must divide the {heads} attention heads")));
        }
        let head_dim = raw.head_dim.unwrap_or(raw.hidden_size / heads);
        if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > 1 << 16 {
            return Err(bad("head_dim", format!("is {head_dim}, must be even and positive")));
        }
        let activation = match raw.hidden_act.as_str() {
            "silu" | "swish" => Activation::Silu,
            "gelu" => Activation::Gelu,
            "gelu_new" | "gelu_pytorch_tanh" => Activation::GeluTanh,
            other => {
                return Err(bad(
                    "hidden_act",
                    format!("is `{other}`; known are silu, gelu, gelu_new, gelu_pytorch_tanh"),
                ));
            }
        };
        if !(raw.rms_norm_eps.is_finite() && raw.rms_norm_eps >= 0.0) {
            return Err(bad("rms_norm_eps", format!("is {}, must be a small positive number", raw.rms_norm_eps)));
        }
        let context = raw.max_position_embeddings.unwrap_or(2048);
        if context == 0 {
            return Err(bad("max_position_embeddings", "is 0, must be positive".to_owned()));
        }
        if raw.sliding_window == Some(0) {
            return Err(bad("sliding_window", "is 0, must be positive or null".to_owned()));
        }
        Ok(Self {
            vocabulary: raw.vocab_size,
            hidden: raw.hidden_size,
            intermediate: raw.intermediate_size,
            heads,
            kv_heads,
            head_dim,
            windows: family.windows(raw),
            norm_epsilon: raw.rms_norm_eps,
            rope: resolve_rope(raw, context).map_err(|(field, problem)| bad(field, problem))?,
            biases: family.biases(raw),
            activation,
            tied_embeddings: raw.tie_word_embeddings,
            context,
        })
    }
}

fn resolve_rope(raw: &RawConfig, context: usize) -> Result<RopeConfig, (&'static str, String)> {
    let (field, rope) = match (&raw.rope_parameters, &raw.rope_scaling) {
        (Some(rope), _) => ("rope_parameters", Some(rope)),
        (None, rope) => ("rope_scaling", rope.as_ref()),
    };
    let theta = rope.and_then(|rope| rope.rope_theta).or(raw.rope_theta).unwrap_or(10_000.0);
    if !(theta.is_finite() && theta > 0.0) {
        return Err(("rope_theta", format!("is {theta}, must be positive")));
    }
    let Some(rope) = rope else { return Ok(RopeConfig { theta, scaling: RopeScaling::None }) };
    let need = |name: &str, value: Option<f64>| match value {
        Some(value) if value.is_finite() && value > 0.0 => Ok(value),
        Some(value) => Err((field, format!("has `{name}` {value}, which must be positive"))),
        None => Err((field, format!("lacks `{name}`"))),
    };
    let scaling = match rope.rope_type.as_deref().unwrap_or("default") {
        "default" => RopeScaling::None,
        "linear" => RopeScaling::Linear { factor: need("factor", rope.factor)? },
        "llama3" => RopeScaling::Llama3 {
            factor: need("factor", rope.factor)?,
            low: need("low_freq_factor", rope.low_freq_factor)?,
            high: need("high_freq_factor", rope.high_freq_factor)?,
            original_context: need(
                "original_max_position_embeddings",
                rope.original_max_position_embeddings.or(Some(context as f64)),
            )?,
        },
        other => return Err((field, format!("asks for RoPE type `{other}`; known are default, linear, llama3"))),
    };
    Ok(RopeConfig { theta, scaling })
}

/// Ids, one or a list.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Ids {
    One(u32),
    Many(Vec<u32>),
}

impl Ids {
    pub(crate) fn into_vec(self) -> Vec<u32> {
        match self {
            Self::One(id) => vec![id],
            Self::Many(ids) => ids,
        }
    }
}

/// `eos_token_id`, as `config.json` and `generation_config.json` may carry it.
#[derive(Deserialize)]
pub(crate) struct EndIds {
    pub(crate) eos_token_id: Option<Ids>,
}

#[cfg(test)]
mod tests {
    use super::*;

    const BASE: &str = r#""architectures": ["XForCausalLM"], "vocab_size": 100, "hidden_size": 64,
        "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2"#;

    fn parse(extra: &str) -> Result<DecoderConfig, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        std::fs::write(&path, format!("{{{BASE}, {extra}}}")).unwrap();
        DecoderConfig::load(&path)
    }

    #[test]
    fn both_styles_of_rope_settings_mean_the_same() {
        let v4 = parse(
            r#""model_type": "llama", "rope_theta": 500000.0, "max_position_embeddings": 8192, "rope_scaling":
            {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 8192}"#,
        )
        .unwrap();
        let v5 = parse(
            r#""model_type": "llama", "max_position_embeddings": 8192, "rope_parameters":
            {"rope_theta": 500000.0, "rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0,
             "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}"#,
        )
        .unwrap();
        assert_eq!(v4, v5);
        assert!((v4.rope.theta - 500_000.0).abs() < f64::EPSILON);
    }

    #[test]
    fn the_old_name_of_the_rope_type_is_read() {
        let config = parse(r#""model_type": "llama", "rope_scaling": {"type": "linear", "factor": 2.0}"#).unwrap();
        assert_eq!(config.rope.scaling, RopeScaling::Linear { factor: 2.0 });
    }

    #[test]
    fn an_unknown_architecture_is_named_with_those_that_are_known() {
        let error = parse(r#""model_type": "mamba""#).unwrap_err().to_string();
        assert!(error.contains("`mamba`") && error.contains("llama, mistral, qwen2"), "{error}");
    }

    #[test]
    fn qwen2_layers_have_a_window_only_from_max_window_layers_on() {
        let config =
            parse(r#""model_type": "qwen2", "use_sliding_window": true, "sliding_window": 16, "max_window_layers": 1"#)
                .unwrap();
        assert_eq!(config.windows, [None, Some(16)]);
        let off = parse(r#""model_type": "qwen2", "use_sliding_window": false, "sliding_window": 16"#).unwrap();
        assert_eq!(off.windows, [None, None]);
        assert!(off.biases.qkv && !off.biases.out);
    }

    #[test]
    fn impossible_fields_are_named() {
        for (extra, field) in [
            (r#""model_type": "llama", "head_dim": 7"#, "head_dim"),
            (r#""model_type": "llama", "hidden_act": "tanh""#, "hidden_act"),
            (r#""model_type": "mistral", "sliding_window": 0"#, "sliding_window"),
            (r#""model_type": "llama", "rope_scaling": {"rope_type": "spiral"}"#, "rope_scaling"),
            (r#""model_type": "llama", "rope_scaling": {"rope_type": "linear", "factor": 0}"#, "rope_scaling"),
        ] {
            let error = parse(extra).unwrap_err().to_string();
            assert!(error.contains(field), "{error}");
        }
    }
}
