//! Which engine answers at an address, and what it says that it serves.

use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::address::ServerUrl;
use super::error::RemoteError;
use super::http::{Http, HttpFailure};
use super::identity::ServerIdentity;
use super::protocol::ServerEngine;

/// What a server says of itself, nothing tried yet.
#[derive(Clone, Debug)]
pub(super) struct FoundServer {
    pub(super) identity: ServerIdentity,
    /// Tokens that a prompt can have, so that one more fits behind it.
    pub(super) context: Option<usize>,
    /// Rows of the output layer, where it tells them.
    pub(super) rows: Option<usize>,
    /// Sequences whose prefixes it keeps, where it has a place for each.
    pub(super) slots: Option<usize>,
    /// Where it has its tokenizer from: a folder on its machine, or a hub id.
    pub(super) tokenizer: Option<String>,
}

/// `/v1/models`, which all engines have.
#[derive(Deserialize)]
struct ModelList {
    data: Vec<ModelCard>,
}

#[derive(Deserialize)]
struct ModelCard {
    id: String,
    #[serde(default)]
    owned_by: String,
    #[serde(default)]
    root: Option<String>,
    /// The model that an adapter belongs to.
    #[serde(default)]
    parent: Option<String>,
    #[serde(default)]
    max_model_len: Option<usize>,
    #[serde(default)]
    meta: Option<LlamaMeta>,
}

#[derive(Deserialize)]
struct LlamaMeta {
    n_vocab: Option<usize>,
    n_params: Option<u64>,
    ftype: Option<String>,
}

#[derive(Deserialize)]
struct Version {
    version: String,
    #[serde(default)]
    engine: Option<String>,
}

#[derive(Deserialize)]
struct LlamaProps {
    #[serde(default)]
    total_slots: Option<usize>,
    #[serde(default)]
    build_info: Option<String>,
    #[serde(default)]
    model_path: Option<String>,
    default_generation_settings: LlamaSettings,
}

#[derive(Deserialize)]
struct LlamaSettings {
    n_ctx: usize,
}

/// SGLang's arguments, and its version; there is much more.
#[derive(Deserialize, Default)]
struct SglangInfo {
    version: Option<String>,
    model_path: Option<String>,
    tokenizer_path: Option<String>,
    revision: Option<String>,
    dtype: Option<String>,
    context_length: Option<usize>,
    /// Prompts have to be shorter.
    max_req_input_len: Option<usize>,
}

/// Places of a context that SGLang keeps free behind a prompt, where it does not tell.
const SGLANG_FREE: usize = 6;

/// Asks a server what it is.
pub(super) fn identify(http: &Http, server: &ServerUrl, name: Option<&str>) -> Result<FoundServer, RemoteError> {
    let asked = AskedServer { http, server };
    let list: ModelList = match asked.get("/v1/models") {
        Ok(list) => list,
        Err(HttpFailure::Refused { status: 404 | 405, .. } | HttpFailure::Corrupt(_)) => {
            return Err(asked.unknown("nothing"));
        }
        Err(failure) => return Err(asked.unreachable(&failure)),
    };
    let card = choose(list.data, name, server)?;
    let engine = match card.owned_by.as_str() {
        "vllm" => ServerEngine::Vllm,
        "sglang" => ServerEngine::Sglang,
        "llamacpp" => ServerEngine::LlamaCpp,
        "gac" => ServerEngine::Gac,
        other => asked.by_endpoints().ok_or_else(|| asked.unknown(&format!("`{other}`")))?,
    };
    match engine {
        ServerEngine::Vllm | ServerEngine::Gac => asked.vllm(card),
        ServerEngine::Sglang => Ok(asked.sglang(card)),
        ServerEngine::LlamaCpp => asked.llama_cpp(card),
    }
}

/// The card of the model called `name`, or of the only one.
fn choose(mut cards: Vec<ModelCard>, name: Option<&str>, server: &ServerUrl) -> Result<ModelCard, RemoteError> {
    let which = |cards: &[ModelCard]| RemoteError::WhichModel {
        server: server.to_string(),
        models: cards.iter().map(|card| format!("`{}`", card.id)).collect(),
        wanted: name.map(str::to_owned),
    };
    let found = match name {
        Some(name) => cards.iter().position(|card| card.id == name),
        None => match cards.iter().filter(|card| card.parent.is_none()).count() {
            1 => cards.iter().position(|card| card.parent.is_none()),
            _ => None,
        },
    };
    match found {
        Some(at) => Ok(cards.swap_remove(at)),
        None => Err(which(&cards)),
    }
}

