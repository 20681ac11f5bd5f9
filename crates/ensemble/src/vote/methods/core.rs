//! `core`: an average that trusts members as far as they agree.

use super::token_method::{MethodDescription, TokenMethod};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combine::largest;
use crate::vote::combined::Combined;
use crate::vote::member_view::{own_prob, top};
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// Tokens that neither a member nor the anchor gives more than this say nothing of their agreement.
const MASKED: f64 = 1e-12;
/// The least entropy that a member is taken to have: one without any doubt is not trusted without end.
const LEAST_ENTROPY: f64 = 1e-9;

/// See [`Method::Core`](crate::Method::Core).
pub(crate) struct Core;

impl TokenMethod for Core {
    fn description(&self) -> &'static MethodDescription {
        &MethodDescription {
            name: "core",
            about: "Average weighted by how far models agree with the mean; the first model is the anchor",
            settings: &[],
        }
    }

    fn combine<'a>(&self, votes: Votes<'a>, _: Option<UnionId>, _: &mut Segmentation) -> Combined<'a> {
        // Logits that are not numbers leave nothing to choose from.
        if votes.members.iter().any(|distribution| distribution.top().1.is_nan()) {
            return Combined::Listed { entries: Vec::new(), others: 0.0 };
        }
        let tokens = || (0..votes.union.len() as u32).map(UnionId);
        // (M, U): each member's own distribution.
        let own: Vec<Vec<f64>> = votes
            .parts()
            .map(|(member, _, d)| tokens().map(|token| own_prob(votes.union, member, d, token)).collect())
            .collect();
        let mean = |at: usize| own.iter().map(|p| p[at]).sum::<f64>() / own.len() as f64;
        let mean: Vec<f64> = (0..votes.union.len()).map(mean).collect();
        let agreements: Vec<Agreement> = own.iter().map(|p| Agreement::new(p, &own[0], &mean)).collect();
        let scores = scores(votes, &agreements);

        let mut q = vec![0.0; votes.union.len()];
        for (member, (p, agreement)) in own.iter().zip(&agreements).enumerate() {
            for (at, q) in q.iter_mut().enumerate() {
                let by_token = if member == 0 { 1.0 } else { agreement.of(at) };
                *q += scores[member] * by_token * p[at];
            }
        }
        let total: f64 = q.iter().sum();
        let mut entries: Vec<(UnionId, f64)> =
            tokens().zip(q).map(|(token, q)| (token, q / total)).filter(|(_, q)| *q > 0.0).collect();
        prefer_anchor(votes, &mut entries);
        Combined::Listed { entries, others: 0.0 }
    }

    fn missing(&self, votes: Votes<'_>, _: Decoding, _: Option<UnionId>, _: &mut Segmentation) -> Vec<MissingDetail> {
        // The mean of every token counts, and so do members without a vote.
        votes.everything_of_all()
    }
}

/// How far one member agrees with the mean.
struct Agreement {
    /// `(U,)`: from 0 to 1 by token; 0 where it is masked.
    by_token: Vec<f64>,
    /// Their sum.
    sum: f64,
    /// How many are not 0.
    count: usize,
}

impl Agreement {
    /// Of the distribution `p`, all `(U,)`.
    fn new(p: &[f64], anchor: &[f64], mean: &[f64]) -> Self {
        let lowest = (-2.0_f64).exp();
        let of = |((p, anchor), mean): ((&f64, &f64), &f64)| {
            let agrees = ((-2.0 * (p - mean).abs()).exp() - lowest) / (1.0 - lowest);
            if p + anchor > MASKED { agrees } else { 0.0 }
        };
        let by_token: Vec<f64> = p.iter().zip(anchor).zip(mean).map(of).collect();
        let sum = by_token.iter().sum();
        let count = by_token.iter().filter(|agrees| **agrees > 0.0).count();
        Self { by_token, sum, count }
    }

    /// What the token at `at` counts: 1 on average over the tokens that count.
    fn of(&self, at: usize) -> f64 {
        if self.sum > 0.0 { self.by_token[at] / self.sum * self.count as f64 } else { 0.0 }
    }
}

/// How much each member counts, summing to one: its agreement over its entropy, times its weight. The anchor counts at
/// least as much as all others together.
fn scores(votes: Votes<'_>, agreements: &[Agreement]) -> Vec<f64> {
    let score = |((_, weight, d), agreement): ((_, f64, &gac_inference::Distribution), &Agreement)| {
        weight * agreement.sum / d.entropy().max(LEAST_ENTROPY)
    };
    let mut scores: Vec<f64> = votes.parts().zip(agreements).map(score).collect();
    if let Some((anchor, others)) = scores.split_first_mut() {
        *anchor = anchor.max(others.iter().sum());
    }
    let total: f64 = scores.iter().sum();
    scores.iter().map(|score| score / total).collect()
}

