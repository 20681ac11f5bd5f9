//! Models that candle-transformers runs and the native decoder does not: one sequence at a time, behind the same
//! [`LanguageModel`](crate::LanguageModel).
//!
//! What is offered is candle's list of causal text models, as far as it can be offered honestly: the configuration is
//! read from a hub `config.json`, and logits equal transformers' on a fixture (`tests/adapter.rs`). Settings that
//! candle's code ignores or has built in are refused, never passed over in silence.
//!
//! The GELU of Falcon and `gpt_bigcode` is candle's approximation by tanh where transformers may have the error function:
//! log-probabilities of such fixtures differ by up to 0.002. Those of all others agree to 0.00003.
//!
//! Left out, of the causal text models of candle-transformers 0.11:
//! - `mpt`: its `Config` can neither be deserialised nor built outside of candle.
//! - `persimmon`: candle has the configuration alone, no model.
//! - `chatglm`, `codegeex4` and the first `glm4` (`model_type` is `chatglm`), `based`, `mixformer`: transformers has no
//!   such model, so there is nothing to check logits against, and their checkpoints bring a tokenizer in Python or
//!   weights that are no safetensors. (`glm` and `glm4` as transformers has them are native.)
//! - `rwkv5`, `rwkv6`, `rwkv7`: likewise, and their tokenizer is no `tokenizer.json`.
//! - `gemma4`: candle's text model lacks the per-layer embeddings, scales attention by the head's width and adds one to
//!   the weights of its norms, which transformers does not.
//! - `deepseek_v2` with group-limited routing: candle picks groups by the scores of experts. Plain routing runs.
//!
//! Not causal text models, so not meant here: encoders, encoder-decoders, and models of images, speech and music.

mod families;
mod fields;
mod model;
mod runner;
mod tensors;

pub(crate) use families::model_types;
pub(crate) use fields::CandleFields;
pub(crate) use model::CandleModel;
