//! What completions and chats have in common: which system, how tokens are picked, where it ends.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use gac_ensemble::{AskedLogProbs, Decoding, Gating, Method, Sampling, SamplingError, Settings, Threshold, Weights};
use gac_inference::{TokenId, deserialize_named_option};
use serde::Deserialize;

use crate::catalog::{Catalog, ServedSystem};
use crate::error::ApiError;
use crate::input::OneOrMoreTexts;

/// Fields that completions and chats share.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct SharedFields {
    pub(crate) model: Option<String>,
    temperature: Option<f64>,
    top_p: Option<f64>,
    top_k: Option<i64>,
    min_p: Option<f64>,
    seed: Option<i64>,
    n: Option<usize>,
    best_of: Option<usize>,
    #[serde(default)]
    pub(crate) stop: OneOrMoreTexts,
    #[serde(default)]
    stream: Option<bool>,
    stream_options: Option<StreamOptions>,
    return_tokens_as_token_ids: Option<bool>,
    pub(crate) logprob_token_ids: Option<Vec<u32>>,
    gac: Option<GacField>,
}

#[derive(Clone, Debug, Default, Deserialize)]
struct StreamOptions {
    include_usage: Option<bool>,
}

/// The object `gac`: what a request says over its system's settings, and what it wants to be told.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct GacField {
    threshold: Option<f64>,
    #[serde(default, deserialize_with = "deserialize_named_option")]
    method: Option<Method>,
    weights: Option<Vec<f64>>,
    gate: Option<String>,
    trace: Option<bool>,
    /// With `echo`: how many tokens of the prompt are a context, of which nothing is told. Where it is not said, an ensemble
    /// takes the last line to be continued behind its label.
    context_tokens: Option<usize>,
}

/// Most tokens that can be named in `logprob_token_ids`, as in vLLM.
const MOST_IDS: usize = 128;

impl SharedFields {
    /// The system that is asked.
    pub(crate) fn system<'c>(&self, catalog: &'c Catalog) -> Result<&'c ServedSystem, ApiError> {
        let name = self.model.as_deref().filter(|name| !name.is_empty());
        catalog.system(name).ok_or_else(|| {
            let names = catalog.systems().iter().map(|system| system.name.as_str());
            ApiError::unknown_model(name.unwrap_or_default(), names)
        })
    }

    /// How many continuations of each prompt are wanted.
    pub(crate) fn count(&self) -> Result<usize, ApiError> {
        let count = self.n.unwrap_or(1);
        if count == 0 {
            return Err(ApiError::field("n", "`n` is 0: it has to be at least 1"));
        }
        if self.best_of.is_some_and(|best_of| best_of != count) {
            return Err(ApiError::field(
                "best_of",
                "`best_of` cannot be honoured: all continuations are given, `n` of them",
            ));
        }
        Ok(count)
    }

    pub(crate) fn streams(&self) -> bool {
        self.stream.unwrap_or(false)
    }

    pub(crate) fn includes_usage(&self) -> bool {
        self.stream_options.as_ref().is_some_and(|options| options.include_usage.unwrap_or(false))
    }

    pub(crate) fn tokens_as_ids(&self) -> bool {
        self.return_tokens_as_token_ids.unwrap_or(false)
    }

    pub(crate) fn traces(&self) -> bool {
        self.gac.as_ref().is_some_and(|gac| gac.trace.unwrap_or(false))
    }

    /// How many tokens of a prompt that is scored are its context, of which nothing is told.
    pub(crate) fn context_tokens(&self) -> Option<usize> {
        self.gac.as_ref()?.context_tokens
    }

    /// How the tokens of continuation `number` are picked; as the system's settings say where the request says nothing.
    pub(crate) fn decoding(&self, settings: &Settings, number: usize) -> Result<Option<Decoding>, ApiError> {
        let by_system = match settings.decoding() {
            Decoding::Sampled(sampling) => Some(sampling),
            Decoding::Greedy => None,
        };
        let sampling = match (self.temperature, by_system) {
            (Some(0.0), _) => return Ok(Some(Decoding::Greedy)),
            (Some(temperature), _) => Sampling::new(temperature, 0).map_err(|error| wrong(&error))?,
            (None, Some(sampling)) => sampling,
            // What cuts the distribution changes nothing about the most probable token.
            (None, None) => return Ok(None),
        };
        let sampling = match self.top_p {
            Some(top_p) => sampling.with_top_p(top_p).map_err(|error| wrong(&error))?,
            None => sampling,
        };
        let sampling = match self.top_k {
            None | Some(-1 | 0) => sampling,
            Some(top_k) => match usize::try_from(top_k) {
                Ok(top_k) => sampling.with_top_k(top_k).map_err(|error| wrong(&error))?,
                Err(_) => {
                    return Err(ApiError::field(
                        "top_k",
                        format!("`top_k` is {top_k}: it has to be at least 1, or -1 for all"),
                    ));
                }
            },
        };
        let sampling = match self.min_p {
            Some(min_p) => sampling.with_min_p(min_p).map_err(|error| wrong(&error))?,
            None => sampling,
        };
        let seed = match (self.seed, by_system) {
            (Some(seed), _) => seed as u64,
            (None, Some(sampling)) if self.temperature.is_none() => sampling.seed(),
            (None, _) => RandomState::new().build_hasher().finish(),
        };
        // Each continuation draws for itself.
        Ok(Some(Decoding::Sampled(sampling.with_seed(seed.wrapping_add(number as u64)))))
    }

    /// `settings` with what the request says over them.
    pub(crate) fn settings(&self, system: &ServedSystem, settings: &Arc<Settings>) -> Result<Arc<Settings>, ApiError> {
        let Some(gac) = &self.gac else { return Ok(Arc::clone(settings)) };
        let GacField { threshold, method, weights, gate, .. } = gac;
        if threshold.is_none() && method.is_none() && weights.is_none() && gate.is_none() {
            return Ok(Arc::clone(settings));
        }
        let at = |field: &'static str| move |error: ApiError| error.of(field);
        let mut changed = (**settings).clone();
        if let Some(weights) = weights {
            let weights = Weights::given(weights).map_err(|error| ApiError::field("gac.weights", error.to_string()))?;
            changed = changed.with_weights(weights).map_err(|error| at("gac.weights")(error.into()))?;
        }
        if let Some(method) = *method {
            changed = changed.with_method(method).map_err(|error| at("gac.method")(error.into()))?;
        }
        if threshold.is_some() || gate.is_some() {
            changed = changed.with_gating(gating(gac, system)?).map_err(|error| at("gac.gate")(error.into()))?;
        }
        Ok(Arc::new(changed))
    }

    /// What is told of each token: `top` of the most probable ones, or what `logprob_token_ids` names.
    pub(crate) fn asked(&self, top: usize, system: &ServedSystem) -> Result<AskedLogProbs, ApiError> {
        const FIELD: &str = "logprob_token_ids";
        let Some(ids) = &self.logprob_token_ids else { return Ok(AskedLogProbs { top, ids: Vec::new() }) };
        let rows = system.rows();
        if let Some(unknown) = ids.iter().find(|id| **id as usize >= rows) {
            let message = format!("`{FIELD}` names token {unknown}, which there is not. Vocabulary size: {rows}");
            return Err(ApiError::field(FIELD, message));
        }
        if ids.len() > MOST_IDS {
            return Err(ApiError::field(
                FIELD,
                format!("`{FIELD}` names {} tokens, max allowed: {MOST_IDS}", ids.len()),
            ));
        }
        Ok(AskedLogProbs { top: 0, ids: ids.iter().copied().map(TokenId).collect() })
    }
}

