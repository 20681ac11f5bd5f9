//! `config.json` or GGUF metadata to a [`DecoderConfig`], as its architecture has it.

use std::path::Path;

use serde_json::{Map, Value};

use super::architecture::Architecture;
use super::architectures;
use super::decoder::{Activation, Caps, DecoderConfig, NormConfig, NormKind};
use super::fields::Problem;
use super::names::TensorNames;
use super::raw::RawConfig;
use super::rope::RopeScaling;
use super::rope_scaling;
use crate::checkpoint::config_file::ConfigFile;
use crate::checkpoint::error::CheckpointError;
use crate::checkpoint::gguf::Gguf;
use crate::checkpoint::multimodal::language_config;
use crate::checkpoint::quantised::refuse_configured;

impl DecoderConfig {
    /// Reads and checks `config.json`.
    ///
    /// # Errors
    /// An unknown architecture (naming those that are known), quantised weights, or a field that is missing, of another
    /// kind or out of range.
    pub fn load(path: &Path) -> Result<Self, CheckpointError> {
        Self::of_file(ConfigFile::read(path)?)
    }

    /// The configuration that a `config.json` describes.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn of_file(config: ConfigFile) -> Result<Self, CheckpointError> {
        let architecture = find(&config)?;
        refuse_configured(config.fields(), config.path())?;
        let (fields, path) = config.into_parts();
        Self::of(architecture, &language_config(fields, &path)?, &path)
    }

    /// The configuration of a GGUF file.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub(crate) fn of_gguf(gguf: &Gguf) -> Result<Self, CheckpointError> {
        let config = ConfigFile::new(gguf.config()?, gguf.path());
        let mut decoder = Self::of(find(&config)?, config.fields(), gguf.path())?;
        let family = gguf.family()?;
        decoder.names = TensorNames::of_gguf(family.architecture);
        decoder.tied_embeddings = None;
        if decoder.norm.kind == NormKind::RmsFromOne {
            // The converter adds the one.
            decoder.norm.kind = NormKind::Rms;
        }
        for rope in &mut decoder.ropes {
            rope.style = family.style.unwrap_or(rope.style);
            let divisors =
                gguf.values("rope_freqs.weight").map_err(|e| gguf.problem("rope_freqs.weight", e.to_string()))?;
            if let Some(divisors) = divisors {
                if divisors.len() != rope.width / 2 {
                    let problem = format!("has {} values, must have {}", divisors.len(), rope.width / 2);
                    return Err(gguf.problem("rope_freqs.weight", problem));
                }
                rope.scaling = RopeScaling::Divided { by: divisors };
            }
        }
        Ok(decoder)
    }

    fn of(architecture: &Architecture, config: &Map<String, Value>, path: &Path) -> Result<Self, CheckpointError> {
        RawConfig::read(config)
            .and_then(|raw| resolve(architecture, &raw))
            .map_err(|(field, problem)| CheckpointError::Config { field, path: path.display().to_string(), problem })
    }
}

fn find(config: &ConfigFile) -> Result<&'static Architecture, CheckpointError> {
    let name = config.model_type().unwrap_or("(no `model_type`)");
    architectures::find(name).ok_or_else(|| CheckpointError::UnknownArchitecture {
        name: name.to_owned(),
        path: config.path().display().to_string(),
        known: architectures::architectures().collect(),
    })
}