/// Where the winner and the anchor's own top token are prefixes of one another, they change places: both begin the same
/// text, and the anchor says how it is cut.
fn prefer_anchor(votes: Votes<'_>, entries: &mut [(UnionId, f64)]) {
    let Some((anchor, _, distribution)) = votes.parts().next() else { return };
    let (id, _) = top(votes.union, anchor, distribution);
    let Some(own) = votes.union.projection(anchor).key(id) else { return };
    let Some((winner, _)) = largest(entries.iter().copied()) else { return };
    let (a, b) = (votes.union.bytes(own), votes.union.bytes(winner));
    if own == winner || a.is_empty() || b.is_empty() || !(a.starts_with(b) || b.starts_with(a)) {
        return;
    }
    let place = |token: UnionId| entries.binary_search_by_key(&token, |(id, _)| *id);
    if let (Ok(own), Ok(winner)) = (place(own), place(winner)) {
        let q = entries[own].1;
        entries[own].1 = entries[winner].1;
        entries[winner].1 = q;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_inference::Distribution;
    use gac_inference::testkit::tokenizer;

    use super::*;
    use crate::vocabulary::union::UnionVocabulary;
    use crate::vote::weights::Weights;

    fn dense(probabilities: &[f64]) -> Distribution {
        Distribution::dense(probabilities.iter().map(|p| p.ln() as f32).collect())
    }

    fn combined(pieces: [&[&str]; 2], views: [&[f64]; 2]) -> Vec<(String, f64)> {
        let tokenizers = pieces.map(|pieces| Arc::new(tokenizer(pieces, &[])));
        let union = Arc::new(UnionVocabulary::new(&[tokenizers[0].vocabulary(), tokenizers[1].vocabulary()]));
        let mut segmentation = Segmentation::new(Arc::clone(&union), &tokenizers);
        let (a, b) = (dense(views[0]), dense(views[1]));
        let weights = Weights::uniform(2);
        let votes = Votes { union: &union, weights: &weights, members: &[&a, &b] };
        let text = |token| String::from_utf8(union.bytes(token).to_vec()).unwrap();
        Core.combine(votes, None, &mut segmentation).entries().iter().map(|(token, q)| (text(*token), *q)).collect()
    }

    #[test]
    fn a_step_computed_by_hand() {
        let (p, r) = ([0.6, 0.4], [0.2, 0.8]);
        let found = combined([&["x", "y"], &["x", "y"]], [&p, &r]);
        // Both are 0.2 from the mean 0.4, 0.6 on both tokens: the same agreement, so entropies alone tell them apart.
        let agrees = ((-0.4_f64).exp() - (-2.0_f64).exp()) / (1.0 - (-2.0_f64).exp());
        let entropy = |p: [f64; 2]| -p.iter().map(|p| p * p.ln()).sum::<f64>();
        let (first, second) = (2.0 * agrees / entropy(p), 2.0 * agrees / entropy(r));
        // The second is surer; the anchor is raised to as much.
        assert!(second > first);
        for ((_, q), expected) in found.iter().zip([0.4, 0.6]) {
            assert!((q - expected).abs() < 1e-6, "{q} {expected}");
        }
    }

    #[test]
    fn a_member_that_stands_apart_counts_less_where_it_does() {
        // On x the two are far apart, on y and z near each other: the average would say x by 0.465 to 0.45.
        let found = combined([&["x", "y", "z"], &["x", "y", "z"]], [&[0.05, 0.75, 0.2], &[0.88, 0.02, 0.1]]);
        let q = |text: &str| found.iter().find(|(found, _)| found == text).unwrap().1;
        assert!(q("y") > 0.385 && q("x") < 0.465, "{found:?}");
        assert!((found.iter().map(|(_, q)| q).sum::<f64>() - 1.0).abs() < 1e-9);
    }

    #[test]
    fn the_anchor_says_how_a_text_is_cut() {
        // The second's "new" wins, and begins the anchor's "newer".
        let found = combined([&["newer", "new", "x"], &["new", "x"]], [&[0.4, 0.35, 0.25], &[0.9, 0.1]]);
        let best = found.iter().max_by(|a, b| a.1.total_cmp(&b.1)).unwrap();
        assert_eq!(best.0, "newer", "{found:?}");
    }
}
