//! SGLang's own `/generate`.
//!
//! `logprob_start_len` says from where on within the prompt it tells distributions, so that the beginning stays in its
//! cache. The prompt's lists come as two flat arrays in base64 where the server can do that (values f32, ids i32, both
//! little-endian), else nested; those of generated tokens are nested: `[log-probability, id, text]`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use super::{Abilities, Protocol, ServerAnswer, TokenQuery, ToldLogProbs, WantedList, sound_path};
use crate::ask::LogProbs;
use crate::id::TokenId;

/// What is listed of distributions within the tokens.
const WITHIN: usize = 20;

/// SGLang.
pub(in crate::remote) struct Sglang {
    pub(in crate::remote) abilities: Abilities,
}

#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "SGLang's own switches")]
struct SglangRequest<'a> {
    input_ids: &'a [TokenId],
    sampling_params: SglangSampling,
    return_logprob: bool,
    logprob_start_len: i64,
    top_logprobs_num: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    token_ids_logprob: Option<&'a [TokenId]>,
    return_text_in_logprobs: bool,
    return_flat_raw_top_logprobs: bool,
    return_flat_raw_top_logprobs_b64: bool,
}

#[derive(Serialize)]
struct SglangSampling {
    max_new_tokens: usize,
    temperature: f32,
    top_p: f32,
    top_k: i32,
    min_p: f32,
    repetition_penalty: f32,
    presence_penalty: f32,
    frequency_penalty: f32,
}

#[derive(Deserialize)]
struct SglangResponse {
    meta_info: Meta,
}

#[derive(Deserialize)]
struct Meta {
    output_token_logprobs: Vec<SglangEntry>,
    #[serde(default)]
    output_top_logprobs: Option<Vec<Option<Vec<SglangEntry>>>>,
    #[serde(default)]
    output_token_ids_logprobs: Option<Vec<Option<Vec<SglangEntry>>>>,
    #[serde(default)]
    input_token_logprobs: Option<Vec<SglangEntry>>,
    #[serde(default)]
    input_top_logprobs: Option<Vec<Option<Vec<SglangEntry>>>>,
    #[serde(default)]
    input_top_logprobs_shape: Option<[usize; 2]>,
    #[serde(default)]
    input_top_logprobs_val_flat: Option<Vec<f64>>,
    #[serde(default)]
    input_top_logprobs_idx_flat: Option<Vec<u32>>,
    #[serde(default)]
    input_top_logprobs_val_flat_b64: Option<String>,
    #[serde(default)]
    input_top_logprobs_idx_flat_b64: Option<String>,
}

/// A log-probability, an id and its text. Minus infinity has no number in JSON; the first token of a prompt has none.
#[derive(Deserialize)]
struct SglangEntry(Option<f64>, u32, IgnoredAny);

impl SglangEntry {
    fn pair(&self) -> (TokenId, f64) {
        (TokenId(self.1), self.0.unwrap_or(f64::NEG_INFINITY))
    }
}

fn pairs(entries: &[SglangEntry]) -> LogProbs {
    entries.iter().map(SglangEntry::pair).collect()
}

