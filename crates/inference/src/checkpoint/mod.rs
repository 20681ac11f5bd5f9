//! A model's files: where they are, what their configuration says, what their weights are.

pub(crate) mod artifacts;
pub(crate) mod block_rows;
pub(crate) mod config;
pub(crate) mod facts;
pub(crate) mod files;
pub(crate) mod gguf;
mod gguf_config;
pub(crate) mod hub;
pub(crate) mod instead;
pub(crate) mod json;
pub(crate) mod quantised;
pub(crate) mod shards;
pub(crate) mod special_tokens;
pub(crate) mod tensor_type;
pub(crate) mod weights;
mod within;
