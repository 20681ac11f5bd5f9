//! Which queries tell the distributions that are wanted.

use super::lone::LoneTexts;
use super::protocol::{Abilities, TokenQuery, WantedList, Within};
use super::sequence::RemoteSequence;
use crate::id::TokenId;
use crate::vocabulary::Tokenizer;

/// Plans the queries of a model on a server.
pub(super) struct Planner<'m> {
    pub(super) abilities: Abilities,
    /// Tokens of a list.
    pub(super) list: usize,
    /// Most probable tokens that a query goes on by.
    pub(super) ahead: usize,
    /// How far a query goes on where nobody else has a vote.
    pub(super) lone: &'m LoneTexts,
    /// The longest sequence in tokens.
    pub(super) context: usize,
    pub(super) tokenizer: &'m Tokenizer,
}

impl Planner<'_> {
    /// The queries that tell the distributions of `sequence` after `wanted` lengths; those of one list are asked in turn.
    pub(super) fn needed(&self, sequence: &RemoteSequence, wanted: &[usize]) -> Vec<Vec<TokenQuery>> {
        let unknown: Vec<usize> = wanted.iter().copied().filter(|&length| sequence.told(length).is_none()).collect();
        let [first, .., last] = unknown[..] else {
            let [only] = unknown[..] else { return Vec::new() };
            return self.needed_once(sequence, only);
        };
        let of_continuations = self.of_continuations(sequence, sequence.tokens().len(), first, |_| true);
        if !of_continuations.is_empty() {
            return of_continuations;
        }
        // What follows the last one that is wanted is not needed; the token behind it tells itself.
        let end = (last + 1).min(sequence.tokens().len());
        let tokens = sequence.tokens()[..end].to_vec();
        if self.tells_within(&tokens[first..]) {
            return vec![vec![TokenQuery { tokens, from: first, ahead: 1, listing: self.listing() }]];
        }
        vec![unknown.iter().map(|&length| self.next(sequence, length, 1)).collect()]
    }

    fn needed_once(&self, sequence: &RemoteSequence, length: usize) -> Vec<Vec<TokenQuery>> {
        let held = sequence.tokens().len();
        let of_continuations = self.of_continuations(sequence, held, length, |_| true);
        if !of_continuations.is_empty() {
            return of_continuations;
        }
        if length == held {
            // A context of continuations does not go on by itself.
            let ahead = if sequence.branches.begin_at(length) { 1 } else { self.ahead_of(sequence) };
            return vec![vec![self.next(sequence, length, ahead.min(self.context + 1 - length))]];
        }
        let tokens = sequence.tokens()[..=length].to_vec();
        if self.tells_within(&tokens[length..]) {
            return vec![vec![TokenQuery { tokens, from: length, ahead: 0, listing: self.listing() }]];
        }
        vec![vec![self.next(sequence, length, 1)]]
    }

    /// A query that keeps `sequence` as far ahead as others come to be, where all that is `wanted` of it is known.
    pub(super) fn spare(&self, sequence: &RemoteSequence, wanted: &[usize]) -> Option<TokenQuery> {
        let (known, ahead) = (sequence.known_ahead(), self.ahead_of(sequence));
        let is_next = wanted.last() == Some(&sequence.tokens().len());
        let goes_on = is_next && !sequence.branches.begin_at(sequence.tokens().len()) && known > 0 && known < ahead;
        if !goes_on || wanted.iter().any(|&length| sequence.told(length).is_none()) {
            return None;
        }
        let tokens = sequence.tokens_ahead();
        let room = (self.context + 1).saturating_sub(tokens.len());
        let ahead = (ahead - known).min(room);
        (ahead > 0).then(|| TokenQuery { from: tokens.len(), tokens, ahead, listing: self.listing() })
    }

    /// The queries that tell how the continuations go on which begin with the first `held` tokens of `sequence`, from the
    /// first `length` on; of those alone whose next token is `wanted`. Continuations of one token are left to a list.
    pub(super) fn of_continuations(
        &self,
        sequence: &RemoteSequence,
        held: usize,
        length: usize,
        wanted: impl Fn(TokenId) -> bool,
    ) -> Vec<Vec<TokenQuery>> {
        let untold = sequence.branches.untold(&sequence.tokens()[..held], length);
        let is_told_so = |(tokens, next): &(Vec<TokenId>, TokenId)| {
            let several = tokens.len() - length > 1 || self.abilities.within == Within::OfForced;
            several && wanted(*next) && self.tells_within(&tokens[length..])
        };
        let query = |(tokens, _)| TokenQuery { tokens, from: length, ahead: 0, listing: self.listing() };
        let queries: Vec<TokenQuery> = untold.into_iter().filter(is_told_so).map(query).collect();
        match self.abilities.within {
            _ if queries.is_empty() => Vec::new(),
            // Each finds the context in the cache.
            Within::OfForced => vec![queries],
            _ => queries.into_iter().map(|query| vec![query]).collect(),
        }
    }

    /// Tokens that a query about what follows `sequence` goes on by.
    fn ahead_of(&self, sequence: &RemoteSequence) -> usize {
        let (held, greedy) = (sequence.tokens().len(), &sequence.greedy);
        if greedy.contains(&held) { self.lone.ahead(held - greedy.start, greedy.end - held) } else { self.ahead }
    }

    fn listing(&self) -> WantedList {
        WantedList::Top(self.list)
    }

    fn next(&self, sequence: &RemoteSequence, length: usize, ahead: usize) -> TokenQuery {
        TokenQuery { tokens: sequence.tokens()[..length].to_vec(), from: length, ahead, listing: self.listing() }
    }

    /// Whether one request tells the distributions before each of `tokens`.
    fn tells_within(&self, tokens: &[TokenId]) -> bool {
        match self.abilities.within {
            Within::Untold => false,
            Within::OfPrompt => true,
            Within::OfForced => !tokens.iter().any(|token| self.tokenizer.vocabulary().is_end(*token)),
        }
    }
}
