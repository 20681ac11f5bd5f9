//! GaC: token-level ensembling over the union of the members' vocabularies.
//!
//! Yu et al., "Breaking the Ceiling of the LLM Community by Treating Token Generation as a Classification for
//! Ensembling", Findings of EMNLP 2024, arXiv 2406.12585.
//!
//! A [`Scheduler`] holds loaded models and serves requests with them: it continues texts and scores continuations. Each
//! request travels with its [`Settings`]: which models are members of its [`Ensemble`], and how they come to one answer.
//! [`generate`], [`sweep()`] and [`log_likelihood`] serve many requests from beginning to end. What an ensemble is made of
//! can be used alone: the [`UnionVocabulary`] with each member's [`Projection`], the [`Segmentation`] of union tokens into
//! a member's ids, and the combination of distributions ([`Fused`]).

mod chat;
mod decode;
mod devices;
mod ensemble;
mod error;
mod member;
mod reading;
mod request;
mod schedule;
mod score;
mod settings;
mod vocabulary;
mod vote;

pub use chat::Chat;
pub use ensemble::Ensemble;
pub use error::{EnsembleError, RequestError};
pub use member::{Member, MemberId, ModelId};
pub use request::{
    AnyRequest, Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, MemberView, Overlong,
    PromptEncoding, RequestId, Step,
};
pub use schedule::batch::{generate, log_likelihood, sweep, sweep_log_likelihood};
pub use schedule::event::SchedulerEvent;
pub use schedule::limits::BatchLimits;
pub use schedule::scheduler::Scheduler;
pub use settings::Settings;
pub use vocabulary::report::{EndId, MemberVocabulary, Overlap, VocabularyReport};
pub use vocabulary::segmentation::{Segmentation, Unspellable};
pub use vocabulary::union::{Projection, UnionId, UnionToken, UnionVocabulary};
pub use vote::combine::Fused;
pub use vote::gating::{Certainty, Gating, Threshold, ThresholdError};
pub use vote::member_view::{own_log_prob, top};
pub use vote::method::{Method, MethodError};
pub use vote::sampling::{Decoding, Sampling, SamplingError};
pub use vote::weights::{Weighting, Weights, WeightsError};
