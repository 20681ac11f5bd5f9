//! What the engines answer.

use std::collections::BTreeMap;
use std::sync::Mutex;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use gac_inference::{Distribution, Extension, LanguageModel, Symbol, TokenId, Tokenizer, Wanted};
use serde_json::{Value, json};

/// How a server speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TestEngine {
    /// As vLLM.
    Vllm,
    /// As an older vLLM, which cannot be asked about named tokens.
    OldVllm,
    /// As SGLang, whose prompts' lists come flat.
    Sglang,
    /// As an older SGLang, whose prompts' lists are nested.
    OldSglang,
    /// As llama.cpp's server.
    LlamaCpp,
    /// As `gac serve`.
    Gac,
}

/// How a server was set up.
#[derive(Clone, Debug)]
pub struct ServerSetup {
    /// The model's name.
    pub name: String,
    /// Other models that it has.
    pub others: Vec<String>,
    /// vLLM's `--max-logprobs`, -1 for all.
    pub max_logprobs: i64,
    /// vLLM's `--max-model-len`, SGLang's `--context-length`.
    pub context: usize,
    /// What `Authorization` has to be.
    pub key: Option<String>,
    /// The version that it tells.
    pub version: String,
    /// Whether its log-probabilities are none: vLLM's `--logprobs-mode raw_logits`.
    pub logits: bool,
    /// Files that it hands over, as `gac serve` does.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl Default for ServerSetup {
    fn default() -> Self {
        Self {
            name: "served".into(),
            others: Vec::new(),
            max_logprobs: -1,
            context: 2048,
            key: None,
            version: "1.2.3".into(),
            logits: false,
            files: BTreeMap::new(),
        }
    }
}

/// Places of a context that SGLang keeps free: a prompt has to be shorter than the rest.
const SGLANG_FREE: usize = 6;

pub(crate) struct Served {
    engine: TestEngine,
    model: Mutex<Box<dyn LanguageModel>>,
    tokenizer: Tokenizer,
    rows: usize,
    limits: ServerSetup,
}

/// An error's body.
pub(crate) fn error(status: u16, message: &str) -> Vec<u8> {
    json!({ "error": { "message": message, "code": status } }).to_string().into_bytes()
}

type AnswerOrRefusal = Result<Value, (u16, String)>;

fn refused<T>(message: impl Into<String>) -> Result<T, (u16, String)> {
    Err((400, message.into()))
}

impl Served {
    pub(crate) fn new(
        engine: TestEngine,
        model: Box<dyn LanguageModel>,
        tokenizer: Tokenizer,
        limits: ServerSetup,
    ) -> Self {
        let rows = model.limits().vocabulary;
        Self { engine, model: Mutex::new(model), tokenizer, rows, limits }
    }

    pub(crate) fn is_for_tokens(&self, path: &str) -> bool {
        path == self.path()
    }

