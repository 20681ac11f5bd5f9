//! What a server can tell, found out by asking it.

use serde_json::{Value, json};

use super::address::ServerUrl;
use super::detect::FoundServer;
use super::error::RemoteError;
use super::http::{Http, HttpFailure};
use super::protocol::llama_cpp::LlamaCpp;
use super::protocol::sglang::Sglang;
use super::protocol::vllm::Vllm;
use super::protocol::{Abilities, Protocol, ServerEngine, TokenQuery, WantedList, Within};
use super::tokenizer_check::tokenize;
use crate::id::TokenId;

/// More than any server lists, and larger than any token id.
const TOO_MANY: u32 = i32::MAX as u32;
/// Most tokens that are named in one request: vLLM's limit.
const MOST_IDS: usize = 128;

/// Finds out what `server` can tell, and whether it does. `rows` is what is known of the model's output layer without it.
pub(super) fn abilities(
    http: &Http,
    server: &ServerUrl,
    found: &FoundServer,
    rows: Option<usize>,
    list: usize,
) -> Result<Abilities, RemoteError> {
    let probe = Probe { http, server, engine: found.identity.engine };
    let model = &found.identity.model;
    let mut abilities = match found.identity.engine {
        ServerEngine::Vllm | ServerEngine::Gac => {
            let named = probe.limit(model, "logprob_token_ids", json!([TOO_MANY]), "Vocabulary size: ")?;
            let longest = probe.limit(model, "logprobs", json!(TOO_MANY), "max allowed: ")?;
            let rows = named.or(rows).ok_or_else(|| probe.lacks_rows())?;
            let most_ids = if named.is_some() { MOST_IDS } else { 0 };
            Abilities::new(rows, longest.unwrap_or(rows), most_ids, Within::OfPrompt)
        }
        ServerEngine::Sglang => {
            let rows = rows.ok_or_else(|| probe.lacks_rows())?;
            Abilities::new(rows, rows, MOST_IDS, Within::OfPrompt)
        }
        ServerEngine::LlamaCpp => {
            let rows = found.rows.or(rows).ok_or_else(|| probe.lacks_rows())?;
            Abilities::new(rows, rows, 0, Within::OfForced)
        }
    };
    if abilities.longest_list == 0 {
        return Err(probe.lacks("lists no tokens", Some("--max-logprobs -1")));
    }
    let protocol = speak(found, abilities);
    probe.try_list(&*protocol, list)?;
    if !probe.tells_within(&*protocol, found) {
        abilities.within = Within::Untold;
    }
    Ok(abilities)
}

/// How a server is spoken to.
pub(super) fn speak(found: &FoundServer, abilities: Abilities) -> Box<dyn Protocol> {
    match found.identity.engine {
        ServerEngine::Vllm | ServerEngine::Gac => Box::new(Vllm { model: found.identity.model.clone(), abilities }),
        ServerEngine::Sglang => Box::new(Sglang { abilities }),
        ServerEngine::LlamaCpp => Box::new(LlamaCpp { abilities }),
    }
}

struct Probe<'a> {
    http: &'a Http,
    server: &'a ServerUrl,
    engine: ServerEngine,
}

impl Probe<'_> {
    fn lacks(&self, what: &str, flag: Option<&'static str>) -> RemoteError {
        let server = self.server.to_string();
        RemoteError::Lacks { server, engine: self.engine, what: what.to_owned(), flag }
    }

    fn lacks_rows(&self) -> RemoteError {
        self.lacks("does not tell the size of its vocabulary, and its model has no config.json here", None)
    }

    fn failed(&self, reason: &dyn ToString) -> RemoteError {
        RemoteError::Probe { server: self.server.to_string(), engine: self.engine, reason: reason.to_string() }
    }

    /// Asks vLLM for more than it gives in `field`: the refusal names the limit behind the words `before`. None where it
    /// does not refuse, or not in these words.
    fn limit(&self, model: &str, field: &str, value: Value, before: &str) -> Result<Option<usize>, RemoteError> {
        let mut body = json!({ "model": model, "prompt": [0], "max_tokens": 1, "temperature": 0, "logprobs": 1 });
        body[field] = value;
        let path = "/v1/completions";
        match self.http.post(self.server, path, body.to_string().as_bytes()) {
            Ok(_) => Ok(None),
            Err(HttpFailure::Refused { status: 400 | 422, message }) => Ok(number_after(&message, before)),
            Err(failure) => Err(self.failed(&failure)),
        }
    }

    /// A list as later requests want it.
    fn try_list(&self, protocol: &dyn Protocol, list: usize) -> Result<(), RemoteError> {
        let count = list.min(protocol.abilities().longest_list);
        let query = TokenQuery { tokens: vec![TokenId(0)], from: 1, ahead: 1, listing: WantedList::Top(count) };
        self.ask(protocol, &query)
    }

    fn ask(&self, protocol: &dyn Protocol, query: &TokenQuery) -> Result<(), RemoteError> {
        let body = self.http.post(self.server, protocol.path(), &protocol.body(query, None));
        let body = body.map_err(|failure| self.failed(&failure))?;
        protocol.answer(query, &body).map(|_| ()).map_err(|reason| match self.engine {
            ServerEngine::Vllm if reason.contains("log-probability") => {
                self.lacks(&format!("does not tell log-probabilities ({reason})"), Some("--logprobs-mode raw_logprobs"))
            }
            _ => self.failed(&reason),
        })
    }

    /// Whether it tells the distributions within a prompt.
    fn tells_within(&self, protocol: &dyn Protocol, found: &FoundServer) -> bool {
        // Of a text, since an end could not be forced.
        let tokens = tokenize(self.http, self.server, found, "one two three four").unwrap_or_else(|_| vec![0; 3]);
        let tokens = tokens.into_iter().map(TokenId).collect();
        let query = TokenQuery { tokens, from: 1, ahead: 1, listing: WantedList::Top(1) };
        let told = self.ask(protocol, &query);
        if let Err(error) = &told {
            tracing::warn!(server = %self.server, %error, "it is asked token by token about continuations");
        }
        told.is_ok()
    }
}

/// The number that follows `before` in `text`.
fn number_after(text: &str, before: &str) -> Option<usize> {
    let (_, after) = text.split_once(before)?;
    let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
    after[..digits].parse().ok()
}
