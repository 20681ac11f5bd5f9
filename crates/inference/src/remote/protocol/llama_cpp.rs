//! llama.cpp's own `/completion`.
//!
//! Probabilities are a softmax in f32 over the whole vocabulary before any sampling parameter. The sum behind it is added
//! up in f32, token by token, so that all of them together may be off one by more than elsewhere. A probability too small
//! for an f32 comes as the least f32. Nothing is told within a prompt; the tokens whose distributions are wanted are
//! generated instead, one after the other, as a grammar of token ids (`<[17]>`, of late 2025) forces them. No token can be
//! named: whoever needs that asks for longer lists.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};

use super::{Abilities, Protocol, ServerAnswer, TokenQuery, ToldLogProbs, WantedList, sound_path};
use crate::ask::LogProbs;
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
    /// Left to itself, it takes a free slot that has the beginning of this prompt, be it another text's.
    #[serde(skip_serializing_if = "Option::is_none")]
    id_slot: Option<usize>,
    temperature: f32,
    /// None that changes which token is the most probable one.
    samplers: [&'static str; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    grammar: Option<String>,
    response_fields: [&'static str; 1],
}

#[derive(Deserialize)]
struct LlamaCppResponse {
    completion_probabilities: Vec<LlamaCppStep>,
}

#[derive(Deserialize)]
struct LlamaCppStep {
    id: u32,
    logprob: f64,
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

    fn body(&self, query: &TokenQuery, slot: Option<usize>) -> Vec<u8> {
        let forced = &query.tokens[query.from..];
        let request = LlamaCppRequest {
            prompt: &query.tokens[..query.from],
            n_predict: forced.len() + query.ahead,
            n_probs: self.count(query),
            cache_prompt: true,
            id_slot: slot,
            temperature: 0.0,
            samplers: ["temperature"],
            grammar: (!forced.is_empty()).then(|| grammar(forced)),
            response_fields: ["completion_probabilities"],
        };
        // A struct of numbers and texts always has a JSON form.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    fn answer(&self, query: &TokenQuery, body: &[u8]) -> Result<ServerAnswer, String> {
        let LlamaCppResponse { completion_probabilities } =
            serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let forced = &query.tokens[query.from..];
        if completion_probabilities.len() < forced.len() {
            return Err(format!("{} of {} tokens that were forced", completion_probabilities.len(), forced.len()));
        }
        let mut steps = completion_probabilities.into_iter();
        let within = forced.iter().zip(steps.by_ref()).map(|(&token, step)| self.forced(&step, token, query));
        let within = within.collect::<Result<Vec<_>, _>>()?;
        let path = steps.map(|LlamaCppStep { id, top_logprobs, .. }| {
            let told: LogProbs = top_logprobs.iter().map(LlamaCppEntry::pair).collect();
            let told = ToldLogProbs::of_top(told, self.count(query), &self.abilities);
            // Behind the forced tokens the grammar allows the end alone.
            let most_probable = told.as_ref().ok().filter(|_| !forced.is_empty()).and_then(|told| told.top.first());
            (most_probable.map_or(TokenId(id), |(token, _)| *token), told)
        });
        let path = if query.ahead == 0 { Vec::new() } else { sound_path(path)? };
        Ok(ServerAnswer { within, path })
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

impl LlamaCpp {
    /// The distribution of a step at which `token` was forced.
    fn forced(&self, step: &LlamaCppStep, token: TokenId, query: &TokenQuery) -> Result<ToldLogProbs, String> {
        if step.id != token.0 {
            return Err(format!("token {}, where {} was forced", step.id, token.0));
        }
        let mut told: LogProbs = step.top_logprobs.iter().map(LlamaCppEntry::pair).collect();
        if !told.iter().any(|(id, _)| *id == token) {
            told.push((token, log_prob(step.logprob)));
        }
        ToldLogProbs::of_top(told, self.count(query), &self.abilities)
    }

    /// A list of everything has the tokens that are named.
    fn count(&self, query: &TokenQuery) -> usize {
        match &query.listing {
            WantedList::Top(count) => self.abilities.rows.min(*count),
            WantedList::Ids(_) => self.abilities.rows,
        }
    }
}

impl LlamaCppEntry {
    fn pair(&self) -> (TokenId, f64) {
        (TokenId(self.id), log_prob(self.logprob))
    }
}

fn log_prob(told: f64) -> f64 {
    if told < LEAST { f64::NEG_INFINITY } else { told }
}

/// Allows these tokens one after the other.
fn grammar(tokens: &[TokenId]) -> String {
    let mut grammar = String::from("root ::=");
    for TokenId(id) in tokens {
        // Writing to a string cannot fail.
        let _ = write!(grammar, " <[{id}]>");
    }
    grammar
}
