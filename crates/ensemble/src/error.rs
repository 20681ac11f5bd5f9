//! Why an ensemble could not be made, or could not go on.

use gac_inference::{ChatError, ModelError, TokenizerError};

use crate::{MethodError, ThresholdError, WeightsError};

/// An ensemble could not be made, or could not serve a request.
#[derive(Debug, thiserror::Error)]
pub enum EnsembleError {
    /// There is nobody to ask.
    #[error("an ensemble of no members: there has to be at least one")]
    NoMembers,
    /// The weights cannot be used.
    #[error(transparent)]
    Weights(#[from] WeightsError),
    /// The threshold cannot be used.
    #[error(transparent)]
    Threshold(#[from] ThresholdError),
    /// The method's settings make no sense.
    #[error(transparent)]
    Method(#[from] MethodError),
    /// Thresholds are swept, but nobody gates.
    #[error("a sweep over thresholds needs a gate: with a vote at every step there is no threshold")]
    SweepWithoutGate,
    /// The gate is none of the members.
    #[error("the gate is member {gate}, but there are only {members} members, counted from 0")]
    UnknownGate {
        /// The gate's place.
        gate: usize,
        /// Number of members.
        members: usize,
    },
    /// A member has no tokens for a text that another member emitted.
    #[error(
        "member `{member}` cannot spell {:?} with its own tokens: it needs a tokenizer with a token for every byte",
        .bytes.escape_ascii().to_string()
    )]
    Unspellable {
        /// The member.
        member: String,
        /// The bytes.
        bytes: Vec<u8>,
    },
    /// A member's tokenizer failed.
    #[error("member `{member}` cannot encode request {request}")]
    Encode {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
        /// Why.
        #[source]
        source: TokenizerError,
    },
    /// Not one end of reasoning, or none, per member.
    #[error("{ends} ends of reasoning for {members} members: there has to be a place per member")]
    ThinkEndCount {
        /// Number of places.
        ends: usize,
        /// Number of members.
        members: usize,
    },
    /// Not one chat template per member.
    #[error("{templates} chat templates for {members} members: there has to be one per member")]
    TemplateCount {
        /// Number of templates.
        templates: usize,
        /// Number of members.
        members: usize,
    },
    /// A member cannot write a chat down.
    #[error("member `{member}` cannot write down the chat of request {request}")]
    Chat {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
        /// Why.
        #[source]
        source: Box<ChatError>,
    },
    /// A chat, and nobody who writes it down.
    #[error("request {request} is a chat, but the members use no chat templates")]
    ChatWithoutTemplates {
        /// Index of the request.
        request: usize,
    },
    /// A prompt has no tokens, and the member has no symbol to begin with instead.
    #[error("the prompt of request {request} is empty, and member `{member}` has no begin or end symbol to start from")]
    EmptyPrompt {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
    },
    /// There is nothing to score.
    #[error("the continuation of request {request} has no tokens of its own: it has to be a text")]
    EmptyContinuation {
        /// Index of the request.
        request: usize,
    },
    /// A continuation has a token that stands for nothing.
    #[error("token {token} of member `{member}` in the continuation of request {request} stands for no text or symbol")]
    UnusedToken {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
        /// The token id.
        token: u32,
    },
    /// A request leaves no room in a member's context.
    #[error(
        "request {request} has {tokens} tokens for member `{member}`, with the fewest that can be added to it, but its \
         context holds {context}"
    )]
    TooLong {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
        /// Tokens it would have to hold.
        tokens: usize,
        /// Tokens its context holds.
        context: usize,
    },
    /// A request does not fit a member's cache, even alone.
    #[error(
        "request {request} has {tokens} tokens for member `{member}`, but its KV cache holds {cache}, and they do not fit \
         even alone"
    )]
    CacheTooSmall {
        /// The member.
        member: String,
        /// Index of the request.
        request: usize,
        /// Tokens it has to hold.
        tokens: usize,
        /// Tokens its cache holds.
        cache: usize,
    },
    /// A member's distribution is unusable.
    #[error("member `{member}` gave no usable probabilities: its logits are not finite numbers, or all on unused rows")]
    NoProbabilities {
        /// The member.
        member: String,
    },
    /// A member failed.
    #[error("member `{member}` failed")]
    Model {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: ModelError,
    },
}

impl EnsembleError {
    /// The request that cannot be served, where it is one request's fault.
    pub fn request(&self) -> Option<usize> {
        match self {
            Self::Encode { request, .. }
            | Self::Chat { request, .. }
            | Self::ChatWithoutTemplates { request }
            | Self::EmptyPrompt { request, .. }
            | Self::EmptyContinuation { request }
            | Self::UnusedToken { request, .. }
            | Self::TooLong { request, .. }
            | Self::CacheTooSmall { request, .. } => Some(*request),
            _ => None,
        }
    }

    /// What a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::TooLong { .. } => Some("shorten the prompt, or use a model with a longer context"),
            Self::Chat { source, .. } => source.hint(),
            Self::ChatWithoutTemplates { .. } => Some("apply the chat templates: `--apply-chat-template`"),
            Self::Unspellable { .. } => Some("use a model whose tokenizer can spell every byte"),
            Self::NoProbabilities { .. } => {
                Some("are the weights damaged? NaN in one of them spoils every probability")
            }
            _ => None,
        }
    }
}
