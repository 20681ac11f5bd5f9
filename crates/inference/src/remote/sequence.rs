//! A sequence of a remote model: its tokens, and what is known of how it goes on.

use std::ops::Range;
use std::sync::Arc;

use super::branches::Branches;
use super::protocol::{ServerAnswer, ToldLogProbs};
use super::replicas::ReplicaId;
use crate::id::TokenId;

/// A sequence: a list of tokens here, a prefix in some server's cache there.
#[derive(Clone, Debug)]
pub(super) struct RemoteSequence {
    tokens: Vec<TokenId>,
    /// The replica that has its prefix.
    pub(super) home: ReplicaId,
    /// Its place there, where it has one of its own.
    pub(super) slot: Option<usize>,
    /// The most probable tokens behind the first `start` of `tokens`, each with the distribution that it was taken from.
    path: Vec<(TokenId, Arc<ToldLogProbs>)>,
    start: usize,
    /// How many tokens of the path `tokens` follows.
    followed: usize,
    /// Continuations that are going to be scored.
    pub(super) branches: Branches,
    /// From where to where it goes on by its own most probable tokens; empty where others have a vote.
    pub(super) greedy: Range<usize>,
}

impl RemoteSequence {
    pub(super) fn new(home: ReplicaId, slot: Option<usize>) -> Self {
        Self {
            tokens: Vec::new(),
            home,
            slot,
            path: Vec::new(),
            start: 0,
            followed: 0,
            branches: Branches::default(),
            greedy: 0..0,
        }
    }

    pub(super) fn tokens(&self) -> &[TokenId] {
        &self.tokens
    }

    /// Appends `tokens`. Tells whether they follow the path, as far as it goes; none where it does not tell: there is no
    /// path, or it ends before they do.
    pub(super) fn append(&mut self, tokens: &[TokenId]) -> Option<bool> {
        let had_path = self.is_on_path() && self.followed < self.path.len();
        let known = self.path.len() - self.followed;
        self.tokens.extend_from_slice(tokens);
        self.follow();
        match self.is_on_path() {
            _ if !had_path => None,
            true => (tokens.len() <= known).then_some(true),
            // It ended, or something else came.
            false if self.followed == self.path.len() => None,
            false => Some(false),
        }
    }

    /// Keeps the first `length` tokens.
    pub(super) fn truncate(&mut self, length: usize) {
        self.tokens.truncate(length);
        self.branches.truncate(length);
        if length < self.start {
            self.forget_path();
        }
        self.follow();
    }

    /// Undoes an [`append`](Self::append) to what were `length` tokens.
    pub(super) fn roll_back(&mut self, length: usize) {
        self.tokens.truncate(length);
        if self.start > length {
            self.forget_path();
        }
        self.follow();
    }

    /// The distribution after the first `length` tokens, where it is known.
    pub(super) fn told(&self, length: usize) -> Option<Arc<ToldLogProbs>> {
        let at = length.checked_sub(self.start).filter(|at| *at <= self.followed);
        let on_path = at.and_then(|at| self.path.get(at)).map(|(_, told)| Arc::clone(told));
        on_path.or_else(|| self.branches.told(self.tokens.get(..length)?))
    }

    /// Distributions that are known from the one after all tokens on.
    pub(super) fn known_ahead(&self) -> usize {
        if self.is_on_path() { self.path.len() - self.followed } else { 0 }
    }

    /// The tokens, and what the path adds to them.
    pub(super) fn tokens_ahead(&self) -> Vec<TokenId> {
        let ahead = if self.is_on_path() { &self.path[self.followed..] } else { &[] };
        self.tokens.iter().copied().chain(ahead.iter().map(|(token, _)| *token)).collect()
    }

