//! Server-sent events.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{HeaderValue, header};
use axum::response::Response;
use hyper::body::Frame;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::dispatch::{Answers, Progress};

/// Events on their way to a client that has not taken them.
const AHEAD: usize = 16;
/// After so long without an event, a comment shows that the connection lives.
const QUIET: Duration = Duration::from_secs(15);

/// Whoever writes the events of an answer.
pub(crate) trait Events: Send + 'static {
    /// What is sent before anything has happened.
    fn first(&mut self) -> Vec<Value>;
    /// What is sent where job `index` goes on.
    fn on(&mut self, index: usize, progress: Progress) -> Vec<Value>;
    /// What is sent when all has ended.
    fn last(&mut self) -> Vec<Value>;
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

/// Streams `answers` as `events` writes them, `[DONE]` at the end. `held` is kept for as long. When the client goes away,
/// the answers are dropped at once.
pub(crate) fn respond(mut answers: Answers, mut events: impl Events, held: impl Send + 'static) -> Response {
    let (sender, receiver) = mpsc::channel(AHEAD);
    tokio::spawn(async move {
        let _held = held;
        let mut batch = events.first();
        loop {
            for event in batch {
                if sender.send(written(&event)).await.is_err() {
                    return;
                }
            }
            let next = tokio::select! {
                next = tokio::time::timeout(QUIET, answers.next()) => next,
                () = sender.closed() => return,
            };
            batch = match next {
                Ok(Some((_, Progress::Failed(error)))) => {
                    let _ = sender.send(written(&error.body())).await;
                    break;
                }
                Ok(Some((index, progress))) => events.on(index, progress),
                Ok(None) => {
                    for event in events.last() {
                        if sender.send(written(&event)).await.is_err() {
                            return;
                        }
                    }
                    break;
                }
                Err(_) => {
                    if sender.send(Bytes::from_static(b": waiting\n\n")).await.is_err() {
                        return;
                    }
                    Vec::new()
                }
            };
        }
        let _ = sender.send(Bytes::from_static(b"data: [DONE]\n\n")).await;
    });
    let mut response = Response::new(Body::new(Sent(receiver)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

fn written(event: &Value) -> Bytes {
    format!("data: {event}\n\n").into()
}
