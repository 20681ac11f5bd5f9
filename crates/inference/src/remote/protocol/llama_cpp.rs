//! llama.cpp's own `/completion`.
//!
//! Probabilities are a softmax in f32 over the whole vocabulary before any sampling parameter. The sum behind it is added
//! up in f32, token by token, so that all of them together may be off one by more than elsewhere. A probability too small
//! for an f32 comes as the least f32. Nothing is told within a prompt, and no token can be named: whoever needs that asks
//! several times, or for a list of everything.

use serde::{Deserialize, Serialize};

use super::{Abilities, Answer, Listing, LogProbs, Protocol, Query, Told, sound_path};
use crate::TokenId;

/// Logarithms of probabilities that an f32 cannot hold are below this.
const LEAST: f64 = -1e6;

/// `llama-server`.
pub(in crate::remote) struct LlamaCpp {
    pub(in crate::remote) abilities: Abilities,
}

#[derive(Serialize)]
struct Request<'a> {
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
struct Response {
    completion_probabilities: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    id: u32,
    top_logprobs: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    id: u32,
    logprob: f64,
}

impl Protocol for LlamaCpp {
    fn path(&self) -> &'static str {
        "/completion"
    }

    fn body(&self, query: &Query<'_>) -> Vec<u8> {
        let request = Request {
            prompt: query.tokens,
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

    fn answer(&self, query: &Query<'_>, body: &[u8]) -> Result<Answer, String> {
        let Response { completion_probabilities } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let steps = completion_probabilities.into_iter().map(|Step { id, top_logprobs }| {
            let told: LogProbs = top_logprobs.iter().map(|entry| (TokenId(entry.id), entry.log_prob())).collect();
            (TokenId(id), Told::of_top(told, self.count(query), &self.abilities))
        });
        Ok(Answer { within: Vec::new(), path: sound_path(steps)? })
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

impl LlamaCpp {
    /// A list of everything has the tokens that are named.
    fn count(&self, query: &Query<'_>) -> usize {
        match query.listing {
            Listing::Top(count) => count.min(self.abilities.rows),
            Listing::Ids(_) => self.abilities.rows,
        }
    }
}

impl Entry {
    fn log_prob(&self) -> f64 {
        if self.logprob < LEAST { f64::NEG_INFINITY } else { self.logprob }
    }
}
