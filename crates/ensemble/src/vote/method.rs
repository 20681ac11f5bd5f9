//! How the members' distributions become one: the published ways, each registered here.

use gac_inference::Named;
use serde::{Deserialize, Serialize};

use super::combined::Combined;
use super::methods::gac::Gac;
use super::methods::geometric::Geometric;
use super::methods::token_method::{MethodDescription, MethodError, MethodSettings, TokenMethod};
use super::methods::unite::Unite;
use super::sampling::Decoding;
use super::undecided::MissingDetail;
use super::votes::{SHARPENED, Votes};
use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;

/// How the members' distributions become one over the union vocabulary.
#[derive(Clone, Copy, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// The weighted average over the whole union vocabulary (GaC, Yu et al. 2024, section 3.2).
    #[default]
    Gac,
    /// The weighted average over the union of each member's `top_k` most probable tokens (`UniTE`, Yao et al.,
    /// "Determine-Then-Ensemble", arXiv 2410.03777, section 4). A member that lacks one of these tokens gives it the
    /// probability of the first piece that it would spell it with; each member's probabilities are then made to sum to
    /// one over the union.
    Unite {
        /// Tokens per member; the paper takes 10.
        top_k: usize,
    },
    /// The weighted geometric mean, a product of experts (Hinton 2002): `q(u)` in proportion to
    /// `prod_m max(p_m(u), floor)^w_m`. A member's doubt is a veto; the floor says how strong a veto may be, for what
    /// it cannot say at all too.
    Geometric {
        /// The least probability that a member is taken to give; above 0 and below 1.
        floor: f64,
    },
}

impl Method {
    /// `UniTE` with the paper's 10 tokens per member.
    pub const UNITE: Self = Self::Unite { top_k: 10 };
    /// The geometric mean with a floor of one in a million.
    pub const GEOMETRIC: Self = Self::Geometric { floor: 1e-6 };

    /// The same with the settings that are told of it.
    #[must_use]
    pub fn with(self, settings: MethodSettings) -> Self {
        match self {
            Self::Gac => Self::Gac,
            Self::Unite { top_k } => Self::Unite { top_k: settings.top_k.unwrap_or(top_k) },
            Self::Geometric { floor } => Self::Geometric { floor: settings.floor.unwrap_or(floor) },
        }
    }

    fn rule<R>(self, apply: impl FnOnce(&dyn TokenMethod) -> R) -> R {
        match self {
            Self::Gac => apply(&Gac),
            Self::Unite { top_k } => apply(&Unite { top_k }),
            Self::Geometric { floor } => apply(&Geometric { floor }),
        }
    }

    fn description(self) -> &'static MethodDescription {
        self.rule(|rule| rule.description())
    }

    /// The keys of [`MethodSettings`] that are its own.
    pub fn settings(self) -> &'static [&'static str] {
        self.description().settings
    }

    /// Checks the settings.
    ///
    /// # Errors
    /// For no tokens per member, or a floor that is no probability between 0 and 1.
    pub fn validate(self) -> Result<(), MethodError> {
        self.rule(|rule| rule.validate())
    }

    /// Combines the members' distributions; `also` is a candidate whatever its probability.
    pub(crate) fn combine<'a>(
        self,
        votes: Votes<'a>,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Combined<'a> {
        self.rule(|rule| rule.combine(votes, also, segmentation))
    }

    /// log q(u), natural logarithm. A token that a method would not consider is considered.
    pub(crate) fn log_prob(self, votes: Votes<'_>, token: UnionId, segmentation: &mut Segmentation) -> f64 {
        match self.combine(votes, Some(token), segmentation) {
            Combined::Average(fused) => fused.log_prob(token),
            listed @ Combined::Listed { .. } => listed.prob(token).ln(),
        }
    }

    /// What is to be asked before [`combine`](Self::combine) gives what full distributions would; see
    /// [`TokenMethod::missing`].
    pub(crate) fn missing(
        self,
        votes: Votes<'_>,
        decoding: Decoding,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        if votes.members.iter().all(|distribution| distribution.is_complete()) {
            return Vec::new();
        }
        self.rule(|rule| rule.missing(votes, decoding, also, segmentation))
    }

    /// What is to be asked before `draft` can be verified, and voted on where it is refused.
    pub(crate) fn missing_to_verify(
        self,
        votes: Votes<'_>,
        decoding: Decoding,
        draft: UnionId,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail> {
        let missing = self.missing(votes, decoding, Some(draft), segmentation);
        if missing.is_empty() && votes.members.iter().any(|distribution| !distribution.is_complete()) {
            return votes.missing_of_candidates(SHARPENED, None, segmentation);
        }
        missing
    }
}

