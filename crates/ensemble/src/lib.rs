//! GaC: token-level ensembling over the union of the members' vocabularies.
//!
//! Yu et al., "Breaking the Ceiling of the LLM Community by Treating Token Generation as a Classification for
//! Ensembling", Findings of EMNLP 2024, arXiv 2406.12585.
//!
//! An [`Ensemble`] continues texts ([`Ensemble::generate`]) and scores them ([`Ensemble::log_likelihood`]). What it is
//! made of can be used alone: the [`UnionVocabulary`] with each member's [`Projection`], the [`Segmentation`] of union
//! tokens into a member's ids, and the combination of distributions ([`Fused`]).

mod chat;
mod decode;
mod devices;
mod ensemble;
mod error;
mod member;
mod request;
mod score;
mod vocabulary;
mod vote;

pub use chat::Chat;
pub use ensemble::{BatchLimits, Ensemble};
pub use error::EnsembleError;
pub use member::{Member, MemberId};
pub use request::{
    Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, MemberView, Overlong, PromptEncoding,
    Step,
};
pub use vocabulary::report::{EndId, MemberVocabulary, Overlap, VocabularyReport};
pub use vocabulary::segmentation::{Segmentation, Unspellable};
pub use vocabulary::union::{Projection, UnionId, UnionToken, UnionVocabulary};
pub use vote::combine::Fused;
pub use vote::gating::{Certainty, Gating, Threshold, ThresholdError};
pub use vote::member_view::{own_log_prob, top};
pub use vote::method::{Method, MethodError};
pub use vote::sampling::{Decoding, Sampling, SamplingError};
pub use vote::weights::{Weighting, Weights, WeightsError};
