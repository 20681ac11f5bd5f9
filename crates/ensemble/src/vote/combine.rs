//! Combination: from the members' distributions to one over the union vocabulary.

use gac_inference::{Distribution, TokenId};
use rayon::prelude::*;

use super::member_view::{log_sum_exp, top, unmapped};
use super::weights::Weights;

use crate::member::MemberId;
use crate::vocabulary::union::{UnionId, UnionVocabulary};

/// More union tokens than this are not worth adding up one by one.
const MANY: usize = 10_000;
/// Union tokens whose sums make a task of their own worth while.
const WORTH_A_TASK: usize = 4096;
/// Below a bound by more than sums and f32 logits can be rounded.
const BARELY: f64 = 0.999;

/// The weighted average of the members' distributions over the union vocabulary (GaC, section 3.2, method `gac`):
/// `q(u) = sum_m w_m * sum_{v -> u} p_m(v)`, in f64.
///
/// Nothing of size U is materialised unless [`fill`](Self::fill) is called: the winner is found from the few ids that
/// can belong to it.
#[derive(Clone, Copy, Debug)]
pub struct Fused<'a> {
    union: &'a UnionVocabulary,
    weights: &'a Weights,
    members: &'a [&'a Distribution],
}

impl<'a> Fused<'a> {
    /// `members[m]` is member `m`'s next-token distribution over its own V rows.
    ///
    /// # Panics
    /// When there is not one distribution and one weight per member of `union`.
    pub fn new(union: &'a UnionVocabulary, weights: &'a Weights, members: &'a [&'a Distribution]) -> Self {
        assert_eq!(members.len(), union.members(), "one distribution per member");
        assert_eq!(weights.get().len(), union.members(), "one weight per member");
        Self { union, weights, members }
    }

    /// `(member, weight, distribution)` of all members.
    fn parts(&self) -> impl Iterator<Item = (MemberId, f64, &'a Distribution)> {
        let members: &'a [&'a Distribution] = self.members;
        members.iter().zip(self.weights.get()).enumerate().map(|(m, (&d, &weight))| (MemberId(m), weight, d))
    }

    /// q(u).
    pub fn prob(&self, token: UnionId) -> f64 {
        let mut q = 0.0;
        for (member, weight, distribution) in self.parts() {
            for &id in self.union.projection(member).ids(token) {
                q += weight * distribution.prob(id);
            }
        }
        q
    }

    /// What q(u) may come to beyond [`prob`](Self::prob), where lists do not tell everything: the bound of DESIGN's "vote
    /// on partial distributions".
    pub fn beyond(&self, token: UnionId) -> f64 {
        let beyond = |(member, weight, distribution): (MemberId, f64, &Distribution)| {
            let ids = self.union.projection(member).ids(token);
            weight * distribution.at_most(ids.iter().filter(|id| !distribution.knows(**id)).count())
        };
        self.parts().map(beyond).sum()
    }

    /// log q(u), natural logarithm; exact also where q(u) is too small for an f64.
    pub fn log_prob(&self, token: UnionId) -> f64 {
        log_sum_exp(self.parts().flat_map(|(member, weight, distribution)| {
            let log_weight = weight.ln();
            self.union.projection(member).ids(token).iter().map(move |&id| log_weight + distribution.log_prob(id))
        }))
    }

    /// The union token with the largest q and its q; ties go to the lowest union id. None when no union token has any
    /// probability (or a member's logits are not numbers).
    ///
    /// The winner's q is at least L, the largest q of what the members' own most probable ids stand for. A token that has
    /// at most one id per member stays below L where each of them weighs less than L over their number; the few others are
    /// looked at in any case. So one pass over each member's logits finds the ids worth adding up; this is exact, and the
    /// same to the last bit as the largest entry of [`fill`](Self::fill).
    ///
    /// Of lists, what they do not tell counts as nothing.
    pub fn winner(&self) -> Option<(UnionId, f64)> {
        let mut floor = 0.0_f64;
        let mut voting = 0;
        let mut tops = Vec::with_capacity(self.members.len());
        for (member, weight, distribution) in self.parts() {
            let (id, p) = top(self.union, member, distribution);
            if p.is_nan() {
                return None;
            }
            floor = floor.max(weight * p);
            voting += usize::from(weight > 0.0);
            tops.push(id);
        }
        if floor <= 0.0 {
            return None;
        }
        if let Some(winner) = self.agreed(&tops) {
            return Some(winner);
        }
        for ((member, _, _), &top) in self.parts().zip(&tops) {
            floor = self.union.projection(member).key(top).map_or(floor, |token| floor.max(self.prob(token)));
        }
        let floor = BARELY * floor / voting as f64;
        let mut worth: Vec<UnionId> = self.union.crowded().to_vec();
        for (member, weight, distribution) in self.parts().filter(|(_, weight, _)| *weight > 0.0) {
            let projection = self.union.projection(member);
            worth.extend(distribution.at_least(floor / weight).filter_map(|id| projection.key(id)));
        }
        if worth.len() > MANY {
            // Almost flat: the whole sum is cheaper.
            let mut q = Vec::new();
            self.fill(&mut q);
            return largest((0..).map(UnionId).zip(q));
        }
        worth.sort_unstable();
        worth.dedup();
        largest(worth.into_iter().map(|token| (token, self.prob(token))))
    }

    /// The winner where all members' own most probable ids, `tops`, stand for the same union token, without looking at
    /// any other id; none where that does not decide it.
    ///
    /// Why it cannot be another: let u be that token. Where q(u) is above one half, less than one half is left for all
    /// others. Else, a token v that has at most one id per member has `p_m(v) <= p_m(top of m)` in every member, so
    /// `q(v) <= q(u)`; equality needs an id of every member as probable as its top, which is looked for in the first
    /// that has a vote. The few tokens with several ids in some member, whose sums this says nothing about (END,
    /// bytes), are added up one by one.
    fn agreed(&self, tops: &[TokenId]) -> Option<(UnionId, f64)> {
        /// More than half by more than the sums can be rounded.
        const MAJORITY: f64 = 0.501;
        let mut token = None;
        let mut alone = false;
        for ((member, weight, distribution), &top) in self.parts().zip(tops) {
            if weight <= 0.0 {
                continue;
            }
            let key = self.union.projection(member).key(top)?;
            if *token.get_or_insert(key) != key {
                return None;
            }
            // A weight so small that it is lost in the sum decides nothing.
            if !alone && weight > 1e-6 {
                alone = distribution.at_least(BARELY * distribution.prob(top)).nth(1).is_none();
            }
        }
        let token = token?;
        let q = self.prob(token);
        let decided = q > MAJORITY || (alone && self.union.crowded().iter().all(|&v| v == token || self.prob(v) < q));
        decided.then_some((token, q))
    }

    /// All of q, f64 `(U,)`, into `q`, which is resized and overwritten; gives the mass that no union token gets
    /// ([`unmapped`](Self::unmapped)).
    pub fn fill(&self, q: &mut Vec<f64>) -> f64 {
        q.clear();
        q.resize(self.union.len(), 0.0);
        // Token by token: the same sums in the same order as everywhere.
        let each = q.par_iter_mut().with_min_len(WORTH_A_TASK).enumerate();
        each.for_each(|(token, q)| *q = self.prob(UnionId(token as u32)));
        self.unmapped()
    }

    /// The mass that no union token gets: that of unused rows, and what lists do not tell. q sums to one
    /// minus this.
    pub fn unmapped(&self) -> f64 {
        self.parts().map(|(member, weight, distribution)| weight * unmapped(self.union, member, distribution)).sum()
    }
}

