//! Tokenizer files: the bytes of every token id, and text to ids.

pub(crate) mod bytes;
mod declared;
pub(crate) mod encoder;
mod gguf;
pub(crate) mod load;
pub(crate) mod rows;
