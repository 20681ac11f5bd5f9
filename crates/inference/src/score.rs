//! Log-probabilities of given tokens.

use std::collections::VecDeque;
use std::ops::ControlFlow;

use crate::ask::{Ask, Detail};
use crate::distribution::Distribution;
use crate::id::{SequenceId, TokenId};
use crate::language_model::{Extension, LanguageModel, ModelError, Wanted};

/// Distributions held at once: with 150,000 rows each they are 0.6 MB.
const CHUNK: usize = 256;

/// How probable a sequence's tokens are.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenScores {
    /// Natural log-probability of each token but the first given the ones before it, `(n - 1,)`.
    pub logprobs: Vec<f64>,
    /// Their sum.
    pub sum: f64,
    /// Whether each of them is the most probable token.
    pub greedy: bool,
}

impl TokenScores {
    /// Sums up log-probabilities.
    pub fn new(logprobs: Vec<f64>, greedy: bool) -> Self {
        Self { sum: logprobs.iter().sum(), logprobs, greedy }
    }
}

/// Scores `tokens`: each given the ones before it. Works through long sequences in chunks.
///
/// # Errors
/// When the model fails, or `tokens` has an id it does not know or more than its context holds.
pub fn score_tokens(model: &mut dyn LanguageModel, tokens: &[TokenId]) -> Result<TokenScores, ModelError> {
    let mut scores = TokenScores::new(Vec::new(), true);
    score_many(model, &[tokens], 1, &mut |_, found| {
        scores = found;
        ControlFlow::Continue(())
    })
    .map_err(|error| error.source)?;
    Ok(scores)
}

/// Scores every one of `sequences`, up to `most` at a time. `finished` gets each score with the place of its sequence,
/// in order; breaking ends the call early.
///
/// Which sequences share a forward changes no score. No sequence stays open, however the call ends.
///
/// # Errors
/// Before anything is done, when a sequence has an id that the model does not know or more than its context holds;
/// later, when the model fails.
pub fn score_many(
    model: &mut dyn LanguageModel,
    sequences: &[&[TokenId]],
    most: usize,
    finished: &mut dyn FnMut(usize, TokenScores) -> ControlFlow<()>,
) -> Result<(), ScoreError> {
    let limits = model.limits();
    for (place, tokens) in sequences.iter().enumerate() {
        let refused = if let Some(token) = tokens.iter().find(|token| token.index() >= limits.vocabulary) {
            ModelError::UnknownToken { token: token.0, vocabulary: limits.vocabulary }
        } else if tokens.len() > limits.context {
            ModelError::ContextFull { length: tokens.len(), context: limits.context }
        } else {
            continue;
        };
        return Err(ScoreError { place, source: refused });
    }
    let mut open: VecDeque<Reading<'_>> = VecDeque::new();
    let mut waiting = (0..).zip(sequences.iter().copied()).peekable();
    let outcome = (|| {
        loop {
            // As many as a step has distributions for; all of them fit the cache, as far as that can be told.
            let (mut wanted, mut held) = (0, 0);
            for reading in &open {
                wanted += reading.left().len();
                held += reading.tokens.len();
            }
            while wanted < CHUNK
                && open.len() < most.max(1)
                && let Some((place, tokens)) =
                    waiting.next_if(|(_, tokens)| open.is_empty() || held + tokens.len() <= limits.cache)
            {
                let failed = |source| ScoreError { place, source };
                let reading = Reading::open(place, model, tokens).map_err(failed)?;
                wanted += reading.left().len();
                held += tokens.len();
                open.push_back(reading);
            }
            if open.is_empty() {
                return Ok(());
            }
            read_some(model, &mut open)?;
            while let Some(done) = open.pop_front_if(|reading| reading.left().is_empty()) {
                model.close(done.sequence);
                if finished(done.place, TokenScores::new(done.logprobs, done.greedy)).is_break() {
                    return Ok(());
                }
            }
        }
    })();
    for reading in open {
        model.close(reading.sequence);
    }
    outcome
}

