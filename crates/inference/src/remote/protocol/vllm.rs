//! vLLM's `/v1/completions`, which `gac serve` speaks too.
//!
//! Tokens come as `token_id:N`: its dictionaries by text lose tokens of the same text. Log-probabilities are those of the
//! whole vocabulary before any sampling parameter; -9999 stands for minus infinity.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde::{Deserialize, Serialize};

use super::{Abilities, Protocol, ServerAnswer, TokenQuery, ToldLogProbs, WantedList, sound_path};
use crate::ask::LogProbs;
use crate::id::TokenId;

/// What stands for minus infinity.
const LEAST: f64 = -9999.0;
/// What is listed of distributions within the tokens: such lists are long, and the tokens that follow come with them.
pub(in crate::remote) const WITHIN: usize = 5;

/// vLLM, or `gac serve`.
pub(in crate::remote) struct Vllm {
    pub(in crate::remote) model: String,
    pub(in crate::remote) abilities: Abilities,
}

#[derive(Serialize)]
struct VllmRequest<'a> {
    model: &'a str,
    prompt: &'a [TokenId],
    max_tokens: usize,
    logprobs: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    logprob_token_ids: Option<&'a [TokenId]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_logprobs: Option<usize>,
    return_tokens_as_token_ids: bool,
    /// The most probable token each time, and nothing that changes probabilities: the server's defaults may be those of
    /// the model's `generation_config.json`.
    temperature: f32,
    top_p: f32,
    top_k: i32,
    min_p: f32,
    repetition_penalty: f32,
    presence_penalty: f32,
    frequency_penalty: f32,
}

impl Protocol for Vllm {
    fn path(&self) -> &'static str {
        "/v1/completions"
    }

    fn body(&self, query: &TokenQuery, _slot: Option<usize>) -> Vec<u8> {
        let (logprobs, ids) = match &query.listing {
            WantedList::Top(count) if *count >= self.abilities.rows => (-1, None),
            WantedList::Top(count) => (*count as i64, None),
            WantedList::Ids(ids) => (ids.len() as i64, Some(&ids[..])),
        };
        let within = query.from < query.tokens.len();
        let request = VllmRequest {
            model: &self.model,
            prompt: &query.tokens,
            // It always generates.
            max_tokens: query.ahead.max(1),
            logprobs,
            logprob_token_ids: ids,
            prompt_logprobs: within.then(|| WITHIN.min(self.abilities.longest_list)),
            return_tokens_as_token_ids: true,
            temperature: 0.0,
            top_p: 1.0,
            top_k: -1,
            min_p: 0.0,
            repetition_penalty: 1.0,
            presence_penalty: 0.0,
            frequency_penalty: 0.0,
        };
        // A struct of numbers and texts always has a JSON form.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    fn answer(&self, query: &TokenQuery, body: &[u8]) -> Result<ServerAnswer, String> {
        let VllmResponse { choices: [choice] } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let LogProbsOfSteps { tokens, top_logprobs } = choice.logprobs.ok_or("no `logprobs`")?;
        let steps = tokens.into_iter().zip(top_logprobs).map(|(Token(token), WithIds(told))| {
            let told = match &query.listing {
                WantedList::Top(count) => ToldLogProbs::of_top(told, *count, &self.abilities),
                WantedList::Ids(ids) => ToldLogProbs::of_ids(told, ids, &self.abilities),
            };
            (token, told)
        });
        let path = if query.ahead == 0 { Vec::new() } else { sound_path(steps)? };
        let mut within = Vec::new();
        if query.from < query.tokens.len() {
            let lists = choice.prompt_logprobs.ok_or("no `prompt_logprobs`")?;
            if lists.len() != query.tokens.len() {
                return Err(format!("{} `prompt_logprobs` of {} tokens", lists.len(), query.tokens.len()));
            }
            let count = WITHIN.min(self.abilities.longest_list);
            for (list, &next) in lists.into_iter().zip(&query.tokens).skip(query.from) {
                let RankedIds(told) = list.ok_or("no list within `prompt_logprobs`")?;
                if !told.iter().any(|(id, _)| *id == next) {
                    return Err(format!("`prompt_logprobs` without token {}, which follows", next.0));
                }
                within.push(ToldLogProbs::of_top(told, count, &self.abilities)?);
            }
        }
        Ok(ServerAnswer { within, path })
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

#[derive(Deserialize)]
struct VllmResponse {
    choices: [Choice; 1],
}

#[derive(Deserialize)]
struct Choice {
    logprobs: Option<LogProbsOfSteps>,
    #[serde(default)]
    prompt_logprobs: Option<Vec<Option<RankedIds>>>,
}

#[derive(Deserialize)]
struct LogProbsOfSteps {
    tokens: Vec<Token>,
    top_logprobs: Vec<WithIds>,
}

/// `"token_id:17"`.
struct Token(TokenId);

impl<'de> Deserialize<'de> for Token {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(TokenVisitor { prefix: "token_id:" }).map(Self)
    }
}

/// Reads an id behind a prefix, without keeping the text.
struct TokenVisitor {
    prefix: &'static str,
}

impl Visitor<'_> for TokenVisitor {
    type Value = TokenId;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a token as `{}N`; does the server know `return_tokens_as_token_ids`?", self.prefix)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<TokenId, E> {
        let id = text.strip_prefix(self.prefix).and_then(|digits| digits.parse().ok());
        id.map(TokenId).ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))
    }
}

impl<'de> DeserializeSeed<'de> for TokenVisitor {
    type Value = TokenId;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<TokenId, D::Error> {
        deserializer.deserialize_str(self)
    }
}

/// `{"token_id:17": -0.5, ...}`
struct WithIds(LogProbs);

impl<'de> Deserialize<'de> for WithIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListVisitor { prefix: "token_id:", value: |log: f64| log }).map(Self)
    }
}

/// `{"17": {"logprob": -0.5, "rank": 3, "decoded_token": "x"}, ...}`
struct RankedIds(LogProbs);

impl<'de> Deserialize<'de> for RankedIds {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ListVisitor { prefix: "", value: |ranked: Ranked| ranked.logprob }).map(Self)
    }
}

#[derive(Deserialize)]
struct Ranked {
    logprob: f64,
}

struct ListVisitor<V> {
    prefix: &'static str,
    value: fn(V) -> f64,
}

impl<'de, V: Deserialize<'de>> Visitor<'de> for ListVisitor<V> {
    type Value = LogProbs;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("tokens with log-probabilities")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<LogProbs, A::Error> {
        let mut list = LogProbs::with_capacity(map.size_hint().unwrap_or(32));
        while let Some(id) = map.next_key_seed(TokenVisitor { prefix: self.prefix })? {
            let log = (self.value)(map.next_value()?);
            list.push((id, if log <= LEAST { f64::NEG_INFINITY } else { log }));
        }
        Ok(list)
    }
}
