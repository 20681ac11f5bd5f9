//! The seam between ensembling and whatever computes probabilities.

use crate::ask::Ask;
use crate::device::DeviceSpec;
use crate::distribution::Distribution;
use crate::id::{SequenceId, TokenId};

/// Something that gives next-token distributions: the native engine, an adapter, a remote server, a script in a test.
///
/// The caller owns sequences by handle. Nothing happens to a sequence that was not asked for, and positions follow
/// from the number of tokens it holds.
pub trait LanguageModel: Send {
    /// Sizes that never change.
    fn limits(&self) -> Limits;

    /// The devices it computes on. Models that have none in common run at the same time; a model that computes on no
    /// device of this machine (a server elsewhere) has none.
    fn devices(&self) -> &[DeviceSpec] {
        &[DeviceSpec::Cpu]
    }

    /// Opens a sequence that is going to hold `prompt`.
    ///
    /// A model that remembers a prefix of `prompt` from earlier sequences may fill it in: [`length`](Self::length)
    /// says how many of its tokens are there already, and the caller extends by the others. The last token of
    /// `prompt` is never filled in, so there is always a position to ask a distribution of.
    ///
    /// # Errors
    /// When the backend fails.
    fn open(&mut self, prompt: &[TokenId]) -> Result<SequenceId, ModelError>;

    /// Says that `sequence` is read in a pass over `length` tokens, until something else is said.
    ///
    /// That matters to models that turn all positions of a pass by its length (`LongRoPE`). Without it, a distribution is
    /// that of a pass that ends with the last token before it, as in generating token by token; [`open`](Self::open) says
    /// it of the whole prompt. A fork has it from its original.
    fn announce(&mut self, _sequence: SequenceId, _length: usize) {}

    /// Whether passes over so many tokens turn their positions alike, so that what was read in one serves the other.
    fn turns_alike(&self, _length: usize, _other: usize) -> bool {
        true
    }

    /// Says that `sequence` is going to hold `length` tokens, and that each of `continuations` of them is then going to be
    /// scored: the distributions before all their tokens are wanted, of the sequence and of its forks. A model on a server
    /// asks about a whole continuation in one go; others need not listen. Nothing that is said changes a distribution.
    fn expect(&mut self, _sequence: SequenceId, _length: usize, _continuations: &[Vec<TokenId>]) {}

    /// Says that behind its first `from` tokens, `sequence` goes on by its own most probable tokens until it holds `to` or
    /// ends before: nobody else has a vote. A model on a server asks for many of them at once; others need not listen.
    /// Nothing that is said changes a distribution.
    fn expect_greedy(&mut self, _sequence: SequenceId, _from: usize, _to: usize) {}

    /// Opens a sequence with the same tokens as `sequence`. They share what was computed.
    ///
    /// # Errors
    /// For a handle that is not open.
    fn fork(&mut self, sequence: SequenceId) -> Result<SequenceId, ModelError>;

    /// Shortens `sequence` to its first `length` tokens.
    ///
    /// # Errors
    /// For a handle that is not open, or a `length` beyond its end.
    fn truncate(&mut self, sequence: SequenceId, length: usize) -> Result<(), ModelError>;

    /// Drops `sequence`. Unknown handles are ignored.
    fn close(&mut self, sequence: SequenceId);

    /// Forgets what it remembers of closed sequences, so that the next ones take the time that they take for themselves.
    fn forget(&mut self) {}

    /// Number of tokens that `sequence` holds; 0 for an unknown handle.
    fn length(&self, sequence: SequenceId) -> usize;

