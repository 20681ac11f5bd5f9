//! Log-probabilities for whoever asks: of a token, of the most probable ones beside it, and of some by their ids.

use gac_inference::{Distribution, TokenId};

use super::combine::Fused;
use super::combined::Combined;
use super::member_view::{most_probable, own_log_prob, own_prob};
use super::method::Method;
use super::votes::Votes;
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionToken, UnionVocabulary};

/// What is to be told of a distribution that a token was taken from, beside that token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedLogProbs {
    /// So many of the most probable tokens.
    pub top: usize,
    /// These tokens, by the first member's ids.
    pub ids: Vec<TokenId>,
}

/// A token with its log-probability.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogProb {
    /// A single model's id, or the first member's for this token, if it has one.
    pub id: Option<TokenId>,
    /// What it stands for; nothing for an unused row.
    pub token: Option<UnionToken>,
    /// Natural logarithm; minus infinity for what has no probability.
    pub log_prob: f64,
}

/// What is told of a distribution: of a single model's, over its own ids; where members voted, of their votes' over the
/// union vocabulary; where one of several decided alone, of its own over the union vocabulary.
#[derive(Clone, Debug, PartialEq)]
pub struct TokenLogProbs {
    /// The token that was emitted or scored.
    pub token: TokenLogProb,
    /// The most probable tokens, descending. The first is the one that greedy decoding takes, and no other token here has
    /// its log-probability, to the last bit: ties are told a little lower.
    pub top: Vec<TokenLogProb>,
    /// The log-probabilities of the tokens that were asked about by id, in order.
    pub ids: Vec<f64>,
}

/// Who decides on a token.
#[derive(Clone, Copy)]
pub(crate) enum DecidedBy<'a> {
    /// A single model, by its own ids.
    Only(&'a Distribution),
    /// One of several members, alone.
    Alone(MemberId, &'a Distribution),
    /// All of them.
    Voters(Votes<'a>, Method),
}

/// A token as a single model's id, or as a union token.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AnyToken {
    pub(crate) id: Option<TokenId>,
    pub(crate) key: Option<UnionId>,
}

impl DecidedBy<'_> {
    /// What is `asked` of the distribution, and of `token`.
    pub(crate) fn tell(
        &self,
        union: &UnionVocabulary,
        asked: &AskedLogProbs,
        token: AnyToken,
        segmentation: &mut Segmentation,
    ) -> TokenLogProbs {
        let first = MemberId(0);
        let own = |id: TokenId, log_prob: f64| {
            let token = union.projection(first).key(id).map(|key| union.token(key).clone());
            TokenLogProb { id: Some(id), token, log_prob }
        };
        let joint = |key: UnionId, id: Option<TokenId>, log_prob: f64| {
            let id = id.or_else(|| union.projection(first).ids(key).first().copied());
            TokenLogProb { id, token: Some(union.token(key).clone()), log_prob }
        };
        match self {
            Self::Only(distribution) => {
                let Some(id) = token.id else { return nothing(asked) };
                let tops = distribution.most_probable(asked.top.max(1), |_| true);
                let tops = tops.into_iter().map(|(id, _)| own(id, distribution.log_prob(id))).collect();
                let ids = asked.ids.iter().map(|&id| distribution.log_prob(id)).collect();
                let is_first = distribution.top().0 == id;
                in_order(own(id, distribution.log_prob(id)), is_first, tops, ids, asked.top)
            }
            Self::Alone(..) | Self::Voters(..) => {
                let Some(key) = token.key else { return nothing(asked) };
                let tops = self.most_probable(union, asked.top.max(1), segmentation);
                let is_first = tops.first().is_some_and(|(first, _)| *first == key);
                let listed = tops.iter().find(|(listed, _)| *listed == key).map(|(_, log_prob)| *log_prob);
                let own = listed.unwrap_or_else(|| self.log_prob(union, key, segmentation));
                let tops = tops.into_iter().map(|(key, log_prob)| joint(key, None, log_prob)).collect();
                let mut of_id = |&id: &TokenId| {
                    let key = union.projection(first).key(id);
                    key.map_or(f64::NEG_INFINITY, |key| self.log_prob(union, key, segmentation))
                };
                let ids = asked.ids.iter().map(&mut of_id).collect();
                in_order(joint(key, token.id, own), is_first, tops, ids, asked.top)
            }
        }
    }

    fn log_prob(&self, union: &UnionVocabulary, key: UnionId, segmentation: &mut Segmentation) -> f64 {
        match self {
            Self::Only(_) => f64::NEG_INFINITY,
            Self::Alone(member, distribution) => own_log_prob(union, *member, distribution, key),
            Self::Voters(votes, method) => method.log_prob(*votes, key, segmentation),
        }
    }

    /// The `count` most probable union tokens, the one that greedy decoding takes first.
    fn most_probable(
        &self,
        union: &UnionVocabulary,
        count: usize,
        segmentation: &mut Segmentation,
    ) -> Vec<(UnionId, f64)> {
        match self {
            Self::Only(_) => Vec::new(),
            Self::Alone(member, distribution) => {
                let projection = union.projection(*member);
                // A token's probability is that of all its ids: behind the first `count` tokens there is none of the others'.
                let ids = most_probable(union, *member, distribution, count.saturating_mul(projection.most_ids()));
                let taken = ids.first().and_then(|(id, _)| projection.key(*id));
                let mut keys: Vec<UnionId> = ids.iter().filter_map(|(id, _)| projection.key(*id)).collect();
                keys.extend(union.crowded());
                keys.sort_unstable();
                keys.dedup();
                let with_prob = |key: UnionId| (key, own_prob(union, *member, distribution, key));
                let entries = keys.into_iter().map(with_prob).filter(|(_, p)| *p > 0.0).collect();
                let log_prob = |key| own_log_prob(union, *member, distribution, key);
                largest_first(entries, taken, count).into_iter().map(|(key, _)| (key, log_prob(key))).collect()
            }
            Self::Voters(votes, method) => {
                let combined = method.combine(*votes, None, segmentation);
                let taken = combined.winner();
                let entries = match (taken, count) {
                    (Some(taken), 1) => vec![taken],
                    _ => combined.entries(),
                };
                let log_prob = |(key, q): (UnionId, f64)| match &combined {
                    Combined::Average(fused) => (key, Fused::log_prob(fused, key)),
                    Combined::Listed { .. } => (key, q.ln()),
                };
                largest_first(entries, taken.map(|(key, _)| key), count).into_iter().map(log_prob).collect()
            }
        }
    }
}

