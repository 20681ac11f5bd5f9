//! What an ensemble (or a single model, an ensemble of one) is asked, and what it answers.

use std::borrow::Cow;

use gac_inference::{Conversation, TokenId};
use serde::{Deserialize, Serialize};

use crate::thinking::Thinking;
use crate::vocabulary::union::UnionToken;
use crate::vote::log_probs::{AskedLogProbs, TokenLogProbs};
use crate::vote::sampling::Decoding;

/// What is read before anything is said.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Prompt {
    /// A text, as it is: every member encodes it with its own tokenizer.
    Text(String),
    /// A chat, which every member writes down by its own template ([`Settings::with_chat`](crate::Settings::with_chat)).
    Chat(Conversation),
    /// A text as ids of the first member, which reads exactly these. The others read the text that they stand for, without
    /// a begin-of-text in front: they have their own.
    Tokens(Vec<TokenId>),
}

impl Prompt {
    /// The text, or what the last message of a chat says; nothing for ids.
    pub fn last_words(&self) -> Cow<'_, str> {
        match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Chat(chat) => chat.messages.last().map_or(Cow::Borrowed(""), |last| last.words()),
            Self::Tokens(_) => Cow::Borrowed(""),
        }
    }
}

impl From<&str> for Prompt {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

/// A prompt to continue.
#[derive(Clone, Debug)]
pub struct GenerationRequest {
    /// The prompt.
    pub prompt: Prompt,
    /// How members encode the prompt.
    pub encoding: PromptEncoding,
    /// Generation ends where the first of these appears in the emitted bytes; it is cut off. They count from where
    /// reasoning has ended ([`Settings::with_think_ends`](crate::Settings::with_think_ends)).
    pub stop: Vec<String>,
    /// Most union tokens to emit.
    pub max_new_tokens: usize,
    /// What to do with a prompt that leaves too little room in some member's context.
    pub overlong: Overlong,
    /// How tokens are picked; as the settings say when absent.
    pub decoding: Option<Decoding>,
    /// Whether to record every step.
    pub trace: bool,
    /// What steps tell of the distributions that tokens were taken from.
    pub log_probs: Option<AskedLogProbs>,
}

/// Something to generate or to score.
#[derive(Clone, Copy, Debug)]
pub enum AnyRequest<'a> {
    /// A text to continue.
    Generation(&'a GenerationRequest),
    /// A continuation to score.
    LogLikelihood(&'a LogLikelihoodRequest),
    /// A text to score token by token.
    Tokens(&'a TokenScoreRequest),
}

impl<'a> From<&'a GenerationRequest> for AnyRequest<'a> {
    fn from(request: &'a GenerationRequest) -> Self {
        Self::Generation(request)
    }
}

impl<'a> From<&'a LogLikelihoodRequest> for AnyRequest<'a> {
    fn from(request: &'a LogLikelihoodRequest) -> Self {
        Self::LogLikelihood(request)
    }
}

impl<'a> From<&'a TokenScoreRequest> for AnyRequest<'a> {
    fn from(request: &'a TokenScoreRequest) -> Self {
        Self::Tokens(request)
    }
}

/// A handle on a request, given by the [`Scheduler`](crate::Scheduler) that it was submitted to. Never given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub(crate) u64);

/// How a prompt becomes ids.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum PromptEncoding {
    /// With the special tokens that each tokenizer puts around a text.
    #[default]
    WithSpecial,
    /// The text alone.
    WithoutSpecial,
}

/// What to do with a prompt that is too long for a member's context.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Overlong {
    /// Refuse the request: an error.
    #[default]
    Refuse,
    /// Drop tokens from the left until the prompt and `max_new_tokens` fit, as lm-evaluation-harness does.
    TruncateLeft,
    /// Score a text behind no context in windows that fit, as lm-evaluation-harness's rolling log-likelihood does. Anything
    /// else is refused.
    Windows,
}

/// The continuation of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub struct Generation {
    /// What was emitted, without the stop string.
    pub bytes: Vec<u8>,
    /// Steps taken: union tokens, the one that ended the text included.
    pub tokens: usize,
    /// Steps at which the members voted, or one of them was drawn.
    pub ensembled: usize,
    /// Tokens of the prompt, per member (0 for a member that was never consulted).
    pub prompt_tokens: Vec<usize>,
    /// The response's length in each member's own tokens (the paper's latency divides by their mean).
    pub member_tokens: Vec<usize>,
    /// Whether some member's prompt was cut from the left.
    pub truncated: bool,
    /// What of it is reasoning; none where there is none.
    pub thinking: Option<Thinking>,
    /// Why it ended.
    pub finish: Finish,
    /// Wall time from admission to the end, in seconds. Samples in flight together share it.
    pub seconds: f64,
    /// What was drafted for it.
    pub drafts: DraftCounts,
    /// The steps, when a trace or log-probabilities were asked for; else empty.
    pub steps: Vec<Step>,
}

