//! Whether the tokenizer here is the server's: both have to make the same ids of the same texts.

use serde::Deserialize;
use serde_json::json;

use super::address::ServerUrl;
use super::detect::FoundServer;
use super::error::RemoteError;
use super::http::{Http, HttpFailure};
use super::protocol::ServerEngine;
use crate::checkpoint::source::ModelSource;
use crate::id::TokenId;
use crate::vocabulary::{Symbol, Tokenizer};

/// Spaces, digits, marks, scripts, emoji and code: where tokenizers differ.
const PROBES: [&str; 8] = [
    "The quick brown fox jumps over 13 lazy dogs.",
    "  two spaces, a\ttab,\n\n\nthree lines and a trailing space ",
    "It's what they'd've said: \"don't!\" (1,234.50 \u{20ac})",
    "0123456789 3.14159 1000000 007",
    "na\u{ef}ve caf\u{e9} stra\u{df}e \u{141}\u{f3}d\u{17a} \u{395}\u{3bb}\u{3bb}\u{3ac}\u{3b4}\u{3b1} \u{420}\u{443}\u{441}\u{44c}",
    "\u{65e5}\u{672c}\u{8a9e} \u{d55c}\u{ad6d}\u{c5b4} \u{627}\u{644}\u{639}\u{631}\u{628}\u{64a}\u{629} \u{939}\u{93f}\u{928}\u{94d}\u{926}\u{940}",
    "\u{1f642} \u{1f469}\u{200d}\u{1f4bb}\u{1f44d}\u{1f3fd} \u{2713}",
    "fn main() {\n    let x_1 = a[0] + 0xFF; // TODO\n}\n\tif (y != NULL) return &p->next;",
];
/// Control symbols that are tried, at most.
const SYMBOLS: usize = 12;

#[derive(Deserialize)]
struct Tokenized {
    tokens: Vec<u32>,
}

/// Compares the ids of the probes and of control symbols with the server's.
pub(super) fn check_tokenizer(
    http: &Http,
    server: &ServerUrl,
    found: &FoundServer,
    source: &ModelSource,
    tokenizer: &Tokenizer,
) -> Result<(), RemoteError> {
    let controls = tokenizer.vocabulary().iter().filter_map(|(id, symbol)| match symbol {
        Symbol::Control { name } if !name.is_empty() => Some((name.to_string(), Some(id))),
        _ => None,
    });
    let probes = PROBES.map(|text| (text.to_owned(), None));
    for (text, control) in probes.into_iter().chain(controls.take(SYMBOLS)) {
        let ours = match control {
            Some(id) => vec![id],
            None => match tokenizer.encoder().encode_without_special(&text) {
                Ok(ids) => ids,
                // Neither will the server have to encode it.
                Err(_) => continue,
            },
        };
        let theirs = match tokenize(http, server, found, &text) {
            Ok(ids) => ids,
            Err(HttpFailure::Refused { status: 404 | 405, .. }) => {
                tracing::warn!(%server, "it has no `/tokenize`, so that its tokenizer cannot be checked");
                return Ok(());
            }
            Err(failure) => {
                return Err(RemoteError::Probe {
                    server: server.to_string(),
                    engine: found.identity.engine,
                    reason: format!("`/tokenize`: {failure}"),
                });
            }
        };
        let ours: Vec<u32> = ours.into_iter().map(|TokenId(id)| id).collect();
        if ours != theirs {
            let (tokenizer, server) = (source.to_string(), server.to_string());
            return Err(RemoteError::OtherTokenizer { tokenizer, server, text, ours, theirs });
        }
    }
    Ok(())
}

/// The server's ids of `text`, without special tokens around it.
pub(super) fn tokenize(
    http: &Http,
    server: &ServerUrl,
    found: &FoundServer,
    text: &str,
) -> Result<Vec<u32>, HttpFailure> {
    let body = match found.identity.engine {
        ServerEngine::LlamaCpp => json!({ "content": text, "add_special": false, "parse_special": true }),
        ServerEngine::Vllm | ServerEngine::Gac | ServerEngine::Sglang => {
            json!({ "model": found.identity.model, "prompt": text, "add_special_tokens": false })
        }
    };
    let answer = http.post(server, "/tokenize", body.to_string().as_bytes())?;
    let Tokenized { tokens } =
        serde_json::from_slice(&answer).map_err(|error| HttpFailure::Corrupt(format!("`/tokenize`: {error}")))?;
    Ok(tokens)
}
