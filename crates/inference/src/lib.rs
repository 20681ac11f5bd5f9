//! Language models for `gac`: checkpoints, tokenizers, decoders, a paged KV cache and the engine that runs them.
//!
//! This crate knows nothing of ensembles or tasks and is usable alone. The seam to everything above is
//! [`LanguageModel`]: sequences are opened, extended in ragged batches, forked, truncated and closed by handle, and
//! every position that is asked for gives a [`Distribution`] over the model's own token ids.
//!
//! Text is bytes here: [`Vocabulary`] says for every token id which bytes it stands for.

mod distribution;
mod id;
mod language_model;
pub mod testkit;
mod vocabulary;

pub use distribution::{DenseDistribution, Distribution, TopKDistribution};
pub use id::{SequenceId, TokenId};
pub use language_model::{Extension, LanguageModel, Limits, ModelError, Wanted};
pub use vocabulary::{Symbol, TextEncoder, TextKind, Tokenizer, TokenizerError, Vocabulary};