/// The first of the entries with the largest q.
pub(crate) fn largest(entries: impl Iterator<Item = (UnionId, f64)>) -> Option<(UnionId, f64)> {
    entries.fold(None, |best, entry| match best {
        Some((_, most)) if entry.1 <= most => best,
        _ => Some(entry),
    })
}

#[cfg(test)]
mod tests {
    use gac_inference::testkit::tokenizer;
    use gac_inference::{Symbol, TextKind, Vocabulary};

    use super::*;
    use crate::vote::member_view::own_log_prob;

    fn dense(probabilities: &[f64]) -> Distribution {
        Distribution::dense(probabilities.iter().map(|p| p.ln() as f32).collect())
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-6, "{a} is not {b}");
    }

    #[test]
    fn a_step_computed_by_hand() {
        // union: x=0, y=1, END=2, z=3
        let a = tokenizer(&["x", "y", "<eos>"], &["<eos>"]);
        let b = tokenizer(&["z", "y", "</s>", "<eot>"], &["</s>", "<eot>"]);
        let union = UnionVocabulary::new(&[a.vocabulary(), b.vocabulary()]);
        let weights = Weights::given(&[3.0, 1.0]).unwrap();
        let (p, q) = (dense(&[0.5, 0.3, 0.2]), dense(&[0.1, 0.4, 0.3, 0.2]));
        let members = [&p, &q];
        let fused = Fused::new(&union, &weights, &members);
        let mut all = Vec::new();
        let unmapped = fused.fill(&mut all);
        for (q, expected) in all.iter().zip([0.375, 0.225 + 0.1, 0.15 + 0.125, 0.025]) {
            close(*q, expected);
        }
        close(unmapped, 0.0);
        let (winner, q) = fused.winner().unwrap();
        assert_eq!(winner, UnionId(0));
        close(q, 0.375);
        close(fused.log_prob(UnionId(1)), 0.325_f64.ln());
        close(own_log_prob(&union, MemberId(1), members[1], UnionId(2)), 0.5_f64.ln());
        assert!(own_log_prob(&union, MemberId(1), members[1], UnionId(0)) < -1e300);
    }

    #[test]
    fn end_wins_by_the_sum_of_several_ids() {
        let a = tokenizer(&["x", "<eos>", "<eot>"], &["<eos>", "<eot>"]);
        let b = tokenizer(&["</s>", "x"], &["</s>"]);
        let union = UnionVocabulary::new(&[a.vocabulary(), b.vocabulary()]);
        let (p, q) = (dense(&[0.4, 0.3, 0.3]), dense(&[0.5, 0.5]));
        let (winner, q) = Fused::new(&union, &Weights::uniform(2), &[&p, &q]).winner().unwrap();
        assert_eq!(Some(winner), union.end());
        close(q, 0.55);
    }

    #[test]
    fn unused_rows_padding_and_what_a_list_does_not_tell_are_dropped_and_counted() {
        let text = |bytes: &[u8]| Symbol::Text { bytes: bytes.into(), kind: TextKind::Piece };
        let a = Vocabulary::new(vec![text(b"x"), Symbol::Unused, text(b"y")], []);
        let union = UnionVocabulary::new(&[&a, &a]);
        let p = dense(&[0.2, 0.4, 0.1, 0.3]);
        let q = Distribution::listed(4, &[(TokenId(1), 0.5_f64.ln()), (TokenId(2), 0.3_f64.ln())]);
        let members = [&p, &q];
        let weights = Weights::uniform(2);
        let fused = Fused::new(&union, &weights, &members);
        let mut all = Vec::new();
        close(fused.fill(&mut all), 0.5 * (0.4 + 0.3) + 0.5 * 0.7);
        close(all.iter().sum::<f64>() + fused.unmapped(), 1.0);
        assert_eq!(fused.winner().unwrap().0, UnionId(1));
    }

    #[test]
    fn ties_go_to_the_lowest_union_id() {
        let a = tokenizer(&["x", "y"], &[]);
        let b = tokenizer(&["y", "x"], &[]);
        let union = UnionVocabulary::new(&[a.vocabulary(), b.vocabulary()]);
        let p = dense(&[0.3, 0.7]);
        assert_eq!(Fused::new(&union, &Weights::uniform(2), &[&p, &p]).winner().unwrap().0, UnionId(0));
    }

    #[test]
    fn logits_that_are_not_numbers_have_no_winner() {
        let a = tokenizer(&["x", "y"], &[]);
        let union = UnionVocabulary::new(&[a.vocabulary()]);
        let nan = Distribution::dense(vec![f32::NAN, f32::NAN]);
        assert_eq!(Fused::new(&union, &Weights::uniform(1), &[&nan]).winner(), None);
    }

    #[test]
    fn a_probability_too_small_for_an_f64_still_has_a_logarithm() {
        let a = tokenizer(&["x", "y"], &[]);
        let union = UnionVocabulary::new(&[a.vocabulary(), a.vocabulary()]);
        let p = Distribution::dense(vec![2000.0, 0.0]);
        close(Fused::new(&union, &Weights::uniform(2), &[&p, &p]).log_prob(UnionId(1)), -2000.0);
    }
}