impl Named for Method {
    const WHAT: &'static str = "method";

    fn all() -> Vec<Self> {
        vec![Self::Gac, Self::UNITE, Self::GEOMETRIC]
    }

    fn name(self) -> &'static str {
        self.description().name
    }

    fn about(self) -> &'static str {
        self.description().about
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gac_inference::testkit::tokenizer;
    use gac_inference::{Distribution, Tokenizer};

    use super::*;
    use crate::vocabulary::union::UnionVocabulary;
    use crate::vote::weights::Weights;

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
    fn methods_with_senseless_settings_are_refused() {
        assert_eq!(Method::Unite { top_k: 0 }.validate(), Err(MethodError::TopK));
        for floor in [0.0, 1.0, -1.0, f64::NAN] {
            assert!(Method::Geometric { floor }.validate().is_err(), "{floor}");
        }
        assert!(Method::all().into_iter().all(|method| method.validate().is_ok()));
    }

    #[test]
    fn what_is_told_of_a_method_replaces_what_was_published() {
        let told = MethodSettings { top_k: Some(3), floor: None };
        assert_eq!(Method::UNITE.with(told), Method::Unite { top_k: 3 });
        assert_eq!(Method::GEOMETRIC.with(told), Method::GEOMETRIC);
        assert_eq!(Method::UNITE.settings(), ["top-k"]);
        assert_eq!(told.told().collect::<Vec<_>>(), ["top-k"]);
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
            let combined = Method::Unite { top_k: 2 }.combine(votes, None, segmentation);
            for ((_, expected), id) in expected.iter().zip(ids) {
                close(combined.prob(id), *expected);
            }
            close(combined.entries().iter().map(|(_, q)| q).sum(), 1.0);
            close(combined.prob(oslo), 0.0);
            assert_eq!(combined.winner().unwrap().0, ids[0]);
            // A token that is to be scored is a candidate too: the second's probabilities then sum to 1.58.
            let scored = Method::Unite { top_k: 2 }.log_prob(votes, oslo, segmentation);
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
            let combined = Method::Geometric { floor: 1e-4 }.combine(votes, None, segmentation);
            for ((_, raw), id) in raw.iter().zip(ids) {
                close(combined.prob(id), raw / total);
            }
            // The average would say x: 0.4 against 0.295.
            assert_eq!(combined.winner().unwrap().0, ids[1]);
            assert_eq!(Method::Gac.combine(votes, None, segmentation).winner().unwrap().0, ids[0]);
        });
    }

    #[test]
    fn below_a_high_floor_all_tokens_are_alike_and_sum_to_one() {
        let mut pair = pair(tokenizer(&["x", "y", "z"], &[]), tokenizer(&["y", "x", "w"], &[]));
        let (p, q) = (dense(&[0.7, 0.2, 0.1]), dense(&[0.1, 0.8, 0.1]));
        let ids = ["x", "y", "z", "w"].map(|text| pair.id(text));
        pair.with(&[1.0, 1.0], [&p, &q], |votes, segmentation| {
            let combined = Method::Geometric { floor: 0.5 }.combine(votes, None, segmentation);
            close(ids.iter().map(|&id| combined.prob(id)).sum(), 1.0);
            close(combined.prob(ids[1]), combined.prob(ids[3]));
            assert_eq!(combined.winner().unwrap().0, ids[0]);
            let all_alike = Method::Geometric { floor: 0.9 }.combine(votes, None, segmentation);
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
            assert_eq!(Method::Gac.combine(votes, None, segmentation).winner().unwrap().0, rome);
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
                assert_eq!(method.combine(votes, None, segmentation).winner(), None, "{method:?}");
            });
        }
    }
}
