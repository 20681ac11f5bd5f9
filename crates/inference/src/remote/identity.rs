//! What a server says that it serves.

use serde::{Deserialize, Serialize};

use super::protocol::ServerEngine;

/// What a server says that it serves. Its weights are not seen: two servers that say the same may compute otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServerIdentity {
    /// The program.
    pub engine: ServerEngine,
    /// The program's version.
    pub version: String,
    /// The model's name on the server.
    pub model: String,
    /// The folder, file or hub id that the server loaded it from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<String>,
    /// The hub's revision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<String>,
    /// The type that it is stored or computed in, in the server's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dtype: Option<String>,
    /// Parameters, where the server tells them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameters: Option<u64>,
}

impl ServerIdentity {
    /// Whether another server may take over: it serves the same model by the same program, of whatever version.
    pub(super) fn serves_the_same(&self, other: &Self) -> Result<(), String> {
        let told = |what, ours: String, theirs: String| {
            if ours == theirs { Ok(()) } else { Err(format!("its {what} is {theirs}, not {ours}")) }
        };
        let text = |text: &Option<String>| text.clone().unwrap_or_else(|| String::from("not told"));
        told("engine", self.engine.to_string(), other.engine.to_string())?;
        told("model", self.model.clone(), other.model.clone())?;
        told("root", text(&self.root), text(&other.root))?;
        told("revision", text(&self.revision), text(&other.revision))?;
        told("dtype", text(&self.dtype), text(&other.dtype))
    }
}

impl std::fmt::Display for ServerIdentity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on {} {}", self.model, self.engine, self.version)
    }
}
