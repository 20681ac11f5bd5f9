//! GaC: token-level ensembling over the union of the members' vocabularies.
//!
//! Yu et al., "Breaking the Ceiling of the LLM Community by Treating Token Generation as a Classification for
//! Ensembling", Findings of EMNLP 2024, arXiv 2406.12585.

mod request;

pub use request::{
    Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, Overlong, PromptEncoding, Step,
};