    fn path(&self) -> &'static str {
        match self.engine {
            TestEngine::Vllm | TestEngine::OldVllm | TestEngine::Gac => "/v1/completions",
            TestEngine::Sglang | TestEngine::OldSglang => "/generate",
            TestEngine::LlamaCpp => "/completion",
        }
    }

    pub(crate) fn answer(&self, method: &str, path: &str, body: &Value, short: bool) -> (u16, Vec<u8>) {
        if let Some(file) = path.strip_prefix(&format!("/gac/members/{}/files/", self.limits.name)) {
            return match self.limits.files.get(file) {
                Some(bytes) if self.engine == TestEngine::Gac => (200, bytes.clone()),
                _ => (404, error(404, "Not Found")),
            };
        }
        let answer = match (method, path) {
            ("GET", "/v1/models") => Ok(self.models()),
            ("GET", _) => self.information(path),
            ("POST", "/tokenize") => self.tokenize(body),
            ("POST", _) if self.is_for_tokens(path) => match self.engine {
                TestEngine::Vllm | TestEngine::OldVllm | TestEngine::Gac => self.vllm(body, short),
                TestEngine::Sglang | TestEngine::OldSglang => self.sglang(body),
                TestEngine::LlamaCpp => self.llama_cpp(body),
            },
            _ => Err((404, "Not Found".into())),
        };
        match answer {
            Ok(value) => (200, value.to_string().into_bytes()),
            Err((status, message)) => (status, error(status, &message)),
        }
    }

    fn models(&self) -> Value {
        let owner = match self.engine {
            TestEngine::Vllm | TestEngine::OldVllm => "vllm",
            TestEngine::Sglang | TestEngine::OldSglang => "sglang",
            TestEngine::LlamaCpp => "llamacpp",
            TestEngine::Gac => "gac",
        };
        let card = |name: &String| match self.engine {
            TestEngine::LlamaCpp => json!({ "id": name, "owned_by": owner, "meta": {
                "n_vocab": self.rows, "n_params": 1_000_000, "ftype": "F32"
            }}),
            _ => {
                json!({ "id": name, "owned_by": owner, "root": name, "parent": null, "max_model_len": self.limits.context })
            }
        };
        let names = std::iter::once(&self.limits.name).chain(&self.limits.others);
        json!({ "object": "list", "data": names.map(card).collect::<Vec<_>>() })
    }

    fn information(&self, path: &str) -> AnswerOrRefusal {
        let version = &self.limits.version;
        match (self.engine, path) {
            (TestEngine::Vllm | TestEngine::OldVllm, "/version") => Ok(json!({ "version": version })),
            (TestEngine::Gac, "/version") => Ok(json!({ "version": version, "engine": "gac" })),
            (TestEngine::Sglang, "/server_info") | (TestEngine::OldSglang, "/get_server_info") => Ok(json!({
                "version": version, "model_path": self.limits.name, "dtype": "auto", "revision": null,
                "context_length": null, "tp_size": 8, "max_req_input_len": self.limits.context - SGLANG_FREE
            })),
            (TestEngine::LlamaCpp, "/props") => Ok(json!({
                "build_info": version, "model_path": self.limits.name, "total_slots": 4,
                "default_generation_settings": { "n_ctx": self.limits.context, "params": { "temperature": 0.8 } }
            })),
            _ => Err((404, "Not Found".into())),
        }
    }

    /// Control symbols in a text are themselves.
    fn tokenize(&self, body: &Value) -> AnswerOrRefusal {
        let key = if self.engine == TestEngine::LlamaCpp { "content" } else { "prompt" };
        let text = body[key].as_str().ok_or((400, format!("no `{key}`")))?;
        let control = self.tokenizer.vocabulary().iter().find(|(_, symbol)| match symbol {
            Symbol::Control { name } => &**name == text,
            _ => false,
        });
        let ids = match control {
            Some((id, _)) => vec![id],
            None => self.tokenizer.encoder().encode_without_special(text).map_err(|error| (400, error.to_string()))?,
        };
        Ok(json!({ "tokens": ids, "count": ids.len() }))
    }

    /// The distributions after each of `tokens`.
    fn distributions(&self, tokens: &[TokenId]) -> Result<Vec<Distribution>, (u16, String)> {
        let mut model = self.model.lock().unwrap();
        let sequence = model.open(&[]).unwrap();
        let extension = Extension { sequence, tokens, wanted: Wanted::All };
        let told = model.extend(&[extension]).map_err(|error| (400, error.to_string()));
        model.close(sequence);
        Ok(told?.remove(0))
    }

    /// Greedy tokens behind `tokens` with the distributions that they were taken from, until the text ends.
    fn greedy(&self, tokens: &[TokenId], most: usize) -> Result<Vec<(TokenId, Distribution)>, (u16, String)> {
        let mut tokens = tokens.to_vec();
        let mut path = Vec::new();
        for _ in 0..most {
            let distribution = self.distributions(&tokens)?.pop().unwrap();
            let next = distribution.top().0;
            tokens.push(next);
            path.push((next, distribution));
            if self.tokenizer.vocabulary().is_end(next) {
                break;
            }
        }
        Ok(path)
    }

    /// Steps that go by `forced` tokens, and end behind them; greedy ones where there are none.
    fn path_of(
        &self,
        tokens: &[TokenId],
        forced: &[TokenId],
        most: usize,
    ) -> Result<Vec<(TokenId, Distribution)>, (u16, String)> {
        if forced.is_empty() {
            return self.greedy(tokens, most);
        }
        let whole: Vec<TokenId> = tokens.iter().chain(forced).copied().collect();
        let all = self.distributions(&whole)?.split_off(tokens.len() - 1);
        let end =
            self.tokenizer.vocabulary().iter().map(|(id, _)| id).find(|id| self.tokenizer.vocabulary().is_end(*id));
        let next = forced.iter().copied().chain(end);
        Ok(next.zip(all).take(most).collect())
    }

    fn prompt(&self, value: &Value, most: usize) -> Result<Vec<TokenId>, (u16, String)> {
        let ids: Option<Vec<u64>> = value.as_array().map(|ids| ids.iter().filter_map(Value::as_u64).collect());
        let ids = ids.filter(|ids| !ids.is_empty()).ok_or((400, "the prompt is no list of ids".to_owned()))?;
        if let Some(id) = ids.iter().find(|id| **id >= self.rows as u64) {
            return refused(format!("Token id {id} is out of vocabulary"));
        }
        if ids.len() + most > self.limits.context {
            return refused(format!("{} tokens and {most} more, where {} fit", ids.len(), self.limits.context));
        }
        Ok(ids.into_iter().map(|id| TokenId(id as u32)).collect())
    }

    fn vllm(&self, body: &Value, short: bool) -> AnswerOrRefusal {
        if body["model"] != self.limits.name.as_str() {
            return Err((404, format!("The model `{}` does not exist.", body["model"])));
        }
        let count = body["logprobs"].as_i64().ok_or((400, "no `logprobs`".to_owned()))?;
        let ids: Option<Vec<u64>> = body["logprob_token_ids"]
            .as_array()
            .filter(|_| self.engine != TestEngine::OldVllm)
            .map(|ids| ids.iter().filter_map(Value::as_u64).collect());
        if let Some(id) = ids.iter().flatten().find(|id| **id >= self.rows as u64) {
            return refused(format!(
                "token_id(s) [{id}] in logprob_token_ids contain out-of-vocab token ids. Vocabulary size: {}",
                self.rows
            ));
        }
        let most = if self.limits.max_logprobs < 0 { self.rows } else { self.limits.max_logprobs as usize };
        let wanted = if count < 0 { self.rows } else { count as usize };
        if ids.is_none() && wanted > most {
            return refused(format!(
                "Requested sample logprobs of {wanted}, which is greater than max allowed: {most}"
            ));
        }
        let steps = body["max_tokens"].as_u64().unwrap_or(16) as usize;
        if steps == 0 {
            return refused("max_tokens must be at least 1, got 0.");
        }
        let prompt = self.prompt(&body["prompt"], steps)?;
        let path = self.greedy(&prompt, steps)?;
        let named = |id: TokenId| format!("token_id:{}", id.0);
        let lists: Vec<Value> = path
            .iter()
            .map(|(token, distribution)| {
                let mut list: Vec<TokenId> = vec![*token];
                match &ids {
                    _ if short => list.push(TokenId(0)),
                    Some(ids) => list.extend(ids.iter().map(|id| TokenId(*id as u32))),
                    None => list.extend(distribution.most_probable(wanted, |_| true).into_iter().map(|(id, _)| id)),
                }
                let log = |id: &TokenId| (named(*id), json!(self.log(distribution, *id).max(-9999.0)));
                list.iter().map(log).collect::<serde_json::Map<String, Value>>().into()
            })
            .collect();
        let within = match body["prompt_logprobs"].as_u64() {
            None => Value::Null,
            Some(count) => {
                let all = self.distributions(&prompt)?;
                let list = |(next, distribution): (&TokenId, &Distribution)| {
                    let top = distribution.most_probable(count as usize, |_| true).into_iter().map(|(id, _)| id);
                    let entry = |(rank, id): (usize, TokenId)| {
                        let log = self.log(distribution, id).max(-9999.0);
                        (id.0.to_string(), json!({ "logprob": log, "rank": rank, "decoded_token": "x\"\u{1f642}" }))
                    };
                    let ids = std::iter::once(*next).chain(top);
                    Value::from(ids.enumerate().map(entry).collect::<serde_json::Map<_, _>>())
                };
                let lists = prompt[1..].iter().zip(&all).map(list);
                std::iter::once(Value::Null).chain(lists).collect()
            }
        };
        let tokens: Vec<String> = path.iter().map(|(token, _)| named(*token)).collect();
        Ok(json!({ "object": "text_completion", "choices": [{
            "index": 0, "text": "\u{1f642} \"quoted\"",
            "logprobs": { "text_offset": [0], "token_logprobs": [-0.5], "tokens": tokens, "top_logprobs": lists },
            "finish_reason": "length", "prompt_logprobs": within,
        }], "usage": { "prompt_tokens": prompt.len() } }))
    }

    /// As f32, as servers have it.
    fn log(&self, distribution: &Distribution, id: TokenId) -> f64 {
        let log = f64::from(distribution.log_prob(id) as f32);
        if self.limits.logits { log + 30.0 } else { log }
    }

    fn llama_cpp(&self, body: &Value) -> AnswerOrRefusal {
        let steps = body["n_predict"].as_u64().unwrap_or(1) as usize;
        let prompt = self.prompt(&body["prompt"], 1)?;
        let count = body["n_probs"].as_u64().unwrap_or(0) as usize;
        let entry = |distribution: &Distribution, id: TokenId| {
            let bytes = self.tokenizer.vocabulary().bytes(id);
            let log = self.log(distribution, id).max(f64::from(f32::MIN));
            json!({ "id": id, "token": String::from_utf8_lossy(bytes), "bytes": bytes, "logprob": log })
        };
        let forced = forced(body["grammar"].as_str().unwrap_or_default())?;
        let path = self.path_of(&prompt, &forced, steps.min(self.limits.context - prompt.len()))?;
        let steps = path.iter().map(|(token, distribution)| {
            let top = distribution.most_probable(count, |_| true);
            let mut step = entry(distribution, *token);
            step["top_logprobs"] = top.into_iter().map(|(id, _)| entry(distribution, id)).collect();
            step
        });
        Ok(json!({ "completion_probabilities": steps.collect::<Vec<_>>() }))
    }

    fn sglang(&self, body: &Value) -> AnswerOrRefusal {
        let prompt = self.prompt(&body["input_ids"], 0)?;
        let most = self.limits.context - SGLANG_FREE;
        if prompt.len() >= most {
            let length = prompt.len();
            return refused(format!(
                "Input length ({length} tokens) exceeds the maximum allowed length ({most} tokens)."
            ));
        }
        let steps = body["sampling_params"]["max_new_tokens"].as_u64().unwrap_or(16) as usize;
        let steps = steps.min(self.limits.context - 2 - prompt.len());
        let count = body["top_logprobs_num"].as_u64().unwrap_or(0) as usize;
        let ids: Option<Vec<TokenId>> = body["token_ids_logprob"]
            .as_array()
            .map(|ids| ids.iter().filter_map(|id| Some(TokenId(id.as_u64()? as u32))).collect());
        let entry = |distribution: &Distribution, id: TokenId| {
            let log = self.log(distribution, id);
            let log = if log.is_finite() { json!(log) } else { Value::Null };
            json!([log, id, null])
        };
        let top = |distribution: &Distribution| -> Value {
            let ids = distribution.most_probable(count, |_| true);
            ids.into_iter().map(|(id, _)| entry(distribution, id)).collect()
        };
        let path = self.greedy(&prompt, steps)?;
        let mut meta = json!({
            "prompt_tokens": prompt.len(),
            "output_token_logprobs": path.iter().map(|(id, distribution)| entry(distribution, *id)).collect::<Vec<_>>(),
            "output_top_logprobs": path.iter().map(|(_, distribution)| top(distribution)).collect::<Vec<_>>(),
        });
        if let Some(ids) = ids {
            let named =
                |distribution: &Distribution| -> Value { ids.iter().map(|&id| entry(distribution, id)).collect() };
            meta["output_token_ids_logprobs"] = path.iter().map(|(_, distribution)| named(distribution)).collect();
        }
        let start = body["logprob_start_len"].as_i64().unwrap_or(-1);
        if let Ok(start) = usize::try_from(start) {
            let all = self.distributions(&prompt)?;
            let inside: Vec<(TokenId, &Distribution)> =
                (start + 1..prompt.len()).map(|at| (prompt[at], &all[at - 1])).collect();
            let chosen = inside.iter().map(|(id, distribution)| entry(distribution, *id));
            meta["input_token_logprobs"] = std::iter::once(json!([null, prompt[start], null])).chain(chosen).collect();
            if self.engine == TestEngine::OldSglang {
                let lists = inside.iter().map(|(_, distribution)| top(distribution));
                meta["input_top_logprobs"] = std::iter::once(Value::Null).chain(lists).collect();
            } else {
                let tops: Vec<(TokenId, f32)> = inside
                    .iter()
                    .flat_map(|(_, distribution)| {
                        let ids = distribution.most_probable(count, |_| true);
                        ids.into_iter().map(|(id, _)| (id, self.log(distribution, id) as f32)).collect::<Vec<_>>()
                    })
                    .collect();
                let values: Vec<u8> = tops.iter().flat_map(|(_, log)| log.to_le_bytes()).collect();
                let ids: Vec<u8> = tops.iter().flat_map(|(id, _)| id.0.to_le_bytes()).collect();
                meta["input_top_logprobs_shape"] = json!([inside.len(), count]);
                meta["input_top_logprobs_null_prefix"] = json!(1);
                meta["input_top_logprobs_val_flat_b64"] = json!(STANDARD.encode(values));
                meta["input_top_logprobs_idx_flat_b64"] = json!(STANDARD.encode(ids));
            }
        }
        Ok(json!({ "text": "", "meta_info": meta }))
    }
}

/// The tokens of `root ::= <[1]> <[2]>`, the only grammar that it knows.
fn forced(grammar: &str) -> Result<Vec<TokenId>, (u16, String)> {
    let Some(tokens) = grammar.strip_prefix("root ::= ") else { return Ok(Vec::new()) };
    let id = |word: &str| word.strip_prefix("<[")?.strip_suffix("]>")?.parse().ok().map(TokenId);
    tokens.split(' ').map(|word| id(word).ok_or((400, format!("failed to parse grammar: {word}")))).collect()
}