/// Who decides alone and when, as a request says.
fn gating(gac: &GacField, system: &ServedSystem) -> Result<Gating, ApiError> {
    let mut names = system.settings.ensemble().names();
    let (gate, certainty) = match (&gac.gate, system.gate) {
        (Some(name), known) => {
            let place = names.position(|member| member == name).ok_or_else(|| {
                let names: Vec<&str> = system.settings.ensemble().names().collect();
                ApiError::field("gac.gate", format!("`gac.gate` is `{name}`, which is none of {}", names.join(", ")))
            })?;
            (gac_ensemble::MemberId(place), known.map(|(_, certainty)| certainty).unwrap_or_default())
        }
        (None, Some(known)) => known,
        (None, None) => {
            let message = "`gac.threshold` is a gate's, and the system has none: name one with `gac.gate`";
            return Err(ApiError::field("gac.threshold", message));
        }
    };
    let Some(threshold) = gac.threshold else {
        return Err(ApiError::field("gac.gate", "`gac.gate` needs a threshold: `gac.threshold`, from 0 to 1"));
    };
    let threshold = Threshold::new(threshold).map_err(|error| ApiError::field("gac.threshold", error.to_string()))?;
    Ok(Gating::KeyTokens { gate, certainty, threshold })
}

/// The number of most probable tokens that `field` asks for: -1 for as many as are allowed.
pub(crate) fn list_length(
    field: &'static str,
    wanted: i64,
    most: Option<usize>,
    system: &ServedSystem,
) -> Result<usize, ApiError> {
    let rows = system.rows().max(system.settings.ensemble().union().len());
    match (usize::try_from(wanted), most) {
        (Ok(count), Some(most)) if count > most => Err(ApiError::field(
            field,
            format!("`{field}` is {count}, max allowed: {most} (the server's --max-logprobs)"),
        )),
        (Ok(count), _) => Ok(count.min(rows)),
        (Err(_), most) if wanted == -1 => Ok(most.unwrap_or(rows).min(rows)),
        (Err(_), _) => {
            Err(ApiError::field(field, format!("`{field}` is {wanted}: it has to be 0 or more, or -1 for all")))
        }
    }
}

fn wrong(error: &SamplingError) -> ApiError {
    let field = match error {
        SamplingError::Temperature { .. } => "temperature",
        SamplingError::TopP { .. } => "top_p",
        SamplingError::TopK => "top_k",
        SamplingError::MinP { .. } => "min_p",
    };
    ApiError::field(field, format!("`{field}`: {error}"))
}