fn resolve(architecture: &Architecture, raw: &RawConfig) -> Result<DecoderConfig, Problem> {
    let defaults = &architecture.defaults;
    let vocabulary = raw.vocab_size.unwrap_or(defaults.vocabulary);
    let heads = raw.num_attention_heads.unwrap_or(defaults.heads);
    check_sizes(raw, vocabulary, heads)?;
    let kv_heads = raw.num_key_value_heads.or(defaults.kv_heads, None).unwrap_or(heads);
    if kv_heads == 0 || !heads.is_multiple_of(kv_heads) {
        return Err(("num_key_value_heads", format!("is {kv_heads}, must divide the {heads} attention heads")));
    }
    let head_dim = raw.head_dim.or(defaults.head_dim, None).unwrap_or(raw.hidden_size / heads);
    if head_dim == 0 || !head_dim.is_multiple_of(2) || head_dim > 1 << 16 {
        return Err(("head_dim", format!("is {head_dim}, must be even and positive")));
    }
    let context = raw.max_position_embeddings.unwrap_or(defaults.context);
    if context == 0 {
        return Err(("max_position_embeddings", "is 0, must be positive".to_owned()));
    }
    if raw.use_bidirectional_attention == Some(true) {
        let problem = "is true: it is an encoder, in which tokens see those after them; it must be false or absent";
        return Err(("use_bidirectional_attention", problem.to_owned()));
    }
    let layers = architecture.layers(raw)?;
    if layers.iter().any(|layer| layer.window == Some(0)) {
        return Err(("sliding_window", "is 0, must be positive or null".to_owned()));
    }
    let ropes = rope_scaling::ropes(architecture, raw, head_dim, context)?;
    let norm = NormConfig { kind: architecture.norm, epsilon: (architecture.epsilon)(raw).unwrap_or(defaults.epsilon) };
    if !(norm.epsilon.is_finite() && norm.epsilon >= 0.0) {
        return Err(("rms_norm_eps", format!("is {}, must be a small positive number", norm.epsilon)));
    }
    Ok(DecoderConfig {
        vocabulary,
        hidden: raw.hidden_size,
        heads,
        kv_heads,
        head_dim,
        layers,
        norm,
        block: (architecture.block)(raw),
        query_key_norm: (architecture.query_key_norm)(raw),
        ropes,
        biases: (architecture.biases)(raw),
        activation: architecture.activation(raw)?,
        attention_scale: (architecture.attention_scale)(raw, head_dim),
        caps: architecture.soft_caps(raw)?,
        multipliers: (architecture.multipliers)(raw),
        tied_embeddings: raw.tie_word_embeddings.or(defaults.tied),
        context,
        names: architecture.names,
    })
}

fn check_sizes(raw: &RawConfig, vocabulary: usize, heads: usize) -> Result<(), Problem> {
    for (field, value, most) in [
        ("vocab_size", vocabulary, 1 << 24),
        ("hidden_size", raw.hidden_size, 1 << 20),
        ("intermediate_size", raw.intermediate_size, 1 << 24),
        ("num_hidden_layers", raw.num_hidden_layers, 4096),
        ("num_attention_heads", heads, 1 << 16),
    ] {
        if value == 0 || value > most {
            return Err((field, format!("is {value}, must be within 1..={most}")));
        }
    }
    Ok(())
}

impl Architecture {
    /// The MLPs' activation.
    fn activation(&self, raw: &RawConfig) -> Result<Activation, Problem> {
        let (field, name) = match (&raw.hidden_activation, &raw.hidden_act) {
            (Some(name), _) => ("hidden_activation", name.as_str()),
            (None, Some(name)) if self.gelu_is_tanh && name == "gelu" => ("hidden_act", "gelu_pytorch_tanh"),
            (None, Some(name)) => ("hidden_act", name.as_str()),
            (None, None) => ("hidden_act", self.defaults.activation),
        };
        match name {
            "silu" | "swish" => Ok(Activation::Silu),
            "gelu" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Ok(Activation::GeluTanh),
            other => {
                Err((field, format!("is `{other}`; known are silu, gelu, gelu_new, gelu_fast, gelu_pytorch_tanh")))
            }
        }
    }

    /// The soft caps.
    fn soft_caps(&self, raw: &RawConfig) -> Result<Caps, Problem> {
        let caps = self.caps.map_or_else(Caps::default, |default| Caps {
            attention: raw.attn_logit_softcapping.or(default.attention, None),
            logits: raw.final_logit_softcapping.or(default.logits, None),
        });
        for (field, cap) in [("attn_logit_softcapping", caps.attention), ("final_logit_softcapping", caps.logits)] {
            if cap.is_some_and(|cap| !(cap.is_finite() && cap > 0.0)) {
                return Err((field, format!("is {}, must be positive or null", cap.unwrap_or_default())));
            }
        }
        Ok(caps)
    }
}
