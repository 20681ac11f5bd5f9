//! The identity of a sample under a system.

use gac_systems::{SystemIdentity, sha256};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::task::{Document, LoadedTask, Request};

/// Hash over a system, a task's protocol version, a document and what the system is asked about it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SampleIdentity(String);

impl SampleIdentity {
    /// The identity of a sample of another harness: a hash over what it is a sample of.
    pub fn imported(hash: &str) -> Self {
        Self(hash.to_owned())
    }

    /// The identity of one document's sample.
    pub fn new(system: &SystemIdentity, task: &LoadedTask, document: &Document) -> Self {
        let request = match &document.request {
            Request::Generate { prompt, stop, max_new_tokens, decoding: None } => {
                json!({ "prompt": prompt, "stop": stop, "max_new_tokens": max_new_tokens })
            }
            Request::Generate { prompt, stop, max_new_tokens, decoding: Some(decoding) } => {
                json!({ "prompt": prompt, "stop": stop, "max_new_tokens": max_new_tokens, "decoding": decoding })
            }
            Request::Choose { context, continuations } => json!({ "context": context, "continuations": continuations }),
            Request::Fill { contexts, continuation } => json!({ "contexts": contexts, "continuation": continuation }),
        };
        let mut identity = json!({
            "system": system,
            "task": task.name,
            "version": task.version,
            "primary": task.primary,
            "subject": document.subject,
            "document": document.id,
            "document_hash": document.hash,
            "target": document.target,
            "request": request,
        });
        // The first time is what a run without repeats asks.
        if document.repeat > 0 {
            identity["repeat"] = document.repeat.into();
        }
        Self(sha256::of_bytes(identity.to_string()))
    }
}
