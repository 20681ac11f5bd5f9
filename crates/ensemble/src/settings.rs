//! How requests are served: who takes part, who decides when, and how tokens are picked.

use std::sync::Arc;

use gac_inference::{ChatMessage, Conversation, Role};

use crate::bytes::byte_tokens::ByteTokens;
use crate::bytes::covering::Covering;
use crate::chat::Chat;
use crate::drafter::Drafter;
use crate::drafting::{DraftLength, Drafting, Proposer};
use crate::ensemble::{Ensemble, Seat};
use crate::error::{EnsembleError, RequestError};
use crate::member::MemberId;
use crate::thinking::{PromptEnd, ThinkEnd, ThinkEnds, Thought};
use crate::vote::gating::{Certainty, Gating, Threshold};
use crate::vote::method::Method;
use crate::vote::sampling::Decoding;
use crate::vote::weights::{Weighting, Weights, WeightsError};

/// How a request is served. Checked when made, never changed, and shared by all requests that travel with them.
#[derive(Clone, Debug)]
pub struct Settings {
    ensemble: Arc<Ensemble>,
    weights: Weights,
    weighting: Weighting,
    lead: Lead,
    /// Members asked at every step, by place; where one of them is drawn, those that may be.
    leads: Vec<usize>,
    /// Members asked where a vote is wanted, by place.
    supporters: Vec<usize>,
    /// Several thresholds count as many; otherwise 1.
    rules: usize,
    method: Method,
    /// By member, what its ids are as bytes, where the vote is on bytes.
    bytes: Vec<Arc<ByteTokens>>,
    decoding: Decoding,
    drafting: Option<Drafting>,
    drafter: Option<Arc<Drafter>>,
    chat: Option<Arc<Chat>>,
    thinking: ThinkEnds,
}

/// Who decides alone, and when.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Lead {
    /// Nobody: the members vote at every step.
    Everybody,
    /// The only member, always.
    Only,
    /// The gate, where it is surer than the threshold. Several thresholds are decoded together.
    Gate { gate: MemberId, certainty: Certainty, thresholds: Vec<Threshold> },
    /// The drafter, where its proposal is verified (SAFE).
    Drafter(MemberId),
}

impl Lead {
    fn new(gating: Gating, members: usize) -> Result<Self, EnsembleError> {
        let lead = match gating {
            Gating::EveryStep => Self::Everybody,
            Gating::KeyTokens { gate, certainty, threshold } => {
                Self::Gate { gate, certainty, thresholds: vec![threshold] }
            }
            Gating::Safe { drafter } => Self::Drafter(drafter),
        };
        match lead.member() {
            Some(gate) if gate.0 >= members => Err(EnsembleError::UnknownGate { gate: gate.0, members }),
            _ if members == 1 => Ok(Self::Only),
            _ => Ok(lead),
        }
    }

    /// The member whose own token is taken where nobody votes; none where nobody is it at every step.
    pub(crate) fn member(&self) -> Option<MemberId> {
        match *self {
            Self::Everybody => None,
            Self::Only => Some(MemberId(0)),
            Self::Gate { gate: lead, .. } | Self::Drafter(lead) => Some(lead),
        }
    }

    /// What is taken for the lead's certainty.
    pub(crate) fn certainty(&self) -> Certainty {
        match *self {
            Self::Gate { certainty, .. } => certainty,
            Self::Everybody | Self::Only | Self::Drafter(_) => Certainty::TopProbability,
        }
    }

    /// Whether the members vote under rule `rule` where the lead is `certain`, 0 to 1.
    pub(crate) fn votes(&self, rule: usize, certain: f64) -> bool {
        match self {
            Self::Everybody | Self::Drafter(_) => true,
            Self::Only => false,
            Self::Gate { thresholds, .. } => thresholds.get(rule).is_some_and(|threshold| threshold.votes(certain)),
        }
    }
}

