//! Models on servers: vLLM, SGLang, llama.cpp's `llama-server`, another `gac serve`.
//!
//! A server holds the weights and a cache of prefixes; here are the tokens and the vote. A [`RemoteModel`] is a
//! [`LanguageModel`](crate::LanguageModel) like any other: it lists the most probable tokens of each distribution, and
//! tells more where it is asked. Sampling parameters at the server are neutral.

mod address;
mod branches;
mod connect;
mod details;
mod detect;
mod error;
mod files;
mod http;
mod identity;
mod lone;
mod model;
mod options;
mod pace;
mod planner;
mod probe;
mod protocol;
mod replicas;
mod requester;
mod sequence;
mod tokenizer_check;

pub use address::{Secret, ServerUrl, ServerUrlError, without_passwords};
pub use error::RemoteError;
pub use identity::ServerIdentity;
pub use model::RemoteModel;
pub use options::RemoteOptions;
pub use protocol::ServerEngine;
