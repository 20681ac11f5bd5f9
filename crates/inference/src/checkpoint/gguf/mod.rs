//! GGUF files: weights, configuration and tokenizer of a model in one, or in several parts.
//!
//! Metadata are translated to what `config.json` and `tokenizer.json` would say, so that everything after is the same.

mod bytes;
mod file;
mod header;
mod split;

pub(crate) use file::Gguf;
pub use file::gguf_without_tensors;