/// What is told of a token that nobody knows.
fn nothing(asked: &AskedLogProbs) -> TokenLogProbs {
    let token = TokenLogProb { id: None, token: None, log_prob: f64::NEG_INFINITY };
    TokenLogProbs { token, top: Vec::new(), ids: vec![f64::NEG_INFINITY; asked.ids.len()] }
}

/// The `count` largest entries, `taken` before all others; ties: the lowest id.
fn largest_first(mut entries: Vec<(UnionId, f64)>, taken: Option<UnionId>, count: usize) -> Vec<(UnionId, f64)> {
    let order = |a: &(UnionId, f64), b: &(UnionId, f64)| {
        let is_taken = |entry: &(UnionId, f64)| Some(entry.0) == taken;
        is_taken(b).cmp(&is_taken(a)).then(b.1.total_cmp(&a.1)).then(a.0.cmp(&b.0))
    };
    if 0 < count && count < entries.len() {
        entries.select_nth_unstable_by(count - 1, order);
        entries.truncate(count);
    }
    entries.sort_unstable_by(order);
    entries
}

/// `tops`, the first of which greedy decoding takes, so that nothing else is told to be as probable.
fn in_order(
    mut token: TokenLogProb,
    is_first: bool,
    mut tops: Vec<TokenLogProb>,
    ids: Vec<f64>,
    count: usize,
) -> TokenLogProbs {
    if let Some(first) = tops.first().map(|first| first.log_prob) {
        for other in &mut tops[1..] {
            other.log_prob = below(first, other.log_prob);
        }
        if !is_first {
            token.log_prob = below(first, token.log_prob);
        }
    }
    tops.truncate(count);
    TokenLogProbs { token, top: tops, ids }
}

