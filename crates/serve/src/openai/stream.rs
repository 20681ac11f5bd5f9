//! What completions and chats write alike: an answer's object, and the same in pieces as server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use gac_ensemble::{Finish, Generation, Settings, Step, Thinking};
use hyper::body::Frame;
use serde_json::{Value, json};
use tokio::sync::mpsc::{self, error::SendError};
use tokio::time::error::Elapsed;

use crate::app::now;
use crate::dispatch::{Answers, JobProgress};
use crate::error::ApiError;
use crate::trace;

/// Events on their way to a client that has not taken them.
const AHEAD: usize = 16;
/// After so long without an event, a comment shows that the connection lives.
const QUIET: Duration = Duration::from_secs(15);
/// What fails within so long is no stream, but an answer that says why.
const AT_ONCE: Duration = Duration::from_millis(200);

/// What stands around choices: in an answer, and in every piece of one.
#[derive(Clone, Debug)]
pub(crate) struct Envelope {
    id: String,
    created: u64,
    model: String,
    /// Whether the last piece of a stream tells what it cost.
    includes_usage: bool,
}

impl Envelope {
    /// Around an answer that is made now.
    pub(crate) fn new(id: String, model: &str, includes_usage: bool) -> Self {
        Self { id, created: now(), model: model.to_owned(), includes_usage }
    }

    fn around(&self, object: &str, choices: &Value) -> Value {
        let Self { id, created, model, .. } = self;
        json!({ "id": id, "object": object, "created": created, "model": model, "choices": choices })
    }

    /// An answer as one object.
    pub(crate) fn whole(&self, object: &str, choices: Vec<Value>, usage: Value) -> Value {
        let mut answer = self.around(object, &choices.into());
        answer["usage"] = usage;
        answer
    }

    /// A piece of an answer. Where the last one tells what it cost, all others say that they do not.
    fn piece(&self, object: &str, choices: &Value, usage: Option<Value>) -> Value {
        let mut piece = self.around(object, choices);
        if self.includes_usage {
            piece["usage"] = usage.into();
        }
        piece
    }
}

/// What an answer cost, in tokens.
pub(crate) fn usage(prompt: usize, completion: usize) -> Value {
    json!({ "prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion })
}

/// What a response cost, in tokens: the first member's where a step is a byte.
pub(crate) fn response_tokens(settings: &Settings, generation: &Generation) -> usize {
    let of_first = generation.member_tokens.first().filter(|_| settings.votes_on_bytes());
    of_first.copied().unwrap_or(generation.tokens)
}

/// Why a text ends, in `OpenAI`'s words; where none was to be made, its length.
pub(crate) fn finish_reason(finish: Option<Finish>) -> &'static str {
    match finish {
        Some(Finish::End | Finish::Stop) => "stop",
        Some(Finish::Length | Finish::Context) | None => "length",
    }
}

/// What of a continuation is told beside `OpenAI`'s fields; its steps where it is `traced`.
pub(crate) fn beside(generation: &Generation, traced: bool) -> Value {
    let mut beside = json!({ "tokens": generation.tokens, "ensembled": generation.ensembled });
    if traced {
        beside["steps"] = generation.steps.iter().map(trace::step).collect();
    }
    beside
}

/// Writes the pieces of an answer's choices.
pub(crate) trait ChoicePieces: Send + 'static {
    /// What `object` is called in each piece.
    const OBJECT: &'static str;
    /// The choices that are sent before anything has happened.
    fn first(&mut self) -> Vec<Value>;
    /// Choice `index` where a token was emitted; nothing where that is to be told with a later one.
    fn token(&mut self, index: usize, bytes: &[u8], thinking: Option<Thinking>, step: Option<&Step>) -> Option<Value>;
    /// Choice `index` at its end, without why.
    fn end(&mut self, index: usize, generation: &Generation) -> Value;
    /// What all of it cost.
    fn usage(&self) -> Value;
}

/// The piece that says what has become of job `index`.
fn piece_of<P: ChoicePieces>(
    envelope: &Envelope,
    choices: &mut P,
    index: usize,
    progress: JobProgress,
) -> Option<Value> {
    let choice = match progress {
        JobProgress::Token { bytes, thinking, step } => {
            let mut choice = choices.token(index, &bytes, thinking, step.as_ref())?;
            choice["finish_reason"] = Value::Null;
            choice
        }
        JobProgress::Generated(generation) => {
            let mut choice = choices.end(index, &generation);
            choice["finish_reason"] = finish_reason(Some(generation.finish)).into();
            choice["gac"] = beside(&generation, false);
            choice
        }
        JobProgress::Scored(_) | JobProgress::Failed(_) => return None,
    };
    Some(envelope.piece(P::OBJECT, &json!([choice]), None))
}

/// The body: what was sent and not taken yet.
struct Sent(mpsc::Receiver<Bytes>);

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|event| event.map(|bytes| Ok(Frame::data(bytes))))
    }
}

/// Streams `answers` as `choices` writes them, each piece in `envelope`, `[DONE]` at the end. `held` is kept for as long.
/// When the client goes away, the answers are dropped at once.
///
/// # Errors
/// What fails at once: it has a status of its own. What fails later is told in the stream.
pub(crate) async fn respond<P: ChoicePieces>(
    mut answers: Answers,
    envelope: Envelope,
    choices: P,
    held: impl Send + 'static,
) -> Result<Response, ApiError> {
    let first = tokio::time::timeout(AT_ONCE, answers.next()).await;
    if let Ok(Some((_, JobProgress::Failed(error)))) = first {
        return Err(error);
    }
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _held = held;
        // Nobody is left to be told that nobody reads it.
        let _ = tell(&sender, first, answers, &envelope, choices).await;
    });
    let mut response = Response::new(Body::new(Sent(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// What happens next, in time or not.
type Next = Result<Option<(usize, JobProgress)>, Elapsed>;

/// Sends all that happens, beginning with what is known already, for as long as somebody reads it.
async fn tell<P: ChoicePieces>(
    sender: &mpsc::Sender<Bytes>,
    mut next: Next,
    mut answers: Answers,
    envelope: &Envelope,
    mut choices: P,
) -> Result<(), SendError<Bytes>> {
    for choice in choices.first() {
        sender.send(written(&envelope.piece(P::OBJECT, &json!([choice]), None))).await?;
    }
    loop {
        match next {
            Ok(Some((_, JobProgress::Failed(error)))) => {
                sender.send(written(&error.body())).await?;
                break;
            }
            Ok(Some((index, progress))) => {
                if let Some(piece) = piece_of(envelope, &mut choices, index, progress) {
                    sender.send(written(&piece)).await?;
                }
            }
            Ok(None) => {
                if envelope.includes_usage {
                    let usage = envelope.piece(P::OBJECT, &json!([]), Some(choices.usage()));
                    sender.send(written(&usage)).await?;
                }
                break;
            }
            Err(_) => sender.send(Bytes::from_static(b": waiting\n\n")).await?,
        }
        next = tokio::select! {
            next = tokio::time::timeout(QUIET, answers.next()) => next,
            () = sender.closed() => return Ok(()),
        };
    }
    sender.send(Bytes::from_static(b"data: [DONE]\n\n")).await
}

fn written(piece: &Value) -> Bytes {
    format!("data: {piece}\n\n").into()
}
