//! A server of a model, for tests: it speaks as vLLM, SGLang, llama.cpp's server or `gac serve` do, and fails as it is told.
//!
//! Answers have the shapes of recorded ones; those of SGLang follow its sources, since it does not run on a CPU here.

#![expect(clippy::missing_panics_doc, clippy::unwrap_used, reason = "a test's own server may panic")]

mod engine;
mod http;
mod server;

pub use engine::{ServerSetup, TestEngine};
pub use server::{Fault, Recorded, TestServer};