/// `log_prob`, or where that is not below `most`, the largest number that is.
fn below(most: f64, log_prob: f64) -> f64 {
    if log_prob < most || most == f64::NEG_INFINITY { log_prob } else { most.next_down() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_inference::testkit::tokenizer;

    use super::*;
    use crate::vote::weights::Weights;

    fn dense(probabilities: &[f64]) -> Distribution {
        Distribution::dense(probabilities.iter().map(|p| p.ln() as f32).collect())
    }

    fn texts(told: &TokenLogProbs) -> Vec<(String, f64)> {
        let text = |token: &TokenLogProb| match &token.token {
            Some(UnionToken::Text(bytes)) => String::from_utf8_lossy(bytes).into_owned(),
            Some(UnionToken::Control(name)) => name.to_string(),
            Some(UnionToken::End) => String::from("END"),
            None => String::from("-"),
        };
        told.top.iter().map(|token| (text(token), token.log_prob)).collect()
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    #[allow(clippy::many_single_char_names, reason = "tokens are letters")]
    fn what_is_told_of_a_vote_is_the_average_over_the_union_vocabulary() {
        let (a, b) = (Arc::new(tokenizer(&["x", "y", "</s>"], &["</s>"])), Arc::new(tokenizer(&["y", "z"], &[])));
        let union = Arc::new(UnionVocabulary::new(&[a.vocabulary(), b.vocabulary()]));
        let mut segmentation = Segmentation::new(Arc::clone(&union), &[Arc::clone(&a), Arc::clone(&b)]);
        let (p, q) = (dense(&[0.5, 0.3, 0.2]), dense(&[0.4, 0.6]));
        let (members, weights) = ([&p, &q], Weights::uniform(2));
        let votes = Votes { union: &union, weights: &weights, members: &members };
        let z = AnyToken { id: None, key: union.find(b"z") };
        let asked = AskedLogProbs { top: 3, ids: vec![TokenId(2), TokenId(9)] };
        let told = DecidedBy::Voters(votes, Method::Gac).tell(&union, &asked, z, &mut segmentation);
        let expected = [("y", 0.35_f64), ("z", 0.3), ("x", 0.25)];
        for ((text, log_prob), (expected, q)) in texts(&told).iter().zip(expected) {
            assert_eq!(text, expected);
            close(*log_prob, q.ln());
        }
        close(told.token.log_prob, 0.3_f64.ln());
        assert_eq!((told.token.id, told.top[0].id), (None, Some(TokenId(1))), "the first member has no z");
        close(told.ids[0], 0.1_f64.ln());
        assert!(told.ids[1].is_infinite());
    }

    #[test]
    fn a_token_as_probable_as_the_one_that_is_taken_is_told_lower() {
        let a = Arc::new(tokenizer(&["x", "y", "z"], &[]));
        let union = Arc::new(UnionVocabulary::new(&[a.vocabulary(), a.vocabulary()]));
        let mut segmentation = Segmentation::new(Arc::clone(&union), &[Arc::clone(&a), Arc::clone(&a)]);
        let p = dense(&[0.4, 0.4, 0.2]);
        let (members, weights) = ([&p, &p], Weights::uniform(2));
        let votes = Votes { union: &union, weights: &weights, members: &members };
        let asked = AskedLogProbs { top: 1, ids: Vec::new() };
        for decider in [DecidedBy::Only(&p), DecidedBy::Alone(MemberId(0), &p), DecidedBy::Voters(votes, Method::Gac)] {
            let [first, second] = [0, 1].map(|id| {
                let token = AnyToken { id: Some(TokenId(id)), key: Some(UnionId(id)) };
                decider.tell(&union, &asked, token, &mut segmentation)
            });
            assert_eq!(first.token.log_prob.to_bits(), first.top[0].log_prob.to_bits());
            assert!(second.token.log_prob < second.top[0].log_prob);
            close(second.token.log_prob, 0.4_f64.ln());
        }
    }

    #[test]
    fn a_single_model_tells_of_every_row_and_a_gate_of_union_tokens() {
        let a = Arc::new(tokenizer(&["x", "<eos>", "<eot>", "y"], &["<eos>", "<eot>"]));
        let union = Arc::new(UnionVocabulary::new(&[a.vocabulary()]));
        let mut segmentation = Segmentation::new(Arc::clone(&union), &[Arc::clone(&a)]);
        // One row more than the tokenizer knows.
        let p = dense(&[0.3, 0.25, 0.2, 0.1, 0.15]);
        let x = AnyToken { id: Some(TokenId(0)), key: Some(UnionId(0)) };
        let asked = AskedLogProbs { top: 9, ids: Vec::new() };
        let only = DecidedBy::Only(&p).tell(&union, &asked, x, &mut segmentation);
        assert_eq!(only.top.len(), 5);
        assert_eq!((only.top[3].id, &only.top[3].token), (Some(TokenId(4)), &None));
        let gate = DecidedBy::Alone(MemberId(0), &p).tell(&union, &asked, x, &mut segmentation);
        // It takes x, its most probable id, though its two ends come to more.
        assert_eq!(texts(&gate).iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>(), ["x", "END", "y"]);
        assert_eq!(gate.token.log_prob.to_bits(), gate.top[0].log_prob.to_bits());
        assert!(gate.top[1].log_prob < gate.top[0].log_prob);
    }
}
