//! GaC: token-level ensembling over the union of the members' vocabularies.
//!
//! Yu et al., "Breaking the Ceiling of the LLM Community by Treating Token Generation as a Classification for
//! Ensembling", Findings of EMNLP 2024, arXiv 2406.12585.
//!
//! An [`Ensemble`] continues texts ([`Ensemble::generate`]) and scores them ([`Ensemble::log_likelihood`]). What it is
//! made of can be used alone: the [`UnionVocabulary`] with each member's [`Projection`], the [`Segmentation`] of union
//! tokens into a member's ids, and the combination of distributions ([`Fused`]).

mod chat;
mod choice;
mod combine;
mod decode;
mod ensemble;
mod error;
mod gating;
mod member;
mod method;
mod own;
mod peaks;
mod perplexity;
mod prompt;
mod reading;
mod request;
mod safe;
mod sample;
mod sampling;
mod score;
mod segmentation;
mod step;
mod thinking;
mod together;
mod trace;
mod union;
mod vocabulary_report;
mod weights;

pub use chat::Chat;
pub use combine::Fused;
pub use ensemble::{BatchLimits, Ensemble};
pub use error::EnsembleError;
pub use gating::{Certainty, Gating, Threshold, ThresholdError};
pub use member::{Member, MemberId};
pub use method::{Method, MethodError};
pub use own::{own_log_prob, top};
pub use request::{
    Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, MemberView, Overlong, Prompt,
    PromptEncoding, Step,
};
pub use sampling::{Decoding, Sampling, SamplingError};
pub use segmentation::{Segmentation, Unspellable};
pub use thinking::{ThinkEnd, ThinkSource, Thinking};
pub use union::{Projection, UnionId, UnionToken, UnionVocabulary};
pub use vocabulary_report::{EndId, MemberVocabulary, Overlap, VocabularyReport};
pub use weights::{Weighting, Weights, WeightsError};
