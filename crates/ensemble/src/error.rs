//! Why an ensemble could not be made, a request not be served, or a member not go on.

use gac_inference::{ChatError, ModelError, TokenizerError};

use crate::vote::gating::ThresholdError;
use crate::vote::methods::token_method::MethodError;
use crate::vote::weights::WeightsError;

/// An ensemble or its settings could not be made, or nothing goes on.
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
    #[error("several thresholds need a gate: with a vote at every step there is no threshold")]
    ThresholdsWithoutGate,
    /// Thresholds are swept, but there are none.
    #[error("a gate needs at least one threshold")]
    NoThresholds,
    /// The gate is none of the members.
    #[error("the gate is member {gate}, but there are only {members} members, counted from 0")]
    UnknownGate {
        /// The gate's place.
        gate: usize,
        /// Number of members.
        members: usize,
    },
    /// A member is none of the loaded models.
    #[error("there is no model {model}: {loaded} are loaded, counted from 0")]
    UnknownModel {
        /// The model's place.
        model: usize,
        /// Number of models.
        loaded: usize,
    },
    /// A drafter that proposes to another ensemble.
    #[error("`{drafter}` proposes to another ensemble")]
    OtherDrafter {
        /// The drafter.
        drafter: String,
    },
    /// Not one chat template per member.
    #[error("{templates} chat templates for {members} members: there has to be one per member")]
    TemplateCount {
        /// Number of templates.
        templates: usize,
        /// Number of members.
        members: usize,
    },
    /// Not one end of reasoning, or none, per member.
    #[error("{ends} ends of reasoning for {members} members: there has to be a place per member")]
    ThinkEndCount {
        /// Number of places.
        ends: usize,
        /// Number of members.
        members: usize,
    },
    /// A member cannot vote on bytes.
    #[error(
        "member `{member}` cannot vote on bytes: it has no token for the byte {byte:#04x} alone, which is in others of its tokens"
    )]
    NoByteToken {
        /// The member.
        member: String,
        /// The byte.
        byte: u8,
    },
    /// A member's reasoning ends with a token that is no text.
    #[error("the reasoning of member `{member}` ends with an empty token: it has to be a text, or there is none")]
    EmptyThinkEnd {
        /// The member.
        member: String,
    },
    /// One of several requests cannot be served.
    #[error("request {request} cannot be served")]
    Request {
        /// Index of the request.
        request: usize,
        /// Why.
        #[source]
        source: RequestError,
    },
    /// A member failed: nothing that it takes part in can go on.
    #[error("member `{member}` failed")]
    Model {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: ModelError,
    },
}

/// A request that cannot be served. Others go on without it.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// A member's tokenizer failed.
    #[error("member `{member}` cannot encode it")]
    Encode {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: TokenizerError,
    },
    /// A member cannot write a chat down.
    #[error("member `{member}` cannot write its chat down")]
    Chat {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: Box<ChatError>,
    },
    /// A chat, and nobody who writes it down.
    #[error("it is a chat, but the members use no chat templates")]
    ChatWithoutTemplates,
    /// A prompt has no tokens, and the member has no symbol to begin with instead.
    #[error("its prompt is empty, and member `{member}` has no begin or end symbol to start from")]
    EmptyPrompt {
        /// The member.
        member: String,
    },
    /// There is nothing to score.
    #[error("its continuation has no tokens of its own: it has to be a text")]
    EmptyContinuation,
    /// A continuation has a token that stands for nothing.
    #[error("token {token} of member `{member}` in its continuation stands for no text or symbol")]
    UnusedToken {
        /// The member.
        member: String,
        /// The token id.
        token: u32,
    },
    /// A prompt has an id that there is no token for.
    #[error("token id {token} is none of member `{member}`, which has {rows}, counted from 0")]
    UnknownToken {
        /// The member.
        member: String,
        /// The token id.
        token: u32,
        /// Rows of its vocabulary.
        rows: usize,
    },
    /// A prompt's ids stand for no text that another member could read.
    #[error("its tokens stand for no UTF-8 text, so member `{member}` cannot read it in its own tokens")]
    NotText {
        /// The member.
        member: String,
    },
    /// It leaves no room in a member's context.
    #[error(
        "it has {tokens} tokens for member `{member}`, with the fewest that can be added to it, but the member's context \
         holds {context}"
    )]
    TooLong {
        /// The member.
        member: String,
        /// Tokens it would have to hold.
        tokens: usize,
        /// Tokens its context holds.
        context: usize,
    },
    /// It does not fit a member's cache, even alone.
    #[error(
        "it has {tokens} tokens for member `{member}`, but the member's KV cache holds {cache}, and they do not fit even \
         alone"
    )]
    CacheTooSmall {
        /// The member.
        member: String,
        /// Tokens it has to hold.
        tokens: usize,
        /// Tokens its cache holds.
        cache: usize,
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
    /// A member's distribution is unusable.
    #[error("member `{member}` gave no usable probabilities: its logits are not finite numbers, or all on unused rows")]
    NoProbabilities {
        /// The member.
        member: String,
    },
    /// It asks for what a search for a whole response does not do.
    #[error("the method `abe` {what}")]
    Search {
        /// What it does not do.
        what: &'static str,
    },
    /// A member does not take its tokens.
    #[error("member `{member}` refuses its tokens")]
    Refused {
        /// The member.
        member: String,
        /// Why.
        #[source]
        source: ModelError,
    },
}

/// Why one of the things in flight cannot go on: by its own fault, or its member's.
#[derive(Debug)]
pub(crate) enum Trouble {
    Request(RequestError),
    /// With the member's place.
    Model(usize, ModelError),
}

impl From<RequestError> for Trouble {
    fn from(error: RequestError) -> Self {
        Self::Request(error)
    }
}
