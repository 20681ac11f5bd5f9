//! Tokenizer files: the bytes of every token id, and text to ids.

mod byte_level;
pub(crate) mod bytes;
mod declared;
mod decoding;
pub(crate) mod encoder;
mod gguf;
mod gguf_tokens;
pub(crate) mod load;
mod pre;
pub(crate) mod rows;
mod sentence_piece;
mod symbols;
