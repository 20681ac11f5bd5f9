//! The ensemble: its members, and the settings they vote by.

use std::sync::Arc;

use crate::thinking::ThinkEnds;
use crate::{
    Chat, Decoding, EnsembleError, Gating, Member, MemberId, Method, Segmentation, UnionVocabulary, Weighting, Weights,
    WeightsError,
};

/// Language models that vote on every next token, in the union of their vocabularies.
///
/// A single model is an ensemble of one: nobody votes, and its own most probable token is taken as it is.
#[derive(Debug)]
pub struct Ensemble {
    pub(crate) members: Vec<Member>,
    pub(crate) union: Arc<UnionVocabulary>,
    pub(crate) segmentation: Segmentation,
    pub(crate) weights: Weights,
    pub(crate) weighting: Weighting,
    pub(crate) gating: Gating,
    pub(crate) method: Method,
    pub(crate) decoding: Decoding,
    pub(crate) chat: Option<Chat>,
    pub(crate) thinking: ThinkEnds,
}

/// How much an ensemble does at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchLimits {
    /// Most samples in flight together; 0 counts as 1. Fewer are taken where a member's cache holds fewer.
    pub max_samples: usize,
}

impl Ensemble {
    /// Joins `members`' vocabularies. `weights` and `gating` hold for every request; the method is `gac` and decoding
    /// is greedy until told otherwise.
    ///
    /// # Errors
    /// Without members, without one weight per member, or with a gate that is none of them.
    pub fn new(members: Vec<Member>, weights: Weights, gating: Gating) -> Result<Self, EnsembleError> {
        if members.is_empty() {
            return Err(EnsembleError::NoMembers);
        }
        let vocabularies: Vec<_> = members.iter().map(|member| member.tokenizer.vocabulary()).collect();
        let union = Arc::new(UnionVocabulary::new(&vocabularies));
        let tokenizers: Vec<_> = members.iter().map(|member| Arc::clone(&member.tokenizer)).collect();
        let segmentation = Segmentation::new(Arc::clone(&union), &tokenizers);
        let mut ensemble = Self {
            members,
            union,
            segmentation,
            weights: Weights::uniform(1),
            weighting: Weighting::Given,
            gating: Gating::EveryStep,
            method: Method::Gac,
            decoding: Decoding::Greedy,
            chat: None,
            thinking: ThinkEnds::default(),
        };
        ensemble.set_weights(weights)?;
        ensemble.set_gating(gating)?;
        Ok(ensemble)
    }

    /// The members' names, in order.
    pub fn names(&self) -> impl ExactSizeIterator<Item = &str> {
        self.members.iter().map(|member| &*member.name)
    }

    /// The members, in order.
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// Makes every member forget the prompts of earlier requests: the next ones take the time that they take alone.
    pub fn forget_prompts(&mut self) {
        for member in &mut self.members {
            member.model.forget();
        }
    }

    /// The members again, for another ensemble.
    pub fn into_members(self) -> Vec<Member> {
        self.members
    }

    /// The union vocabulary.
    pub fn union(&self) -> &UnionVocabulary {
        &self.union
    }

    /// What each member is fed for a union token.
    pub fn segmentation(&mut self) -> &mut Segmentation {
        &mut self.segmentation
    }

    /// How much each member's vote counts.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// When the members vote.
    pub fn gating(&self) -> Gating {
        self.gating
    }

    /// Other weights, for the requests to come.
    ///
    /// # Errors
    /// When there is not one per member.
    pub fn set_weights(&mut self, weights: Weights) -> Result<(), EnsembleError> {
        if weights.get().len() != self.members.len() {
            return Err(WeightsError::Count { weights: weights.get().len(), members: self.members.len() }.into());
        }
        self.weights = weights;
        Ok(())
    }

    /// How the members' distributions become one.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Another method, for the requests to come.
    ///
    /// # Errors
    /// For settings that make no sense.
    pub fn set_method(&mut self, method: Method) -> Result<(), EnsembleError> {
        method.validate()?;
        self.method = method;
        Ok(())
    }

    /// Where weights come from, for the requests to come.
    ///
    /// # Errors
    /// For a temperature that is not a positive number.
    pub fn set_weighting(&mut self, weighting: Weighting) -> Result<(), EnsembleError> {
        weighting.validate()?;
        self.weighting = weighting;
        Ok(())
    }

    /// How tokens are picked, for the requests to come.
    pub fn set_decoding(&mut self, decoding: Decoding) {
        self.decoding = decoding;
    }

    /// Another gating, for the requests to come.
    ///
    /// # Errors
    /// For a gate that is none of the members.
    pub fn set_gating(&mut self, gating: Gating) -> Result<(), EnsembleError> {
        self.check_gating(gating)?;
        self.gating = gating;
        Ok(())
    }

    pub(crate) fn check_gating(&self, gating: Gating) -> Result<(), EnsembleError> {
        match gating.lead() {
            Some(gate) if gate.0 >= self.members.len() => {
                Err(EnsembleError::UnknownGate { gate: gate.0, members: self.members.len() })
            }
            _ => Ok(()),
        }
    }

    /// Who is asked when under `gating`: the members asked about every sample, and those asked about samples at a key
    /// token only.
    pub(crate) fn roles(&self, gating: Gating) -> Roles {
        let all = 0..self.members.len();
        match gating.lead() {
            _ if all.len() == 1 => Roles { alone: Some(MemberId(0)), leads: vec![0], supporters: Vec::new() },
            None => Roles { alone: None, leads: all.collect(), supporters: Vec::new() },
            Some(gate) => Roles {
                alone: Some(gate),
                leads: vec![gate.0],
                supporters: all.filter(|&member| member != gate.0).collect(),
            },
        }
    }
}

/// Who is asked when.
pub(crate) struct Roles {
    /// The member whose own token is taken where nobody votes: the gate, or the only member.
    pub(crate) alone: Option<MemberId>,
    /// Members asked at every step.
    pub(crate) leads: Vec<usize>,
    /// Members asked at key tokens.
    pub(crate) supporters: Vec<usize>,
}
