//! The members' distributions as one, by every method.

use gac_inference::Distribution;

use super::combine::{Fused, largest};
use super::member_view::{most_probable, own_prob};
use super::method::Method;
use super::weights::Weights;
use crate::member::MemberId;
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// Candidates per member for the sharpening of a vote without a majority.
pub(crate) const SHARPENED: usize = 10;

/// The members' distributions for one step, with the vocabulary that joins them.
#[derive(Clone, Copy)]
pub(crate) struct Votes<'a> {
    pub(crate) union: &'a UnionVocabulary,
    pub(crate) weights: &'a Weights,
    /// One per member.
    pub(crate) members: &'a [&'a Distribution],
}

/// One distribution made of all members'.
#[derive(Debug)]
pub(crate) enum Combined<'a> {
    /// Never written down: looked up in the members' distributions.
    Average(Fused<'a>),
    /// The tokens that may win, ascending, each with its q; every other token has `others`.
    Listed { entries: Vec<(UnionId, f64)>, others: f64 },
}

impl Combined<'_> {
    /// The most probable token (ties: the lowest union id); none when no token has any probability.
    pub(crate) fn winner(&self) -> Option<(UnionId, f64)> {
        match self {
            Self::Average(fused) => fused.winner(),
            Self::Listed { entries, others } => {
                let listed = largest(entries.iter().copied()).filter(|(_, q)| *q > 0.0);
                listed.or((*others > 0.0).then_some((UnionId(0), *others)))
            }
        }
    }

    /// q(u).
    pub(crate) fn prob(&self, token: UnionId) -> f64 {
        match self {
            Self::Average(fused) => fused.prob(token),
            Self::Listed { entries, others } => {
                entries.binary_search_by_key(&token, |(id, _)| *id).map_or(*others, |at| entries[at].1)
            }
        }
    }

    /// What `token` may have beyond [`prob`](Self::prob): lists do not tell everything.
    pub(crate) fn beyond(&self, token: UnionId) -> f64 {
        match self {
            Self::Average(fused) => fused.beyond(token),
            Self::Listed { .. } => 0.0,
        }
    }

    /// All tokens that may be drawn, with their q. Those of which nothing is known but the floor never are.
    pub(crate) fn entries(&self) -> Vec<(UnionId, f64)> {
        match self {
            Self::Average(fused) => {
                let mut q = Vec::new();
                fused.fill(&mut q);
                (0..).map(UnionId).zip(q).filter(|(_, q)| *q > 0.0).collect()
            }
            Self::Listed { entries, .. } => entries.clone(),
        }
    }
}

impl<'a> Votes<'a> {
    /// `(member, weight, distribution)` of all members.
    pub(crate) fn parts(&self) -> impl Iterator<Item = (MemberId, f64, &'a Distribution)> + use<'a> {
        let members: &'a [&'a Distribution] = self.members;
        members.iter().zip(self.weights.get()).enumerate().map(|(m, (&d, &weight))| (MemberId(m), weight, d))
    }

    /// Combines them; `also` is a candidate whatever its probability.
    pub(crate) fn combine(
        self,
        method: Method,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Combined<'a> {
        match method {
            Method::Gac => Combined::Average(Fused::new(self.union, self.weights, self.members)),
            Method::Unite { top_k } => self.unite(top_k, also, segmentation),
            Method::Geometric { floor } => self.geometric(floor),
        }
    }

    /// log q(u), natural logarithm. A token that a method would not consider is considered.
    pub(crate) fn log_prob(self, method: Method, token: UnionId, segmentation: &mut Segmentation) -> f64 {
        match self.combine(method, Some(token), segmentation) {
            Combined::Average(fused) => fused.log_prob(token),
            listed @ Combined::Listed { .. } => listed.prob(token).ln(),
        }
    }

    /// The winner of a vote without a majority, by what each candidate gets when members who lack it give it the
    /// probability of its first piece (SAFE, "probability sharpening"). Over `UniTE`, which counts so anyway, nothing
    /// changes.
    pub(crate) fn sharpen(&self, segmentation: &mut Segmentation) -> Option<UnionId> {
        let candidates = self.candidates(SHARPENED, None);
        let sharpened = candidates.into_iter().map(|token| {
            let parts = self.parts().map(|(m, weight, d)| weight * self.or_first_piece(m, d, token, segmentation));
            (token, parts.sum::<f64>())
        });
        largest(sharpened).map(|(token, _)| token)
    }

