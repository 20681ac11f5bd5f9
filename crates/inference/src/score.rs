//! Log-probabilities of given tokens.

use crate::{Ask, Detail, Extension, LanguageModel, ModelError, TokenId, Wanted};

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
    let limits = model.limits();
    if let Some(token) = tokens.iter().find(|token| token.index() >= limits.vocabulary) {
        return Err(ModelError::UnknownToken { token: token.0, vocabulary: limits.vocabulary });
    }
    if tokens.len() > limits.context {
        return Err(ModelError::ContextFull { length: tokens.len(), context: limits.context });
    }
    // Nothing is asked of what a cache may fill in, so the sequence is opened empty.
    let sequence = model.open(&[])?;
    let mut logprobs = Vec::with_capacity(tokens.len().saturating_sub(1));
    let mut greedy = true;
    let given = &tokens[..tokens.len().saturating_sub(1)];
    let outcome = (|| {
        for (chunk, following) in given.chunks(CHUNK).zip(tokens.get(1..).unwrap_or_default().chunks(CHUNK)) {
            let extension = Extension { sequence, tokens: chunk, wanted: Wanted::All };
            let mut distributions = model.extend(&[extension])?.pop().unwrap_or_default();
            let first = model.length(sequence) + 1 - chunk.len();
            let unknown: Vec<usize> =
                (0..distributions.len()).filter(|&at| !distributions[at].knows(following[at])).collect();
            let detail = |at: usize| Detail::Tokens(std::slice::from_ref(&following[at]));
            let ask = |&at: &usize| Ask { sequence, length: first + at, detail: detail(at) };
            let answers = model.ask(&unknown.iter().map(ask).collect::<Vec<_>>())?;
            for (at, answer) in unknown.into_iter().zip(answers) {
                distributions[at].learn(detail(at), &answer);
            }
            for (distribution, &token) in distributions.iter().zip(following) {
                logprobs.push(distribution.log_prob(token));
                greedy &= distribution.top().0 == token;
            }
        }
        Ok(())
    })();
    model.close(sequence);
    outcome.map(|()| TokenScores::new(logprobs, greedy))
}

#[cfg(test)]
mod tests {
    use super::*;
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
        let mut listing = Listing::new(Box::new(script()), 1);
        let asks = listing.asks();
        assert_eq!(score_tokens(&mut listing, &tokens).unwrap(), score_tokens(&mut script(), &tokens).unwrap());
        assert_eq!(asks.load(std::sync::atomic::Ordering::Relaxed), 3);
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