    /// Appends tokens to many sequences in one forward, each by one or several tokens, each at its own length.
    ///
    /// Gives per extension, in order, the distributions that it asked for, in the order of their positions.
    ///
    /// # Errors
    /// [`ModelError::CacheFull`], [`ModelError::ContextFull`] and [`ModelError::Request`] leave every sequence as it was.
    fn extend(&mut self, batch: &[Extension<'_>]) -> Result<Vec<Vec<Distribution>>, ModelError>;

    /// Tells more about distributions that it gave as lists, all asks in one go; answers in their order.
    ///
    /// A distribution is asked about while its sequence holds the tokens that it follows; mostly at once, before anything
    /// else happens to the sequence. The default is for models whose distributions are complete, of which nothing is ever asked.
    ///
    /// # Errors
    /// [`ModelError::CacheFull`] where a token has to be read again for that and there is no room; when the backend fails.
    fn ask(&mut self, asks: &[Ask<'_>]) -> Result<Vec<Vec<(TokenId, f64)>>, ModelError> {
        match asks {
            [] => Ok(Vec::new()),
            _ => Err(ModelError::Backend(String::from("its distributions are complete, and it was asked for more"))),
        }
    }
}

/// What a model can hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Rows of the output layer, padding rows included.
    pub vocabulary: usize,
    /// Longest sequence in tokens.
    pub context: usize,
    /// Tokens that all open sequences together can hold.
    pub cache: usize,
    /// Open sequences of which it keeps what it computed; with more that go on in turn, all are computed again and again.
    /// `usize::MAX` where only their tokens count.
    pub sequences: usize,
}

/// Tokens to append to one sequence. A sequence occurs at most once in a batch.
#[derive(Clone, Copy, Debug)]
pub struct Extension<'a> {
    /// The sequence.
    pub sequence: SequenceId,
    /// At least one token.
    pub tokens: &'a [TokenId],
    /// After which of `tokens` a distribution is wanted.
    pub wanted: Wanted<'a>,
}

/// The positions of an [`Extension`] whose next-token distribution is computed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted<'a> {
    /// None: the tokens are only remembered.
    Nothing,
    /// After the last token.
    Last,
    /// After every token.
    All,
    /// After these tokens (indices into the extension's tokens, ascending).
    At(&'a [usize]),
}

impl Wanted<'_> {
    /// The indices into an extension of `length` tokens.
    pub fn indices(&self, length: usize) -> Vec<usize> {
        match self {
            Self::Nothing => Vec::new(),
            Self::Last => vec![length - 1],
            Self::All => (0..length).collect(),
            Self::At(indices) => indices.to_vec(),
        }
    }
}

/// Why a model could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// The handle was closed, or another model gave it.
    #[error("no open sequence {}", .0.0)]
    UnknownSequence(SequenceId),
    /// Truncation beyond the end.
    #[error("cannot truncate a sequence of {length} tokens to {requested}")]
    TruncateBeyondEnd {
        /// Tokens it holds.
        length: usize,
        /// Tokens it was to keep.
        requested: usize,
    },
    /// A token id that the model has no row for.
    #[error("token id {token} is outside of the vocabulary of {vocabulary} rows")]
    UnknownToken {
        /// The id.
        token: u32,
        /// Rows there are.
        vocabulary: usize,
    },
    /// The sequence would be longer than the model's context.
    #[error("a sequence of {length} tokens does not fit the context of {context} tokens")]
    ContextFull {
        /// Length it would have.
        length: usize,
        /// The model's limit.
        context: usize,
    },
    /// All cache blocks are in use. Close a sequence and try again.
    #[error("the KV cache is full: {needed} more blocks of tokens are needed, {free} are free")]
    CacheFull {
        /// Blocks missing for this batch.
        needed: usize,
        /// Blocks not in use.
        free: usize,
    },
    /// A server refuses what it is asked about one sequence, or fails at it time and again. Other sequences are as they
    /// were, and can go on without this one.
    #[error("a request failed: {reason}")]
    Request {
        /// The sequence.
        sequence: SequenceId,
        /// What the server says.
        reason: String,
    },
    /// The server is gone, or lets nobody in: nothing can go on.
    #[error("no server goes on: {0}")]
    Server(String),
    /// The computation itself failed.
    #[error("forward pass failed: {0}")]
    Backend(String),
}