/// A server that is asked.
struct AskedServer<'a> {
    http: &'a Http,
    server: &'a ServerUrl,
}

impl AskedServer<'_> {
    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, HttpFailure> {
        let body = self.http.get(self.server, path)?;
        serde_json::from_slice(&body).map_err(|error| HttpFailure::Corrupt(format!("`{path}`: {error}")))
    }

    fn unreachable(&self, failure: &HttpFailure) -> RemoteError {
        RemoteError::Unreachable { server: self.server.to_string(), reason: failure.to_string() }
    }

    fn unknown(&self, found: &str) -> RemoteError {
        RemoteError::UnknownEngine { server: self.server.to_string(), found: found.to_owned() }
    }

    /// The engine by the endpoints that only it has, where a model's owner does not tell.
    fn by_endpoints(&self) -> Option<ServerEngine> {
        if self.get::<Value>("/get_model_info").is_ok_and(|info| info.get("model_path").is_some()) {
            return Some(ServerEngine::Sglang);
        }
        if self.get::<LlamaProps>("/props").is_ok() {
            return Some(ServerEngine::LlamaCpp);
        }
        let version: Version = self.get("/version").ok()?;
        Some(if version.engine.as_deref() == Some("gac") { ServerEngine::Gac } else { ServerEngine::Vllm })
    }

    fn vllm(&self, card: ModelCard) -> Result<FoundServer, RemoteError> {
        let Version { version, engine } = self.get("/version").map_err(|failure| self.unreachable(&failure))?;
        let is_gac = engine.as_deref() == Some("gac") || card.owned_by == "gac";
        let root = card.root.filter(|root| *root != card.id);
        Ok(FoundServer {
            context: card.max_model_len.map(|tokens| tokens.saturating_sub(1)),
            rows: None,
            slots: None,
            tokenizer: Some(root.clone().unwrap_or_else(|| card.id.clone())),
            identity: ServerIdentity {
                engine: if is_gac { ServerEngine::Gac } else { ServerEngine::Vllm },
                version,
                model: card.id,
                root,
                revision: None,
                dtype: None,
                parameters: None,
            },
        })
    }

    fn sglang(&self, card: ModelCard) -> FoundServer {
        // The newer name first.
        let info: SglangInfo =
            self.get("/server_info").or_else(|_| self.get("/get_server_info")).unwrap_or_else(|failure| {
                tracing::warn!(server = %self.server, %failure, "it tells neither its version nor its settings");
                SglangInfo::default()
            });
        let context = card.max_model_len.or(info.context_length).map(|tokens| tokens.saturating_sub(SGLANG_FREE));
        FoundServer {
            context: info.max_req_input_len.or(context).map(|tokens| tokens.saturating_sub(1)),
            rows: None,
            slots: None,
            tokenizer: info.tokenizer_path.or_else(|| info.model_path.clone()).or_else(|| Some(card.id.clone())),
            identity: ServerIdentity {
                engine: ServerEngine::Sglang,
                version: info.version.unwrap_or_else(|| String::from("unknown")),
                root: info.model_path.filter(|root| *root != card.id),
                model: card.id,
                revision: info.revision,
                // It says `auto` where nobody named one.
                dtype: info.dtype.filter(|dtype| dtype != "auto"),
                parameters: None,
            },
        }
    }

    fn llama_cpp(&self, card: ModelCard) -> Result<FoundServer, RemoteError> {
        let props: LlamaProps = self.get("/props").map_err(|failure| self.unreachable(&failure))?;
        let meta = card.meta.unwrap_or(LlamaMeta { n_vocab: None, n_params: None, ftype: None });
        Ok(FoundServer {
            context: Some(props.default_generation_settings.n_ctx.saturating_sub(1)),
            rows: meta.n_vocab,
            slots: props.total_slots.filter(|slots| *slots > 0),
            tokenizer: Some(props.model_path.clone().unwrap_or_else(|| card.id.clone())),
            identity: ServerIdentity {
                engine: ServerEngine::LlamaCpp,
                version: props.build_info.unwrap_or_else(|| String::from("unknown")),
                root: props.model_path.filter(|root| *root != card.id),
                model: card.id,
                revision: None,
                dtype: meta.ftype,
                parameters: meta.n_params,
            },
        })
    }
}