/// A sequence that is being scored.
struct Reading<'t> {
    place: usize,
    sequence: SequenceId,
    tokens: &'t [TokenId],
    logprobs: Vec<f64>,
    greedy: bool,
}

impl<'t> Reading<'t> {
    /// In one pass over all tokens. Nothing is asked of what a cache may fill in, so the sequence is opened empty.
    fn open(place: usize, model: &mut dyn LanguageModel, tokens: &'t [TokenId]) -> Result<Self, ModelError> {
        let sequence = model.open(&[])?;
        model.announce(sequence, tokens.len());
        let logprobs = Vec::with_capacity(tokens.len().saturating_sub(1));
        Ok(Self { place, sequence, tokens, logprobs, greedy: true })
    }

    /// Tokens that are still to be read: all but the last one, which only is scored.
    fn left(&self) -> &'t [TokenId] {
        &self.tokens[self.logprobs.len()..self.tokens.len().saturating_sub(1).max(self.logprobs.len())]
    }
}

/// One forward over the first sequences, as many tokens of them as a step has distributions for.
fn read_some(model: &mut dyn LanguageModel, open: &mut VecDeque<Reading<'_>>) -> Result<(), ScoreError> {
    let mut sharing = open.len();
    loop {
        let mut room = CHUNK;
        let mut batch = Vec::with_capacity(sharing);
        let mut places = Vec::with_capacity(sharing);
        for (place, reading) in open.iter().enumerate().take(sharing) {
            let tokens = &reading.left()[..reading.left().len().min(room)];
            if !tokens.is_empty() {
                room -= tokens.len();
                batch.push(Extension { sequence: reading.sequence, tokens, wanted: Wanted::All });
                places.push(place);
            }
        }
        if batch.is_empty() {
            return Ok(());
        }
        match model.extend(&batch) {
            Ok(given) => {
                for (place, mut distributions) in places.into_iter().zip(given) {
                    let failed = |source| ScoreError { place: open[place].place, source };
                    open[place].learn(model, &mut distributions).map_err(failed)?;
                    open[place].take(&distributions);
                }
                return Ok(());
            }
            // The youngest has to begin again when there is room.
            Err(ModelError::CacheFull { .. }) if sharing > 1 => {
                sharing -= 1;
                let youngest = &mut open[sharing];
                model.close(youngest.sequence);
                let failed = |source| ScoreError { place: youngest.place, source };
                *youngest = Reading::open(youngest.place, model, youngest.tokens).map_err(failed)?;
            }
            Err(source) => return Err(ScoreError { place: open[0].place, source }),
        }
    }
}

impl Reading<'_> {
    /// Asks for the tokens that a list lacks.
    fn learn(&self, model: &mut dyn LanguageModel, distributions: &mut [Distribution]) -> Result<(), ModelError> {
        let first = self.logprobs.len() + 1;
        let token = |at: usize| std::slice::from_ref(&self.tokens[first + at]);
        let unknown: Vec<usize> =
            (0..distributions.len()).filter(|&at| !distributions[at].knows(token(at)[0])).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let ask = |&at: &usize| Ask { sequence: self.sequence, length: first + at, detail: Detail::Tokens(token(at)) };
        let answers = model.ask(&unknown.iter().map(ask).collect::<Vec<_>>())?;
        for (at, answer) in unknown.into_iter().zip(answers) {
            distributions[at].learn(Detail::Tokens(token(at)), &answer);
        }
        Ok(())
    }

    /// Scores the tokens that come after those whose distributions are given.
    fn take(&mut self, distributions: &[Distribution]) {
        for distribution in distributions {
            let token = self.tokens[self.logprobs.len() + 1];
            self.logprobs.push(distribution.log_prob(token));
            self.greedy &= distribution.top().0 == token;
        }
    }
}

/// A sequence that could not be scored.
#[derive(Debug, thiserror::Error)]
#[error("failed to score sequence {place}")]
pub struct ScoreError {
    /// Its place among the sequences.
    pub place: usize,
    /// Why.
    pub source: ModelError,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::language_model::Limits;
    use crate::testkit::{Listing, ScriptedModel};

