//! Why a server cannot be used.

use super::protocol::ServerEngine;
use crate::tokenizer::load::TokenizerLoadError;

/// A server that cannot be used as a model. No message holds a key or a password.
#[derive(Debug, thiserror::Error)]
pub enum RemoteError {
    /// No address was given.
    #[error("a remote model needs at least one server's address")]
    NoServers,
    /// No server answers.
    #[error("no answer from {server}: {reason}")]
    Unreachable {
        /// The address.
        server: String,
        /// Why.
        reason: String,
    },
    /// What answers is none of the engines.
    #[error(
        "{server} is none of the servers that gac knows: vLLM, SGLang, llama.cpp's llama-server and gac serve (`/v1/models` says {found})"
    )]
    UnknownEngine {
        /// The address.
        server: String,
        /// What it says of itself.
        found: String,
    },
    /// The server has several models, or not the one that was named.
    #[error("{server} serves {}{}", .models.join(", "), match .wanted { Some(name) => format!(", but not `{name}`"), None => String::from(": which one?") })]
    WhichModel {
        /// The address.
        server: String,
        /// What it serves.
        models: Vec<String>,
        /// What was named.
        wanted: Option<String>,
    },
    /// Replicas that do not serve the same.
    #[error("{server} is no replica of {first}: {reason}")]
    NotAReplica {
        /// The address.
        server: String,
        /// The first address.
        first: String,
        /// What differs.
        reason: String,
    },
    /// The server lacks something that is needed.
    #[error("{server} ({engine}) {what}")]
    Lacks {
        /// The address.
        server: String,
        /// The program.
        engine: ServerEngine,
        /// What it lacks, in words.
        what: String,
        /// The server's own flag that would help.
        flag: Option<&'static str>,
    },
    /// A request to find out what it can do failed.
    #[error("{server} ({engine}): {reason}")]
    Probe {
        /// The address.
        server: String,
        /// The program.
        engine: ServerEngine,
        /// What went wrong.
        reason: String,
    },
    /// The tokenizer is not the server's.
    #[error(
        "the tokenizer `{tokenizer}` is not that of {server}: of {text:?} it makes {}, the server {}",
        list(.ours),
        list(.theirs)
    )]
    OtherTokenizer {
        /// The tokenizer's folder, file or id.
        tokenizer: String,
        /// The address.
        server: String,
        /// The text.
        text: String,
        /// The ids of the tokenizer here.
        ours: Vec<u32>,
        /// The server's ids.
        theirs: Vec<u32>,
    },
    /// The tokenizer cannot be had.
    #[error("the tokenizer of the model that {server} serves cannot be read")]
    Tokenizer {
        /// The address.
        server: String,
        /// Why.
        #[source]
        source: TokenizerLoadError,
    },
}

/// A short list of ids.
fn list(ids: &[u32]) -> String {
    const MOST: usize = 24;
    let shown: Vec<String> = ids.iter().take(MOST).map(ToString::to_string).collect();
    let more = if ids.len() > MOST { ", ..." } else { "" };
    format!("[{}{more}]", shown.join(", "))
}
