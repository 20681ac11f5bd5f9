//! What a method of the vote on tokens has to say.

use crate::vocabulary::segmentation::Segmentation;
use crate::vocabulary::union::UnionId;
use crate::vote::combined::Combined;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::MissingDetail;
use crate::vote::votes::Votes;

/// A way to make one distribution of the members'.
pub(crate) trait TokenMethod {
    /// What people read of it.
    fn description(&self) -> &'static MethodDescription;

    /// Checks its settings.
    fn validate(&self) -> Result<(), MethodError> {
        Ok(())
    }

    /// Makes one distribution of the members'; `also` is a candidate whatever its probability.
    fn combine<'a>(&self, votes: Votes<'a>, also: Option<UnionId>, segmentation: &mut Segmentation) -> Combined<'a>;

    /// What is to be asked before [`combine`](Self::combine) gives what full distributions would: the winner, or with
    /// sampling, what is drawn from. Nothing where that is decided. `also` is a token whose own probability is wanted.
    /// Not asked where all distributions are complete.
    ///
    /// To be called again when that was answered, until nothing is missing.
    fn missing(
        &self,
        votes: Votes<'_>,
        decoding: Decoding,
        also: Option<UnionId>,
        segmentation: &mut Segmentation,
    ) -> Vec<MissingDetail>;
}

/// What people read of a method.
#[derive(Debug)]
pub(crate) struct MethodDescription {
    /// The name in recipes and on the command line.
    pub(crate) name: &'static str,
    /// What it does, in a line.
    pub(crate) about: &'static str,
    /// The keys of [`MethodSettings`] that are its own.
    pub(crate) settings: &'static [&'static str],
}

/// What can be told of a method beside its name; what is not told is as published.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MethodSettings {
    /// `top-k`: tokens per member.
    pub top_k: Option<usize>,
    /// `floor`: the least probability that a member is taken to give.
    pub floor: Option<f64>,
    /// `alpha`: how far an expert moves another.
    pub alpha: Option<f64>,
    /// `beam`: hypotheses that a search follows at once.
    pub beam: Option<usize>,
}

impl MethodSettings {
    /// The keys that are told.
    pub fn told(&self) -> impl Iterator<Item = &'static str> {
        let told = [
            ("top-k", self.top_k.is_some()),
            ("floor", self.floor.is_some()),
            ("alpha", self.alpha.is_some()),
            ("beam", self.beam.is_some()),
        ];
        told.into_iter().filter_map(|(key, told)| told.then_some(key))
    }
}

/// A method's setting makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum MethodError {
    /// No tokens per member.
    #[error("the method `unite` would take 0 tokens of each member: it has to be at least 1")]
    TopK,
    /// A floor of no use.
    #[error("the floor {floor} of the method `geometric` is not above 0 and below 1")]
    Floor {
        /// The value.
        floor: f64,
    },
    /// No hypothesis.
    #[error("the method `abe` would follow 0 hypotheses: `beam` has to be at least 1")]
    Beam,
    /// An expert that moves nobody to a place.
    #[error("alpha {alpha} of the method `proxy` is not a number")]
    Alpha {
        /// The value.
        alpha: f64,
    },
    /// Others than a base, an expert and an anti-expert.
    #[error("the method `proxy` is for three models (base, expert, anti-expert), and there are {members}")]
    ProxyMembers {
        /// How many there are.
        members: usize,
    },
}