    #[test]
    fn each_token_is_scored_given_the_ones_before_it() {
        let mut model = ScriptedModel::new(4, |tokens| match tokens {
            [TokenId(0)] => vec![(TokenId(1), 0.5), (TokenId(2), 0.25)],
            [TokenId(0), TokenId(1)] => vec![(TokenId(3), 0.125), (TokenId(2), 0.5)],
            _ => vec![],
        });
        let score = score_tokens(&mut model, &[0, 1, 3].map(TokenId)).unwrap();
        assert!((score.logprobs[0] - 0.5f64.ln()).abs() < 1e-6);
        assert!((score.logprobs[1] - 0.125f64.ln()).abs() < 1e-6);
        assert!(!score.greedy);
        assert!(score_tokens(&mut model, &[0, 1].map(TokenId)).unwrap().greedy);
        assert_eq!(score_tokens(&mut model, &[TokenId(2)]).unwrap(), TokenScores::new(vec![], true));
    }

    #[test]
    fn a_model_that_lists_one_token_is_asked_for_the_others() {
        let script =
            || ScriptedModel::new(3, |tokens| vec![(TokenId(tokens.len() as u32 % 3), 0.5), (TokenId(0), 0.4)]);
        let tokens = [2, 1, 0, 2, 0].map(TokenId);
        let mut listing = Listing::of(Box::new(script()), 1);
        let asks = listing.otherwise.asks();
        assert_eq!(score_tokens(&mut listing, &tokens).unwrap(), score_tokens(&mut script(), &tokens).unwrap());
        assert_eq!(asks.load(std::sync::atomic::Ordering::Relaxed), 3);
    }

    #[test]
    fn many_sequences_at_a_time_have_the_scores_of_each_alone_and_come_in_order() {
        let rule = |tokens: &[TokenId]| vec![(TokenId((tokens.len() % 5) as u32), 0.7), (TokenId(2), 0.2)];
        let lengths = [7, 300, 1, 2, 40, 513, 3, 0, 90];
        let sequences: Vec<Vec<TokenId>> =
            lengths.iter().map(|&n| (0..n).map(|i| TokenId((i * i + n) % 5)).collect()).collect();
        let sequences: Vec<&[TokenId]> = sequences.iter().map(Vec::as_slice).collect();
        let alone: Vec<TokenScores> =
            sequences.iter().map(|tokens| score_tokens(&mut ScriptedModel::new(5, rule), tokens).unwrap()).collect();
        for cache in [usize::MAX, 700, 513] {
            for most in [1, 3, 64] {
                let mut model = ScriptedModel::new(5, rule);
                let limits = Limits { cache, ..model.limits() };
                model = model.with_limits(limits);
                let mut found = Vec::new();
                let scored = score_many(&mut model, &sequences, most, &mut |place, score| {
                    assert_eq!(place, found.len());
                    found.push(score);
                    ControlFlow::Continue(())
                });
                scored.unwrap();
                assert_eq!(found, alone, "{cache} {most}");
            }
        }
    }

    #[test]
    fn a_sequence_that_cannot_be_scored_is_named_before_anything_is_done() {
        let mut model = ScriptedModel::new(4, |_| vec![]);
        let sequences: [&[TokenId]; 2] = [&[TokenId(1)], &[TokenId(9)]];
        let error = score_many(&mut model, &sequences, 8, &mut |_, _| panic!("nothing is done")).unwrap_err();
        assert!(matches!(error, ScoreError { place: 1, source: ModelError::UnknownToken { token: 9, .. } }));
    }

    #[test]
    fn chunks_do_not_show() {
        let tokens: Vec<TokenId> = (0..CHUNK as u32 * 2 + 9).map(|i| TokenId(i % 5)).collect();
        let rule = |tokens: &[TokenId]| vec![(TokenId((tokens.len() % 5) as u32), 0.9)];
        let score = score_tokens(&mut ScriptedModel::new(5, rule), &tokens).unwrap();
        assert_eq!(score.logprobs.len(), tokens.len() - 1);
        assert!(score.greedy);
    }
}