/// Tokens that were proposed ahead and verified.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DraftCounts {
    /// Tokens proposed.
    pub drafted: usize,
    /// Those of them that were emitted.
    pub accepted: usize,
    /// How often members that are asked at every step read; a token each time without drafts. 0 where nothing is drafted.
    pub verifications: usize,
}

impl DraftCounts {
    /// Adds another's.
    pub fn add(&mut self, other: Self) {
        self.drafted += other.drafted;
        self.accepted += other.accepted;
        self.verifications += other.verifications;
    }
}

impl Generation {
    /// The response as text. Bytes that are not UTF-8 (a character cut by `max_new_tokens`) become U+FFFD.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What it says after its reasoning; nothing where that never ended.
    pub fn answer(&self) -> String {
        match self.thinking {
            None => self.text(),
            Some(Thinking::Closed { answer }) => {
                String::from_utf8_lossy(self.bytes.get(answer..).unwrap_or_default()).into_owned()
            }
            Some(Thinking::Unclosed) => String::new(),
        }
    }
}

/// Why a generation ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    /// END won.
    End,
    /// A stop string appeared.
    Stop,
    /// `max_new_tokens` were emitted.
    Length,
    /// A member's context is full.
    Context,
}

/// One step of a generation.
#[derive(Clone, Debug, PartialEq)]
pub struct Step {
    /// The token's bytes; empty for END and other control symbols.
    pub bytes: Vec<u8>,
    /// Whether the token is END.
    pub end: bool,
    /// Whether the members voted, or one of them was drawn (otherwise the gate, or the only member, decided alone).
    pub ensembled: bool,
    /// The winner's fused probability where members voted, else its probability under the deciding member.
    pub probability: f64,
    /// How much more it may be, where members list their most probable tokens and the vote was decided by that; 0 with
    /// full distributions.
    pub beyond: f64,
    /// The probability of the next one: the most that the members' weighted average, or the member that decided alone,
    /// gives to another of their most probable tokens.
    pub runner_up: f64,
    /// How often members were asked for more than they had listed.
    pub asks: usize,
    /// How sure the gate was, where there is one (see [`Certainty`](crate::Certainty)).
    pub certainty: Option<f64>,
    /// The gate's own token, where there is a gate: another one was emitted where the ensemble overruled it.
    pub proposed: Option<UnionToken>,
    /// Every member's view, `(M,)`, where a trace was asked for; none for a member that was not consulted.
    pub views: Vec<Option<MemberView>>,
    /// What was asked of the distribution that the token was taken from.
    pub log_probs: Option<TokenLogProbs>,
}

/// Two tokens are close where the second has at least this part of the first one's probability. A server that computes
/// in bfloat16 rounds logits of 16 to 32 to eighths, so that what is closer than e^(-1/8) may come out either way.
const CLOSE: f64 = 0.875;

impl Step {
    /// Whether the next one was so close that roundings may decide.
    pub fn is_close(&self) -> bool {
        self.runner_up >= CLOSE * self.probability
    }
}

/// What one member saw at a step.
#[derive(Clone, Debug, PartialEq)]
pub struct MemberView {
    /// Its most probable union tokens with its own probabilities, descending.
    pub top: Vec<(UnionToken, f64)>,
    /// Its part of the members' weighted probability of the token that was emitted, 0 to 1; 1 where it decided alone.
    pub share: f64,
    /// Its probability that no union token gets: unused rows, and what a list does not tell.
    pub unmapped: f64,
}

/// A continuation to score after a context.
#[derive(Clone, Debug)]
pub struct LogLikelihoodRequest {
    /// The context. Requests with equal contexts that follow each other share its computation.
    pub context: Prompt,
    /// The continuation, with its leading space (which it has not in a chat, whose template ends where answers begin).
    pub continuation: String,
    /// How members encode the context.
    pub encoding: PromptEncoding,
    /// What to do when context and continuation do not fit.
    pub overlong: Overlong,
}

/// A text in the first member's ids, of which each token behind a context is scored as continuations are
/// ([`LogLikelihoodRequest`]).
///
/// The first member reads exactly these ids. The others read the text of the context, encoded by themselves, and then what
/// they are fed for the tokens behind it.
#[derive(Clone, Debug)]
pub struct TokenScoreRequest {
    /// The first member's ids, at least two.
    pub tokens: Vec<TokenId>,
    /// How many of them are the context: at least one, and not all.
    pub context: usize,
    /// What is told of the distribution before each token that is scored.
    pub log_probs: AskedLogProbs,
}

/// Log-likelihood of a continuation.
#[derive(Clone, Debug, PartialEq)]
pub struct LogLikelihood {
    /// Sum of the natural logarithms of the continuation tokens' probabilities.
    pub sum: f64,
    /// Whether each token of the continuation is the most probable one.
    pub greedy: bool,
    /// The tokens' log-probabilities, one per token of the first member's segmentation.
    pub tokens: Vec<f64>,
    /// Whether some member's context was cut from the left.
    pub truncated: bool,
}