impl Settings {
    /// Members that vote with `weights` where `gating` says so. The method is `gac` and decoding is greedy until told
    /// otherwise.
    ///
    /// # Errors
    /// Without one weight per member, or with a gate that is none of them.
    pub fn new(ensemble: Arc<Ensemble>, weights: Weights, gating: Gating) -> Result<Self, EnsembleError> {
        let settings = Self {
            ensemble,
            weights: Weights::uniform(1),
            weighting: Weighting::Given,
            lead: Lead::Everybody,
            leads: Vec::new(),
            supporters: Vec::new(),
            rules: 1,
            method: Method::Gac,
            bytes: Vec::new(),
            decoding: Decoding::Greedy,
            drafting: None,
            drafter: None,
            chat: None,
            thinking: ThinkEnds::default(),
        };
        settings.with_weights(weights)?.with_gating(gating)
    }

    /// The same with other weights.
    ///
    /// # Errors
    /// When there is not one per member.
    pub fn with_weights(self, weights: Weights) -> Result<Self, EnsembleError> {
        let members = self.ensemble.names().len();
        if weights.get().len() != members {
            return Err(WeightsError::Count { weights: weights.get().len(), members }.into());
        }
        Ok(Self { weights, ..self })
    }

    /// The same with other gating.
    ///
    /// # Errors
    /// For a gate that is none of the members.
    pub fn with_gating(self, gating: Gating) -> Result<Self, EnsembleError> {
        let all = 0..self.ensemble.names().len();
        let lead = Lead::new(gating, all.len())?;
        let (leads, supporters) = match lead.member() {
            None => (all.collect(), Vec::new()),
            Some(lead) => (vec![lead.0], all.filter(|&member| member != lead.0).collect()),
        };
        Ok(Self { lead, leads, supporters, rules: 1, ..self })
    }

    /// The same under each of `thresholds` in place of the gate's own: a request is answered once for each of them.
    ///
    /// Per request, the thresholds form a tree: those that have emitted the same so far are one sample. Where a step's
    /// certainty divides them and the vote's winner is another token than the gate's, the sample forks, and both sides
    /// share what was computed before. The other members are asked once where any threshold of a sample wants a vote.
    /// Each answer is, token for token, what its threshold alone gives.
    ///
    /// # Errors
    /// Without a gate, or without thresholds.
    pub fn with_thresholds(mut self, thresholds: &[Threshold]) -> Result<Self, EnsembleError> {
        match &mut self.lead {
            Lead::Everybody | Lead::Drafter(_) => return Err(EnsembleError::ThresholdsWithoutGate),
            _ if thresholds.is_empty() => return Err(EnsembleError::NoThresholds),
            Lead::Gate { thresholds: of_gate, .. } => *of_gate = thresholds.to_vec(),
            // It has nobody to ask: all thresholds are one.
            Lead::Only => {}
        }
        Ok(Self { rules: thresholds.len(), ..self })
    }

    /// The same by another method.
    ///
    /// # Errors
    /// For a method whose settings make no sense, or that is for other members: for another number of them, or, for a vote
    /// on bytes, ones that have tokens of single bytes.
    pub fn with_method(self, method: Method) -> Result<Self, EnsembleError> {
        let members = self.ensemble.members();
        method.validate()?;
        method.validate_members(members.len())?;
        let spell = |seat: &Seat| {
            let tokens = ByteTokens::new(Arc::clone(&seat.tokenizer));
            tokens.map(Arc::new).map_err(|byte| EnsembleError::NoByteToken { member: seat.name.clone(), byte })
        };
        let bytes = match method.coverings() {
            Some(_) => members.iter().map(spell).collect::<Result<_, _>>()?,
            None => Vec::new(),
        };
        Ok(Self { method, bytes, ..self })
    }

    /// The same with weights from elsewhere.
    ///
    /// # Errors
    /// For a temperature that is not a positive number.
    pub fn with_weighting(self, weighting: Weighting) -> Result<Self, EnsembleError> {
        weighting.validate()?;
        Ok(Self { weighting, ..self })
    }

    /// The same with tokens picked otherwise.
    #[must_use]
    pub fn with_decoding(self, decoding: Decoding) -> Self {
        Self { decoding, ..self }
    }

