//! Where the members vote, and where one of them decides alone.

use gac_inference::{Distribution, Named};
use serde::{Deserialize, Serialize};

use super::member_view::{most_probable, top};

use crate::member::MemberId;
use crate::vocabulary::union::UnionVocabulary;

/// When the members vote.
#[derive(Clone, Copy, Debug, PartialEq, Default)]
pub enum Gating {
    /// At every step.
    #[default]
    EveryStep,
    /// At key tokens: where the gate's own certainty, before weighting, is at most the threshold (GaC, section 3.4). At
    /// the other steps the gate's own token is taken as it is and the other members are not consulted.
    KeyTokens {
        /// The gating member.
        gate: MemberId,
        /// What its certainty is.
        certainty: Certainty,
        /// Where uncertainty begins.
        threshold: Threshold,
    },
    /// Where verification asks for it (SAFE, Yun et al., "When to Ensemble", arXiv 2510.15346).
    ///
    /// The drafter proposes each token. It is taken as it is, and nobody is asked, right after a piece that is like an
    /// out-of-vocabulary one: where some other member would not have split the text there. It is also taken as it is
    /// where all other members' most probable token is the same, or where the members give it more than half of all
    /// probability. Elsewhere the members vote, and a vote without a majority is sharpened: a candidate also gets the
    /// probability that members who lack it give to its first piece.
    ///
    /// The drafter runs ahead for a few tokens, and the others verify them in one forward: the text is the same as if
    /// each token were verified by itself.
    Safe {
        /// The member that proposes.
        drafter: MemberId,
    },
}

/// How sure a gate is of its own next token: from 0 (not at all) to 1, whatever it is taken by, so that one scale of
/// thresholds serves all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Certainty {
    /// The probability of its most probable token (GaC, section 3.4).
    #[default]
    TopProbability,
    /// `1 - H / ln V`: its entropy H against that of V equally probable tokens.
    Entropy,
    /// The distance between the probabilities of its two most probable tokens.
    Margin,
}

impl Named for Certainty {
    const WHAT: &'static str = "certainty";

    fn all() -> Vec<Self> {
        vec![Self::TopProbability, Self::Entropy, Self::Margin]
    }

    fn about(self) -> &'static str {
        match self {
            Self::TopProbability => "The probability of its most probable token",
            Self::Entropy => "One minus its entropy over the largest possible one",
            Self::Margin => "The distance between its two most probable tokens",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::TopProbability => "top-probability",
            Self::Entropy => "entropy",
            Self::Margin => "margin",
        }
    }
}

impl Certainty {
    /// How sure `member` is with `distribution` over its V rows.
    pub fn of(self, union: &UnionVocabulary, member: MemberId, distribution: &Distribution) -> f64 {
        let certain = match self {
            Self::TopProbability => top(union, member, distribution).1,
            Self::Entropy => {
                let rows = union.projection(member).rows().max(2) as f64;
                1.0 - distribution.entropy() / rows.ln()
            }
            Self::Margin => {
                let (_, first) = top(union, member, distribution);
                first - most_probable(union, member, distribution, 2).get(1).map_or(0.0, |(_, second)| *second)
            }
        };
        certain.clamp(0.0, 1.0)
    }
}

/// A certainty from 0 (the gate alone) to 1 (a vote at every step).
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Threshold(f64);

impl Threshold {
    /// A threshold of `value`.
    ///
    /// # Errors
    /// For a value outside of 0..=1, or not a number.
    pub fn new(value: f64) -> Result<Self, ThresholdError> {
        if (0.0..=1.0).contains(&value) { Ok(Self(value)) } else { Err(ThresholdError { value }) }
    }

    /// The certainty.
    pub fn get(self) -> f64 {
        self.0
    }

    /// Whether the members vote where the gate is `certain`, 0 to 1. At threshold 0 they never do.
    pub fn votes(self, certain: f64) -> bool {
        self.0 > 0.0 && certain <= self.0
    }
}

/// A threshold that is no certainty.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[error("threshold {value} is not a number from 0 to 1")]
pub struct ThresholdError {
    /// The value.
    pub value: f64,
}

#[cfg(test)]
mod tests {
    use gac_inference::TokenId;
    use gac_inference::testkit::tokenizer;

    use super::*;

    #[test]
    fn a_threshold_is_from_0_to_1() {
        assert!(Threshold::new(0.0).is_ok());
        assert!(Threshold::new(1.0).is_ok());
        for value in [-0.1, 1.1, f64::NAN, f64::INFINITY] {
            assert!(Threshold::new(value).is_err(), "{value}");
        }
    }

    #[test]
    fn a_certainty_equal_to_the_threshold_is_a_key_token() {
        let at = |t| Threshold::new(t).unwrap();
        assert!(at(0.5).votes(0.5));
        assert!(!at(0.5).votes(0.500_001));
        assert!(at(1.0).votes(1.0));
        assert!(!at(0.0).votes(1e-300));
        assert!(!at(0.0).votes(0.0), "a margin may be 0, and at threshold 0 the gate is alone");
    }

    #[test]
    fn certainties_computed_by_hand() {
        let tokenizer = tokenizer(&["a", "b", "c", "d"], &[]);
        let union = UnionVocabulary::new(&[tokenizer.vocabulary()]);
        let of = |certainty: Certainty, p: &[f64]| {
            let logits = p.iter().map(|p: &f64| p.ln() as f32 + 3.0).collect();
            certainty.of(&union, MemberId(0), &Distribution::dense(logits))
        };
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-6, "{a} is not {b}");
        let p = [0.5, 0.25, 0.125, 0.125];
        close(of(Certainty::TopProbability, &p), 0.5);
        close(of(Certainty::Margin, &p), 0.25);
        // H is 7/4 bits, the most is 2 bits.
        close(of(Certainty::Entropy, &p), 1.0 - 1.75 / 2.0);
        close(of(Certainty::Entropy, &[1.0, 0.0, 0.0, 0.0]), 1.0);
        close(of(Certainty::Entropy, &[0.25; 4]), 0.0);
        close(of(Certainty::Margin, &[0.4, 0.4, 0.1, 0.1]), 0.0);
        let listed = Distribution::listed(4, &[(TokenId(0), 0.5_f64.ln()), (TokenId(1), 0.25_f64.ln())]);
        close(Certainty::Entropy.of(&union, MemberId(0), &listed), 1.0 - 1.75 / 2.0);
        close(Certainty::Margin.of(&union, MemberId(0), &listed), 0.25);
    }
}
