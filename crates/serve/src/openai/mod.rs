//! `OpenAI`'s API, with what vLLM has beside it.

pub(crate) mod chat;
pub(crate) mod completions;
mod context;
pub(crate) mod log_probs;
pub(crate) mod models;
pub(crate) mod request;
pub(crate) mod stream;