    /// The same with tokens proposed ahead and verified. That changes no answer, only the time that it takes.
    ///
    /// Nothing is drafted where a member is a server's, which runs ahead by itself, nor under [`Gating::Safe`], whose
    /// drafter does, or a [`Method`] that [takes none](Method::takes_drafts); nor by a member that is not asked at every step,
    /// or a drafter that there is not.
    #[must_use]
    pub fn with_drafting(self, drafting: Drafting) -> Self {
        Self { drafting: Some(drafting), ..self }
    }

    /// The same with a model without a vote, for [`Proposer::Drafter`].
    ///
    /// # Errors
    /// For one that proposes to another ensemble.
    pub fn with_drafter(self, drafter: Drafter) -> Result<Self, EnsembleError> {
        if !drafter.is_of(&self.ensemble) {
            return Err(EnsembleError::OtherDrafter { drafter: drafter.seat.name });
        }
        Ok(Self { drafter: Some(Arc::new(drafter)), ..self })
    }

    /// The same with every prompt and context a chat.
    ///
    /// # Errors
    /// When there is not one template per member.
    pub fn with_chat(self, chat: Arc<Chat>) -> Result<Self, EnsembleError> {
        let (templates, members) = (chat.members(), self.ensemble.names().len());
        if templates != members {
            return Err(EnsembleError::TemplateCount { templates, members });
        }
        Ok(Self { chat: Some(chat), ..self })
    }

    /// The same with members that reason before they answer: how each one's reasoning ends (none: it does not reason).
    /// Stop strings count from where it has ended.
    ///
    /// # Errors
    /// When there is not one place per member, or an end is empty.
    pub fn with_think_ends(self, ends: Vec<Option<ThinkEnd>>) -> Result<Self, EnsembleError> {
        let members = self.ensemble.names().len();
        if ends.len() != members {
            return Err(EnsembleError::ThinkEndCount { ends: ends.len(), members });
        }
        let is_empty = |end: &Option<ThinkEnd>| end.as_ref().is_some_and(|end| end.token.is_empty());
        if let Some((member, _)) = self.ensemble.names().zip(&ends).find(|(_, end)| is_empty(end)) {
            return Err(EnsembleError::EmptyThinkEnd { member: member.to_owned() });
        }
        Ok(Self { thinking: ThinkEnds::new(ends), ..self })
    }

    /// Whether responses may begin with reasoning: whether some member reasons and its prompts do not end that.
    pub fn thinks(&self) -> bool {
        let question = Conversation::from(vec![ChatMessage::new(Role::User, "")]);
        let ends = |member| match &self.chat {
            // A template that ends the reasoning does so whatever is asked.
            Some(chat) => chat
                .text(member, &question)
                .map_or(PromptEnd::Neither, |prompt| self.thinking.prompt_end(member, &prompt)),
            None => PromptEnd::Neither,
        };
        let prompts: Vec<PromptEnd> = (0..self.ensemble.names().len()).map(ends).collect();
        self.thinking.any() && !matches!(self.thinking.start(&prompts), Thought::Answer { .. })
    }

    /// How the members' reasoning ends, in order, of those that reason.
    pub fn think_ends(&self) -> impl Iterator<Item = &ThinkEnd> {
        self.thinking.ends()
    }

    /// Whether its members write chats down.
    pub fn chats(&self) -> bool {
        self.chat.is_some()
    }

    /// What the member at `place` reads of a chat.
    ///
    /// # Errors
    /// When it uses no chat template, or that refuses the chat.
    pub fn chat_text(&self, place: usize, conversation: &Conversation) -> Result<String, RequestError> {
        let chat = self.chat.as_ref().ok_or(RequestError::ChatWithoutTemplates)?;
        chat.text(place, conversation).map_err(|source| {
            let member = self.ensemble.names().nth(place).unwrap_or_default().to_owned();
            RequestError::Chat { member, source: Box::new(source) }
        })
    }

    /// Who takes part.
    pub fn ensemble(&self) -> &Arc<Ensemble> {
        &self.ensemble
    }

