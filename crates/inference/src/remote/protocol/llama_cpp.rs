//! llama.cpp's own `/completion`.
//!
//! Probabilities are a softmax in f32 over the whole vocabulary before any sampling parameter. The sum behind it is added
//! up in f32, token by token, so that all of them together may be off one by more than elsewhere. A probability too small
//! for an f32 comes as the least f32. Nothing is told within a prompt, and no token can be named: whoever needs that asks
//! several times, or for a list of everything.

use serde::{Deserialize, Serialize};

use super::{Abilities, LogProbs, Protocol, ServerAnswer, TokenQuery, ToldLogProbs, WantedList, sound_path};
use crate::id::TokenId;

/// Logarithms of probabilities that an f32 cannot hold are below this.
const LEAST: f64 = -1e6;

/// `llama-server`.
pub(in crate::remote) struct LlamaCpp {
    pub(in crate::remote) abilities: Abilities,
}

#[derive(Serialize)]
struct LlamaCppRequest<'a> {
    prompt: &'a [TokenId],
    n_predict: usize,
    n_probs: usize,
    cache_prompt: bool,
    temperature: f32,
    /// None that changes which token is the most probable one.
    samplers: [&'static str; 1],
    response_fields: [&'static str; 1],
}

#[derive(Deserialize)]
struct LlamaCppResponse {
    completion_probabilities: Vec<LlamaCppStep>,
}

#[derive(Deserialize)]
struct LlamaCppStep {
    id: u32,
    top_logprobs: Vec<LlamaCppEntry>,
}

#[derive(Deserialize)]
struct LlamaCppEntry {
    id: u32,
    logprob: f64,
}

impl Protocol for LlamaCpp {
    fn path(&self) -> &'static str {
        "/completion"
    }

    fn body(&self, query: &TokenQuery) -> Vec<u8> {
        let request = LlamaCppRequest {
            prompt: &query.tokens,
            n_predict: query.ahead,
            n_probs: self.count(query),
            cache_prompt: true,
            temperature: 0.0,
            samplers: ["temperature"],
            response_fields: ["completion_probabilities"],
        };
        // A struct of numbers and texts always has a JSON form.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    fn answer(&self, query: &TokenQuery, body: &[u8]) -> Result<ServerAnswer, String> {
        let LlamaCppResponse { completion_probabilities } =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let steps = completion_probabilities.into_iter().map(|LlamaCppStep { id, top_logprobs }| {
            let told: LogProbs = top_logprobs.iter().map(|entry| (TokenId(entry.id), entry.log_prob())).collect();
            (TokenId(id), ToldLogProbs::of_top(told, self.count(query), &self.abilities))
        });
        Ok(ServerAnswer { within: Vec::new(), path: sound_path(steps)? })
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

impl LlamaCpp {
    /// A list of everything has the tokens that are named.
    fn count(&self, query: &TokenQuery) -> usize {
        match &query.listing {
            WantedList::Top(count) => self.abilities.rows.min(*count),
            WantedList::Ids(_) => self.abilities.rows,
        }
    }
}

impl LlamaCppEntry {
    fn log_prob(&self) -> f64 {
        if self.logprob < LEAST { f64::NEG_INFINITY } else { self.logprob }
    }
}
