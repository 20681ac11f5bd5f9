//! The decoder: one data-driven transformer over flat ragged batches, with a paged KV cache.

pub(crate) mod attention;
pub(crate) mod batch;
pub(crate) mod blocks;
pub(crate) mod cache;
#[cfg(feature = "cuda")]
pub(crate) mod captured_steps;
pub(crate) mod flash;
mod forward;
pub(crate) mod fused;
pub(crate) mod last_rows;
mod layer_device;
pub(crate) mod layers;
pub(crate) mod mlp;
pub(crate) mod norm;
mod paged_attention;
pub(crate) mod projections;
pub(crate) mod residual;
pub(crate) mod rope;
pub(crate) mod step_tables;
pub(crate) mod transformer;