    /// How much each member's vote counts.
    pub fn weights(&self) -> &Weights {
        &self.weights
    }

    /// The gate's thresholds; none without a gate.
    pub fn thresholds(&self) -> &[Threshold] {
        match &self.lead {
            Lead::Gate { thresholds, .. } => thresholds,
            Lead::Everybody | Lead::Only | Lead::Drafter(_) => &[],
        }
    }

    /// Number of thresholds; 1 without a gate.
    pub fn rules(&self) -> usize {
        self.rules
    }

    pub(crate) fn weighting(&self) -> Weighting {
        self.weighting
    }

    pub(crate) fn method(&self) -> Method {
        self.method
    }

    /// Whether a step is a byte, so that the `tokens` of a [`Generation`](crate::Generation) are bytes.
    pub fn votes_on_bytes(&self) -> bool {
        matches!(self.lead, Lead::Everybody | Lead::Gate { .. }) && self.method.coverings().is_some()
    }

    /// What `member` is told of a response, where it is told bytes: not one that decides alone in any case, nor where a
    /// drafter's tokens are verified.
    pub(crate) fn covering(&self, member: usize) -> Option<Covering> {
        let tokens = self.bytes.get(member).filter(|_| self.votes_on_bytes())?;
        Some(Covering::new(Arc::clone(tokens), self.method.coverings()?))
    }

    /// How many hypotheses are followed at once, where members agree on a text by a search.
    pub(crate) fn beam(&self) -> Option<usize> {
        match self.method {
            Method::Abe { beam } if matches!(self.lead, Lead::Everybody | Lead::Gate { .. }) => Some(beam),
            _ => None,
        }
    }

    /// Whether one member is drawn where others would vote.
    pub(crate) fn draws(&self) -> bool {
        self.method == Method::SampleAMember && matches!(self.lead, Lead::Everybody | Lead::Gate { .. })
    }

    /// How tokens are picked.
    pub fn decoding(&self) -> Decoding {
        self.decoding
    }

    /// What is drafted, where anything is.
    pub fn drafting(&self) -> Option<Drafting> {
        let verifies =
            !matches!(self.lead, Lead::Drafter(_)) && self.method.takes_drafts() && self.readers().next().is_some();
        let is_asked = |drafting: &Drafting| match drafting.by {
            Proposer::Prompt => true,
            Proposer::Member(member) => self.leads.contains(&member.0),
            Proposer::Drafter => self.drafter.as_ref().is_some_and(|drafter| !drafter.seat.remote),
        };
        self.drafting.filter(|drafting| verifies && is_asked(drafting) && drafting.length != DraftLength::Tokens(0))
    }

    /// The leads that read what is drafted in one forward: not those on servers, which run ahead by themselves.
    pub(crate) fn readers(&self) -> impl Iterator<Item = usize> {
        self.leads.iter().copied().filter(|&lead| !self.seat(lead).remote)
    }

    /// The model without a vote that drafts, where one does.
    pub(crate) fn drafter(&self) -> Option<&Arc<Drafter>> {
        let drafts = self.drafting().is_some_and(|drafting| drafting.by == Proposer::Drafter);
        self.drafter.as_ref().filter(|_| drafts)
    }

    /// Who reads at `place`: a member, or behind them the drafter.
    pub(crate) fn seat(&self, place: usize) -> &Seat {
        let members = self.ensemble.members();
        match &self.drafter {
            Some(drafter) if place == members.len() => &drafter.seat,
            _ => &members[place],
        }
    }

    pub(crate) fn chat(&self) -> Option<&Chat> {
        self.chat.as_deref()
    }

    pub(crate) fn thinking(&self) -> &ThinkEnds {
        &self.thinking
    }

    pub(crate) fn lead(&self) -> &Lead {
        &self.lead
    }

    /// Members asked at every step; where one is drawn, those that may be.
    pub(crate) fn leads(&self) -> &[usize] {
        &self.leads
    }

    /// Members asked where a vote is wanted.
    pub(crate) fn supporters(&self) -> &[usize] {
        &self.supporters
    }
}
