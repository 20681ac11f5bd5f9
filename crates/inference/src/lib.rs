//! Language models for `gac`: checkpoints, tokenizers, decoders, a paged KV cache and the engine that runs them.
//!
//! This crate knows nothing of ensembles or tasks and is usable alone. The seam to everything above is
//! [`LanguageModel`]: sequences are opened, extended in ragged batches, forked, truncated and closed by handle, and
//! every position that is asked for gives a [`Distribution`] over the model's own token ids.
//!
//! Text is bytes here: [`Vocabulary`] says for every token id which bytes it stands for.
//!
//! ```
//! use gac_inference::{Engine, EngineOptions, Extension, LanguageModel, ModelSource, Tokenizer, Wanted};
//!
//! // A miniature model that lies in this repository, and knows a world that does not exist.
//! let source = ModelSource::parse("../../models/mini-llama")?;
//! let mut engine = Engine::load(&source, &EngineOptions::default())?;
//! let tokenizer = Tokenizer::load(&source, Some(engine.limits().vocabulary))?;
//! let question = "Answer these questions:\n\nQ: where does a kunot live?\nA: thorn woods\nQ: what is a kuker used for?\nA:";
//!
//! let mut tokens = tokenizer.encode_prompt(question)?;
//! let sequence = engine.open(&tokens)?;
//! let mut answer = Vec::new();
//! while !answer.contains(&b'\n') {
//!     let distributions = engine.extend(&[Extension { sequence, tokens: &tokens, wanted: Wanted::Last }])?;
//!     let (token, _probability) = distributions[0][0].top();
//!     answer.extend(tokenizer.vocabulary().bytes(token));
//!     tokens = vec![token];
//! }
//! engine.close(sequence);
//! assert_eq!(String::from_utf8(answer)?, " bending wire\n");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod adapter;
mod ask;
#[doc(hidden)]
pub mod bench;
mod chat;
mod checkpoint;
mod compute_type;
mod cpu;
#[cfg(feature = "cuda")]
mod cuda;
mod decoder;
mod device;
mod device_list;
mod distribution;
mod dtype;
mod engine;
mod engine_error;
mod engine_options;
mod forwards;
mod handover;
mod id;
mod kernel;
mod language_model;
mod load;
mod memory;
mod memory_plan;
mod named;
mod placement;
pub mod remote;
mod score;
mod spinning;
pub mod testkit;
mod tokenizer;
mod vocabulary;

pub use ask::{Ask, Detail};
pub use chat::{
    ChatError, ChatMessage, ChatTemplate, Conversation, RefusedSystem, Role, TaskTemplate, TemplateChoice, UnixTime,
};
pub use checkpoint::artifacts::Artifacts;
pub use checkpoint::config::{
    Activation, Biases, Block, Caps, DecoderConfig, ExpertsConfig, LayerConfig, MlpConfig, Multipliers, NormConfig,
    NormKind, QueryKeyNorm, RopeConfig, RopeScaling, RopeStyle, architectures,
};
pub use checkpoint::error::CheckpointError;
pub use checkpoint::facts::{ModelFacts, SpecialToken};
pub use checkpoint::file_kind::FileKind;
pub use checkpoint::gguf::gguf_without_tensors;
pub use checkpoint::hub::{HubError, HubRepository, LookedIn, RepositoryKind};
pub use checkpoint::other_weights::OtherWeights;
pub use checkpoint::source::ModelSource;
pub use compute_type::ComputeType;
pub use device::{DeviceError, DeviceSpec};
pub use device_list::DeviceList;
pub use distribution::Distribution;
pub use dtype::Dtype;
pub use engine::Engine;
pub use engine_error::EngineError;
pub use engine_options::{EngineOptions, Handover, Keeping, StepLaunch};
pub use id::{SequenceId, TokenId};
pub use language_model::{Extension, LanguageModel, Limits, ModelError, Wanted};
pub use load::{Backend, backend_of, check_model, load_model, model_types, placement};
pub use memory::{available_memory, free_memory, working_memory};
pub use named::{Named, deserialize_named, deserialize_named_option};
pub use placement::{DeviceShare, ModelBytes, Placement, PlacementError, Room};
pub use score::{ScoreError, TokenScores, score_many, score_tokens};
pub use tokenizer::load::TokenizerLoadError;
pub use tokenizer::rows::output_rows;
pub use vocabulary::{Symbol, TextEncoder, TextKind, Tokenizer, TokenizerError, Vocabulary};
