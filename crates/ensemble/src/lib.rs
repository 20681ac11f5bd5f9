//! GaC: token-level ensembling over the union of the members' vocabularies.
//!
//! Yu et al., "Breaking the Ceiling of the LLM Community by Treating Token Generation as a Classification for
//! Ensembling", Findings of EMNLP 2024, arXiv 2406.12585.
//!
//! A [`Scheduler`] holds loaded models and serves requests with them: it continues texts and scores continuations. Each
//! request travels with its [`Settings`]: which models are members of its [`Ensemble`], and how they come to one answer.
//! [`generate`] and [`log_likelihood`] serve many requests from beginning to end. What an ensemble is made of
//! can be used alone: the [`UnionVocabulary`] with each member's [`Projection`], the [`Segmentation`] of union tokens into
//! a member's ids, and the combination of distributions ([`Fused`]).
//!
//! ```
//! use std::sync::Arc;
//!
//! use gac_ensemble::{
//!     BatchLimits, Gating, GenerationRequest, Member, ModelId, Overlong, PromptEncoding, Scheduler, SchedulerEvent,
//!     Settings, Weights,
//! };
//! use gac_inference::testkit::{ScriptedModel, tokenizer};
//! use gac_inference::TokenId;
//!
//! // Two models that say what a script says: the second has "42" in two pieces.
//! let first = tokenizer(&["6*7=", "42", "43", "<eos>"], &["<eos>"]);
//! let second = tokenizer(&["4", "2", "6*7=", "43", "</s>"], &["</s>"]);
//! let says = |name: &str, tokenizer, rows, answer: u32, sure, end: u32| Member {
//!     name: name.to_owned(),
//!     model: Box::new(ScriptedModel::new(rows, move |seen| match seen.len() {
//!         1 => vec![(TokenId(answer), sure)],
//!         _ => vec![(TokenId(end), 0.9)],
//!     })),
//!     tokenizer: Arc::new(tokenizer),
//! };
//! let mut scheduler = Scheduler::new(vec![says("a", first, 4, 1, 0.9, 3), says("b", second, 5, 3, 0.5, 4)]);
//!
//! let ensemble = scheduler.ensemble(&[ModelId(0), ModelId(1)])?;
//! let settings = Arc::new(Settings::new(ensemble, Weights::uniform(2), Gating::EveryStep)?);
//! let request = GenerationRequest {
//!     decoding: None,
//!     log_probs: None,
//!     prompt: "6*7=".into(),
//!     encoding: PromptEncoding::WithSpecial,
//!     stop: Vec::new(),
//!     max_new_tokens: 8,
//!     overlong: Overlong::Refuse,
//!     trace: false,
//! };
//! let id = scheduler.submit(&request, &settings);
//!
//! let mut answer = None;
//! while !scheduler.is_idle() {
//!     for event in scheduler.step(BatchLimits::streams(16))? {
//!         if let SchedulerEvent::Generated { request, generation, .. } = event {
//!             assert_eq!(request, id);
//!             answer = Some(generation.text());
//!         }
//!     }
//! }
//! assert_eq!(answer.as_deref(), Some("42"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! The union vocabulary alone:
//!
//! ```
//! use gac_ensemble::{UnionToken, UnionVocabulary, MemberId};
//! use gac_inference::TokenId;
//! use gac_inference::testkit::tokenizer;
//!
//! let first = tokenizer(&["yes", "no", "<eos>"], &["<eos>"]);
//! let second = tokenizer(&["no", "</s>", "maybe"], &["</s>"]);
//! let union = UnionVocabulary::new(&[first.vocabulary(), second.vocabulary()]);
//! // "no" is one union token, and so is the end of a text, whatever the members call it.
//! assert_eq!(union.len(), 4);
//! let no = union.find(b"no").unwrap();
//! assert_eq!(union.projection(MemberId(0)).ids(no), [TokenId(1)]);
//! assert_eq!(union.projection(MemberId(1)).ids(no), [TokenId(0)]);
//! assert_eq!(union.token(union.end().unwrap()), &UnionToken::End);
//! ```

mod agree;
mod bytes;
mod chat;
mod decode;
mod devices;
mod drafter;
mod drafting;
mod ensemble;
mod error;
mod event;
mod forward_pace;
mod lanes;
mod member;
mod request;
mod resources;
mod schedule;
mod score;
mod settings;
mod thinking;
mod vocabulary;
mod vote;

pub use chat::Chat;
pub use drafter::Drafter;
pub use drafting::{DraftLength, Drafting, Proposer};
pub use ensemble::Ensemble;
pub use error::{EnsembleError, RequestError};
pub use event::SchedulerEvent;
pub use member::{Member, MemberId, ModelId};
pub use request::{
    AnyRequest, DraftCounts, Finish, Generation, GenerationRequest, LogLikelihood, LogLikelihoodRequest, MemberView,
    Overlong, Prompt, PromptEncoding, RequestId, Step, TokenScoreRequest,
};
pub use schedule::batch::{generate, generate_each, log_likelihood, log_likelihood_each};
pub use schedule::entry::PreparedRequest;
pub use schedule::limits::BatchLimits;
pub use schedule::load::{Load, ModelLoad};
pub use schedule::scheduler::Scheduler;
pub use settings::Settings;
pub use thinking::{ThinkEnd, ThinkSource, Thinking};
pub use vocabulary::report::{EndId, MemberVocabulary, Overlap, VocabularyReport};
pub use vocabulary::segmentation::{Segmentation, Unspellable};
pub use vocabulary::union::{ControlSymbols, Projection, UnionId, UnionToken, UnionVocabulary};
pub use vote::combine::Fused;
pub use vote::gating::{Certainty, Gating, Threshold, ThresholdError};
pub use vote::log_probs::{AskedLogProbs, TokenLogProb, TokenLogProbs};
pub use vote::member_view::{own_log_prob, top};
pub use vote::method::Method;
pub use vote::methods::token_method::{MethodError, MethodSettings};
pub use vote::sampling::{Decoding, Sampling, SamplingError};
pub use vote::weights::{Weighting, Weights, WeightsError};
