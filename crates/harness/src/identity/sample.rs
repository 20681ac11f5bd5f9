//! The identity of a sample under a system.

use gac_systems::{SystemIdentity, sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

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
        let request = asked(&document.request);
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

    /// The hash, hexadecimal.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Hash over everything that decides a response: a system, and what it is asked. What the answer is scored by is no part
/// of it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ResponseIdentity(String);

impl ResponseIdentity {
    /// The identity of a system's response to a document.
    pub fn new(system: &SystemIdentity, document: &Document) -> Self {
        // Each time that a document is asked again has a seed of its own.
        let identity = json!({ "system": system, "request": asked(&document.request), "repeat": document.repeat });
        Self(sha256::of_bytes(identity.to_string()))
    }
}

fn asked(request: &Request) -> Value {
    match request {
        Request::Generate { prompt, stop, max_new_tokens, decoding, no_answer } => {
            let mut asked = json!({ "prompt": prompt, "stop": stop, "max_new_tokens": max_new_tokens });
            if let Some(decoding) = decoding {
                asked["decoding"] = json!(decoding);
            }
            if let Some(no_answer) = no_answer {
                asked["no_answer"] = no_answer.as_str().into();
            }
            asked
        }
        Request::Choose { context, continuations } => json!({ "context": context, "continuations": continuations }),
        Request::Fill { contexts, continuation } => json!({ "contexts": contexts, "continuation": continuation }),
    }
}