    /// The union of each member's `k` most probable tokens, ascending.
    pub(crate) fn candidates(&self, k: usize, also: Option<UnionId>) -> Vec<UnionId> {
        let mut tokens: Vec<UnionId> = also.into_iter().collect();
        for (member, _, distribution) in self.parts() {
            let projection = self.union.projection(member);
            let ids = most_probable(self.union, member, distribution, k);
            tokens.extend(ids.into_iter().filter_map(|(id, _)| projection.key(id)));
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    /// A member's probability of `token`, or of the first piece it would spell it with; 0 where it cannot.
    fn or_first_piece(
        &self,
        member: MemberId,
        distribution: &Distribution,
        token: UnionId,
        segmentation: &mut Segmentation,
    ) -> f64 {
        if !self.union.projection(member).ids(token).is_empty() {
            return own_prob(self.union, member, distribution, token);
        }
        let first = segmentation.segment(token, member).ok().and_then(|ids| ids.first().copied());
        first.map_or(0.0, |id| distribution.prob(id))
    }

    fn unite(self, top_k: usize, also: Option<UnionId>, segmentation: &mut Segmentation) -> Combined<'a> {
        let candidates = self.candidates(top_k, also);
        let mut entries: Vec<(UnionId, f64)> = candidates.iter().map(|&token| (token, 0.0)).collect();
        for (member, weight, distribution) in self.parts().filter(|(_, weight, _)| *weight > 0.0) {
            let own: Vec<f64> = candidates
                .iter()
                .map(|&token| self.or_first_piece(member, distribution, token, segmentation))
                .collect();
            let sum: f64 = own.iter().sum();
            for (entry, p) in entries.iter_mut().zip(own) {
                entry.1 += weight * p / sum;
            }
        }
        // Logits that are not numbers leave nothing to choose from.
        if entries.iter().any(|(_, q)| q.is_nan()) {
            entries.clear();
        }
        Combined::Listed { entries, others: 0.0 }
    }

    /// The tokens that some member may give more than `floor`, ascending.
    pub(crate) fn above(&self, floor: f64) -> Vec<UnionId> {
        let mut tokens: Vec<UnionId> = Vec::new();
        for (member, _, distribution) in self.parts() {
            let projection = self.union.projection(member);
            // Where a token has several ids, each may be below the floor and their sum above it.
            let cut = floor / projection.most_ids().max(1) as f64;
            tokens.extend(distribution.at_least(0.999 * cut).filter_map(|id| projection.key(id)));
        }
        tokens.sort_unstable();
        tokens.dedup();
        tokens
    }

    fn geometric(self, floor: f64) -> Combined<'a> {
        // Logits that are not numbers leave nothing to choose from.
        if self.members.iter().any(|distribution| distribution.top().1.is_nan()) {
            return Combined::Listed { entries: Vec::new(), others: 0.0 };
        }
        let tokens = self.above(floor);
        let value = |token: UnionId| {
            let logs = self.parts().map(|(m, weight, d)| weight * own_prob(self.union, m, d, token).max(floor).ln());
            logs.sum::<f64>().exp()
        };
        let mut entries: Vec<(UnionId, f64)> = tokens.into_iter().map(|token| (token, value(token))).collect();
        let others = (self.union.len() - entries.len()) as f64;
        let total = entries.iter().map(|(_, value)| value).sum::<f64>() + others * floor;
        for (_, value) in &mut entries {
            *value /= total;
        }
        Combined::Listed { entries, others: floor / total }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_inference::Tokenizer;
    use gac_inference::testkit::tokenizer;

    use super::*;

    fn dense(probabilities: &[f64]) -> Distribution {
        Distribution::dense(probabilities.iter().map(|p| p.ln() as f32).collect())
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    struct Pair {
        union: Arc<UnionVocabulary>,
        segmentation: Segmentation,
    }

    fn pair(a: Tokenizer, b: Tokenizer) -> Pair {
        let tokenizers = [Arc::new(a), Arc::new(b)];
        let union = Arc::new(UnionVocabulary::new(&[tokenizers[0].vocabulary(), tokenizers[1].vocabulary()]));
        Pair { segmentation: Segmentation::new(Arc::clone(&union), &tokenizers), union }
    }

    impl Pair {
        fn with<R>(
            &mut self,
            weights: &[f64],
            views: [&Distribution; 2],
            f: impl FnOnce(Votes<'_>, &mut Segmentation) -> R,
        ) -> R {
            let weights = Weights::given(weights).unwrap();
            f(Votes { union: &self.union, weights: &weights, members: &views }, &mut self.segmentation)
        }

        fn id(&self, text: &str) -> UnionId {
            self.union.find(text.as_bytes()).unwrap()
        }
    }

    /// The first member has "Sofia" whole, the second spells it "So", "fia".
    fn sofia() -> Pair {
        pair(tokenizer(&["Sofia", "Rome", "So", "f", "i", "a"], &[]), tokenizer(&["So", "fia", "Rome", "Oslo"], &[]))
    }

    #[test]
    fn a_unite_step_computed_by_hand() {
        let mut pair = sofia();
        let (p, q) = (dense(&[0.5, 0.3, 0.05, 0.05, 0.05, 0.05]), dense(&[0.6, 0.02, 0.3, 0.08]));
        // Two tokens each: {Sofia, Rome} and {So, Rome}; together Sofia, Rome, So. The first member's probabilities are
        // 0.5, 0.3, 0.05, the second's are 0.6 (of "So", the first piece of "Sofia"), 0.3, 0.6.
        let expected = [
            ("Sofia", 0.75 * 0.5 / 0.85 + 0.25 * 0.6 / 1.5),
            ("Rome", 0.75 * 0.3 / 0.85 + 0.25 * 0.3 / 1.5),
            ("So", 0.75 * 0.05 / 0.85 + 0.25 * 0.6 / 1.5),
        ];
        let ids = expected.map(|(text, _)| pair.id(text));
        let oslo = pair.id("Oslo");
        pair.with(&[3.0, 1.0], [&p, &q], |votes, segmentation| {
            let combined = votes.combine(Method::Unite { top_k: 2 }, None, segmentation);
            for ((_, expected), id) in expected.iter().zip(ids) {
                close(combined.prob(id), *expected);
            }
            close(combined.entries().iter().map(|(_, q)| q).sum(), 1.0);
            close(combined.prob(oslo), 0.0);
            assert_eq!(combined.winner().unwrap().0, ids[0]);
            // A token that is to be scored is a candidate too: the second's probabilities then sum to 1.58.
            let scored = votes.log_prob(Method::Unite { top_k: 2 }, oslo, segmentation);
            close(scored, (0.25 * 0.08_f64 / 1.58).ln());
        });
    }

    #[test]
    fn a_geometric_step_computed_by_hand() {
        let mut pair = pair(tokenizer(&["x", "y", "z"], &[]), tokenizer(&["y", "x", "w"], &[]));
        let (p, q) = (dense(&[0.7, 0.29, 0.01]), dense(&[0.3, 0.1, 0.6]));
        let root = |a: f64, b: f64| (a * b).sqrt();
        let raw = [("x", root(0.7, 0.1)), ("y", root(0.29, 0.3)), ("z", root(0.01, 1e-4)), ("w", root(1e-4, 0.6))];
        let total: f64 = raw.iter().map(|(_, raw)| raw).sum();
        let ids = raw.map(|(text, _)| pair.id(text));
        pair.with(&[1.0, 1.0], [&p, &q], |votes, segmentation| {
            let combined = votes.combine(Method::Geometric { floor: 1e-4 }, None, segmentation);
            for ((_, raw), id) in raw.iter().zip(ids) {
                close(combined.prob(id), raw / total);
            }
            // The average would say x: 0.4 against 0.295.
            assert_eq!(combined.winner().unwrap().0, ids[1]);
            assert_eq!(votes.combine(Method::Gac, None, segmentation).winner().unwrap().0, ids[0]);
        });
    }

    #[test]
    fn below_a_high_floor_all_tokens_are_alike_and_sum_to_one() {
        let mut pair = pair(tokenizer(&["x", "y", "z"], &[]), tokenizer(&["y", "x", "w"], &[]));
        let (p, q) = (dense(&[0.7, 0.2, 0.1]), dense(&[0.1, 0.8, 0.1]));
        let ids = ["x", "y", "z", "w"].map(|text| pair.id(text));
        pair.with(&[1.0, 1.0], [&p, &q], |votes, segmentation| {
            let combined = votes.combine(Method::Geometric { floor: 0.5 }, None, segmentation);
            close(ids.iter().map(|&id| combined.prob(id)).sum(), 1.0);
            close(combined.prob(ids[1]), combined.prob(ids[3]));
            assert_eq!(combined.winner().unwrap().0, ids[0]);
            let all_alike = votes.combine(Method::Geometric { floor: 0.9 }, None, segmentation);
            assert_eq!(all_alike.winner().unwrap().0, UnionId(0));
            close(all_alike.winner().unwrap().1, 0.25);
        });
    }

    #[test]
    fn sharpening_gives_a_whole_word_what_others_give_its_first_piece() {
        let mut pair = sofia();
        // "Sofia" 0.2, "Rome" 0.225, "So" 0.2 on average; "Sofia" with its first piece 0.4.
        let (p, q) = (dense(&[0.4, 0.35, 0.0, 0.1, 0.1, 0.05]), dense(&[0.4, 0.3, 0.1, 0.2]));
        let (sofia, rome) = (pair.id("Sofia"), pair.id("Rome"));
        pair.with(&[1.0, 1.0], [&p, &q], |votes, segmentation| {
            assert_eq!(votes.combine(Method::Gac, None, segmentation).winner().unwrap().0, rome);
            assert_eq!(votes.sharpen(segmentation), Some(sofia));
        });
    }

    #[test]
    fn logits_that_are_not_numbers_have_no_winner_in_any_method() {
        let mut pair = pair(tokenizer(&["x", "y"], &[]), tokenizer(&["y", "x"], &[]));
        let nan = Distribution::dense(vec![f32::NAN, f32::NAN]);
        let fine = dense(&[0.5, 0.5]);
        for method in [Method::Gac, Method::UNITE, Method::GEOMETRIC] {
            pair.with(&[1.0, 1.0], [&fine, &nan], |votes, segmentation| {
                assert_eq!(votes.combine(method, None, segmentation).winner(), None, "{method:?}");
            });
        }
    }
}