impl Protocol for Sglang {
    fn path(&self) -> &'static str {
        "/generate"
    }

    fn body(&self, query: &TokenQuery, _slot: Option<usize>) -> Vec<u8> {
        let within = query.from < query.tokens.len();
        let (count, ids) = match &query.listing {
            WantedList::Top(count) => (*count, None),
            WantedList::Ids(ids) => (0, Some(&ids[..])),
        };
        let request = SglangRequest {
            input_ids: &query.tokens,
            sampling_params: SglangSampling {
                max_new_tokens: query.ahead.max(1),
                temperature: 0.0,
                top_p: 1.0,
                top_k: -1,
                min_p: 0.0,
                repetition_penalty: 1.0,
                presence_penalty: 0.0,
                frequency_penalty: 0.0,
            },
            return_logprob: true,
            // The first place that it names has no distribution: that is where its forward begins.
            logprob_start_len: if within { query.from as i64 - 1 } else { -1 },
            top_logprobs_num: if within { count.min(WITHIN) } else { count },
            token_ids_logprob: ids,
            return_text_in_logprobs: false,
            return_flat_raw_top_logprobs: within,
            return_flat_raw_top_logprobs_b64: within,
        };
        // A struct of numbers and texts always has a JSON form.
        serde_json::to_vec(&request).unwrap_or_default()
    }

    fn answer(&self, query: &TokenQuery, body: &[u8]) -> Result<ServerAnswer, String> {
        let SglangResponse { meta_info: meta } = serde_json::from_slice(body).map_err(|error| error.to_string())?;
        let inside = query.tokens.len() - query.from;
        let lists = match &query.listing {
            WantedList::Top(_) => meta.output_top_logprobs.as_ref().ok_or("no `output_top_logprobs`")?,
            WantedList::Ids(_) => meta.output_token_ids_logprobs.as_ref().ok_or("no `output_token_ids_logprobs`")?,
        };
        let steps = meta.output_token_logprobs.iter().zip(lists).map(|(chosen, list)| {
            let told = list.as_deref().map(pairs).unwrap_or_default();
            let told = match &query.listing {
                WantedList::Top(count) if inside > 0 => ToldLogProbs::of_top(told, WITHIN.min(*count), &self.abilities),
                WantedList::Top(count) => ToldLogProbs::of_top(told, *count, &self.abilities),
                WantedList::Ids(ids) => ToldLogProbs::of_ids(told, ids, &self.abilities),
            };
            (TokenId(chosen.1), told)
        });
        let path = if query.ahead == 0 { Vec::new() } else { sound_path(steps)? };
        let within = if inside > 0 { self.within(query, &meta, inside)? } else { Vec::new() };
        Ok(ServerAnswer { within, path })
    }

    fn abilities(&self) -> Abilities {
        self.abilities
    }
}

impl Sglang {
    /// The last `inside` distributions of the prompt, each with the token that follows.
    fn within(&self, query: &TokenQuery, meta: &Meta, inside: usize) -> Result<Vec<ToldLogProbs>, String> {
        let last = |count: usize| count.checked_sub(inside).ok_or_else(|| format!("{count} lists, not {inside}"));
        let chosen = meta.input_token_logprobs.as_ref().ok_or("no `input_token_logprobs`")?;
        let chosen = &chosen[last(chosen.len())?..];
        let lists = meta.input_lists()?;
        let lists = &lists[last(lists.len())?..];
        let WantedList::Top(count) = query.listing else { return Err(String::from("ids within a prompt")) };
        let next = &query.tokens[query.from..];
        let told = chosen.iter().zip(lists).zip(next).map(|((chosen, list), next)| {
            let (token, log) = chosen.pair();
            if token != *next {
                return Err(format!("token {} where {} is", token.0, next.0));
            }
            let mut told = list.clone();
            if !told.iter().any(|(id, _)| *id == token) {
                told.push((token, log));
            }
            ToldLogProbs::of_top(told, WITHIN.min(count), &self.abilities)
        });
        told.collect()
    }
}

impl Meta {
    /// The prompt's lists, in whatever form they come; a leading one may lack.
    fn input_lists(&self) -> Result<Vec<LogProbs>, String> {
        if let Some(lists) = &self.input_top_logprobs {
            return Ok(lists.iter().map(|list| list.as_deref().map(pairs).unwrap_or_default()).collect());
        }
        let Some([_, width]) = self.input_top_logprobs_shape else {
            return Err(String::from("no `input_top_logprobs`"));
        };
        let words_of = (&self.input_top_logprobs_val_flat_b64, &self.input_top_logprobs_idx_flat_b64);
        let (values, ids) = if let (Some(values), Some(ids)) = words_of {
            let values = words(values)?.into_iter().map(|word| f64::from(f32::from_bits(word))).collect();
            (values, words(ids)?)
        } else {
            let missing = "no `input_top_logprobs_val_flat`";
            let values = self.input_top_logprobs_val_flat.clone().ok_or(missing)?;
            (values, self.input_top_logprobs_idx_flat.clone().ok_or(missing)?)
        };
        if values.len() != ids.len() || width == 0 || !values.len().is_multiple_of(width) {
            return Err(format!("{} values and {} ids in rows of {width}", values.len(), ids.len()));
        }
        let entries: LogProbs = ids.into_iter().map(TokenId).zip(values).collect();
        Ok(entries.chunks(width).map(<[_]>::to_vec).collect())
    }
}

/// Little-endian words of 32 bits.
fn words(text: &str) -> Result<Vec<u32>, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let (words, rest) = bytes.as_chunks::<4>();
    if rest.is_empty() {
        Ok(words.iter().map(|word| u32::from_le_bytes(*word)).collect())
    } else {
        Err(format!("{} bytes, which are no words of four", bytes.len()))
    }
}
