//! A model's files: where they are, what their configuration says, what their weights are.

pub(crate) mod artifacts;
pub(crate) mod block_rows;
pub(crate) mod config;
pub(crate) mod config_file;
pub(crate) mod error;
pub(crate) mod facts;
pub(crate) mod file_kind;
pub(crate) mod gguf;
mod gguf_config;
pub(crate) mod hub;
pub(crate) mod json;
mod multimodal;
pub(crate) mod opened;
pub(crate) mod other_weights;
pub(crate) mod quantised;
mod refuse;
pub(crate) mod shards;
pub(crate) mod source;
pub(crate) mod special_tokens;
pub(crate) mod tensor_header;
pub(crate) mod tensor_type;
pub(crate) mod weights;