    /// Takes the path of an answer to [`tokens_ahead`](Self::tokens_ahead).
    pub(super) fn go_on(&mut self, answer: ServerAnswer, home: ReplicaId) {
        self.home = home;
        if self.known_ahead() == 0 {
            self.forget_path();
        } else {
            // Nothing before the present is asked for again.
            self.path.drain(..self.followed);
            self.followed = 0;
            self.start = self.tokens.len();
        }
        self.path.extend(answer.path.into_iter().map(|(token, told)| (token, Arc::new(told))));
    }

    fn forget_path(&mut self) {
        self.path.clear();
        self.start = self.tokens.len();
        self.followed = 0;
    }

    fn is_on_path(&self) -> bool {
        self.start + self.followed == self.tokens.len()
    }

    fn follow(&mut self) {
        let behind = self.tokens.get(self.start..).unwrap_or_default();
        self.followed = behind.iter().zip(&self.path).take_while(|(token, (next, _))| *token == next).count();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<TokenId> {
        ids.iter().copied().map(TokenId).collect()
    }

    /// A step whose list names its own token.
    fn answer(tokens: &[u32]) -> ServerAnswer {
        let step =
            |&token: &u32| (TokenId(token), ToldLogProbs { top: vec![(TokenId(token), -0.5)], others: Vec::new() });
        ServerAnswer { within: Vec::new(), path: tokens.iter().map(step).collect() }
    }

    fn next(sequence: &RemoteSequence, length: usize) -> Option<u32> {
        sequence.told(length).map(|told| told.top[0].0.0)
    }

    #[test]
    fn a_path_tells_as_long_as_it_is_followed() {
        let mut sequence = RemoteSequence::new(ReplicaId(0), None);
        assert_eq!(sequence.append(&ids(&[1, 2])), None);
        sequence.go_on(answer(&[3, 4, 5]), ReplicaId(1));
        assert_eq!((next(&sequence, 2), next(&sequence, 3), sequence.known_ahead()), (Some(3), None, 3));
        assert_eq!(sequence.append(&ids(&[3])), Some(true));
        assert_eq!((next(&sequence, 3), sequence.known_ahead()), (Some(4), 2));
        assert_eq!(sequence.tokens_ahead(), ids(&[1, 2, 3, 4, 5]));
        sequence.go_on(answer(&[6]), ReplicaId(1));
        assert_eq!((sequence.known_ahead(), next(&sequence, 3)), (3, Some(4)));
        assert_eq!(sequence.append(&ids(&[4, 9])), Some(false));
        assert_eq!((next(&sequence, 4), next(&sequence, 5), sequence.known_ahead()), (Some(5), None, 0));
        assert_eq!(sequence.tokens_ahead(), ids(&[1, 2, 3, 4, 9]));
        assert_eq!(sequence.append(&ids(&[7])), None, "it has left its path before");
    }

    #[test]
    fn a_path_that_ends_tells_nothing_of_what_comes_behind() {
        let mut sequence = RemoteSequence::new(ReplicaId(0), None);
        sequence.append(&ids(&[1]));
        sequence.go_on(answer(&[2, 3]), ReplicaId(0));
        assert_eq!(sequence.append(&ids(&[2, 3])), Some(true));
        assert_eq!((next(&sequence, 3), sequence.known_ahead()), (None, 0));
        sequence.go_on(answer(&[4]), ReplicaId(0));
        assert_eq!(sequence.append(&ids(&[4, 5])), None);
        assert_eq!(next(&sequence, 5), None);
    }

    #[test]
    fn what_was_truncated_may_come_again() {
        let mut sequence = RemoteSequence::new(ReplicaId(0), None);
        sequence.append(&ids(&[1]));
        sequence.go_on(answer(&[2, 3, 4]), ReplicaId(0));
        sequence.append(&ids(&[2, 9]));
        sequence.truncate(2);
        assert_eq!((next(&sequence, 2), sequence.known_ahead()), (Some(3), 2));
        sequence.truncate(0);
        assert_eq!((next(&sequence, 0), sequence.known_ahead()), (None, 0));
        sequence.append(&ids(&[7]));
        assert_eq!(next(&sequence, 1), None, "the path was behind another token");
    }
}
