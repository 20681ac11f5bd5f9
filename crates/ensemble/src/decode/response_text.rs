//! The text of a response as it grows: where it stops, and what of it is sure.

use std::sync::Arc;

use super::stop::{begun, stop_at};
use crate::thinking::{ThinkEnds, Thinking, Thought};
use crate::vocabulary::union::UnionToken;

/// What a sample has emitted.
#[derive(Clone, Debug)]
pub(crate) struct ResponseText {
    bytes: Vec<u8>,
    /// How many of these bytes were told.
    streamed: usize,
    /// Bytes in which stop strings were looked for.
    searched: usize,
    /// Where it stands with its reasoning.
    thought: Thought,
    /// Where it ends early.
    stop: Arc<[String]>,
}

impl ResponseText {
    /// Nothing yet. Empty stop strings stop nothing.
    pub(crate) fn new(thought: Thought, stop: &[String]) -> Self {
        let stop = stop.iter().filter(|stop| !stop.is_empty()).cloned().collect();
        Self { bytes: Vec::new(), streamed: 0, searched: 0, thought, stop }
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether it would stop with these bytes more.
    pub(crate) fn stops_with(&self, bytes: &[u8]) -> bool {
        self.thought.stops_from(&self.bytes).is_some_and(|from| {
            let answer = [&self.bytes[from..], bytes].concat();
            stop_at(&answer, self.bytes.len() - from, &self.stop).is_some()
        })
    }

    /// Appends a token; whether a stop string ends it, which is then cut off.
    pub(crate) fn push(&mut self, token: &UnionToken, ends: &ThinkEnds) -> bool {
        let before = self.bytes.len();
        if let UnionToken::Text(bytes) = token {
            self.bytes.extend_from_slice(bytes);
        }
        if ends.any() {
            self.thought = ends.after(self.thought, &self.bytes, before, token);
        }
        if *token == UnionToken::End {
            return false;
        }
        let Some(at) = self.stop() else { return false };
        self.bytes.truncate(at);
        true
    }

    /// Where the first stop string begins, in what was not searched yet.
    fn stop(&mut self) -> Option<usize> {
        let from = self.thought.stops_from(&self.bytes)?;
        // Behind reasoning, nothing was looked for.
        let before = std::mem::replace(&mut self.searched, self.bytes.len()).max(from);
        Some(from + stop_at(self.bytes.get(from..)?, before - from, &self.stop)?)
    }

    /// What of it is reasoning, as far as it has come.
    pub(crate) fn thinking(&self) -> Option<Thinking> {
        self.thought.outcome(&self.bytes)
    }

    /// The bytes that are sure to be part of the response and were not told yet: the beginning of a stop string is held
    /// back until it is known whether it is one.
    pub(crate) fn stream(&mut self, ends: &ThinkEnds) -> Vec<u8> {
        let held = match self.thought {
            // What ends its reasoning is told in one piece.
            Thought::Open => ends.begun_end(&self.bytes),
            // If it does not reason, stop strings count from its beginning.
            Thought::Unclear => self.bytes.len(),
            thought @ Thought::Answer { .. } => {
                let answer =
                    thought.stops_from(&self.bytes).and_then(|from| self.bytes.get(from..)).unwrap_or_default();
                self.stop.iter().map(|stop| begun(answer, stop.as_bytes())).max().unwrap_or(0)
            }
        };
        self.told_until(self.bytes.len() - held)
    }

    /// The bytes that were not told yet, of a response that has ended.
    pub(crate) fn rest(&mut self) -> Vec<u8> {
        self.told_until(self.bytes.len())
    }

    fn told_until(&mut self, until: usize) -> Vec<u8> {
        let bytes = self.bytes.get(self.streamed..until).unwrap_or_default().to_vec();
        self.streamed = self.streamed.max(until);
        bytes
    }
}
