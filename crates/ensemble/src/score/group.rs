//! Continuations of one context in flight: the context is read once, and each continuation goes on from a fork of it.

use std::sync::Arc;

use gac_inference::{LanguageModel, ModelError};

use super::continuation::{Context, Continuation};
use super::scored::Scored;
use super::scoring;
use super::tally::Views;
use crate::lanes::lane::Lane;
use crate::lanes::perplexity::Weighing;
use crate::lanes::question::Question;
use crate::member::{Member, ModelId};
use crate::request::RequestId;
use crate::resources::Resources;
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;
use crate::vote::log_probs::AskedLogProbs;
use crate::vote::weights::{Weighting, Weights};

/// Continuations of one context.
#[derive(Debug)]
pub(crate) struct ContextGroup {
    pub(crate) settings: Arc<Settings>,
    pub(crate) context: Arc<Context>,
    phase: GroupPhase,
    /// By member: the context. What it says after it is kept for all continuations.
    contexts: Vec<Lane>,
    scored: Vec<Scored>,
    /// The members' weights, where they follow from the context.
    weights: Option<Weights>,
    /// Most continuations that are read at once.
    width: usize,
    /// Whether continuations of the same context are waiting.
    pub(crate) more: bool,
}

/// Where a group is on its way.
#[derive(Debug)]
enum GroupPhase {
    /// The members' weights follow from the context, which they read.
    Weighing(Weighing),
    /// The leads read the context.
    Context,
    /// The supporters read it: the first token is a key token.
    ContextSupporters,
    /// What follows the context can be scored; continuations wait for room to go on.
    Ready,
    /// The leads read parts of continuations.
    Pieces,
    /// The supporters read them as far as there are key tokens.
    PieceSupporters,
}

impl ContextGroup {
    /// One continuation, of whose tokens `asked` is told.
    pub(crate) fn new(
        request: RequestId,
        settings: Arc<Settings>,
        choice: Continuation,
        asked: Option<AskedLogProbs>,
    ) -> Self {
        let context = Arc::clone(&choice.context);
        let mut group = Self {
            phase: GroupPhase::Context,
            contexts: (0..)
                .zip(&context.ids)
                .map(|(member, ids)| Lane::new(ids.clone()).in_pass(choice.pass(member)))
                .collect(),
            scored: Vec::new(),
            weights: None,
            width: usize::MAX,
            more: false,
            settings,
            context,
        };
        group.expect(&choice);
        let (rules, members) = (group.settings.rules(), group.contexts.len());
        group.scored.push(Scored::new(request, choice, asked, rules, members));
        group
    }

    /// The members are going to be asked about a continuation.
    fn expect(&mut self, choice: &Continuation) {
        for (member, context) in self.contexts.iter_mut().enumerate() {
            context.expect(choice.expected(member));
        }
    }

    /// Whether the continuations of `other` are of the same context, which the members read in the same way, to be scored
    /// in the same way.
    pub(crate) fn is_of(&self, other: &Self, models: &[Member]) -> bool {
        let turns_alike =
            |(model, (own, new)): (ModelId, (&Lane, &Lane))| models[model.0].model.turns_alike(own.pass(), new.pass());
        let lanes = self.contexts.iter().zip(&other.contexts);
        Arc::ptr_eq(&self.context, &other.context)
            && Arc::ptr_eq(&self.settings, &other.settings)
            && self.settings.ensemble().models().zip(lanes).all(turns_alike)
    }

    /// Takes the continuations of another group that has not begun.
    pub(crate) fn join(&mut self, other: Self) {
        for scored in &other.scored {
            self.expect(&scored.choice);
        }
        self.scored.extend(other.scored);
    }

    /// Lets it in.
    pub(crate) fn admit(&mut self) {
        match (&self.phase, &self.weights, self.settings.weighting()) {
            (GroupPhase::Context, None, Weighting::PromptPerplexity { temperature }) => {
                self.phase = GroupPhase::Weighing(Weighing::new(temperature, self.contexts.len()));
            }
            (GroupPhase::Context, ..) => self.read_context(),
            _ => {}
        }
    }

    fn read_context(&mut self) {
        self.phase = GroupPhase::Context;
        for lead in scoring::leads(&self.settings) {
            self.contexts[lead].want_last();
        }
    }

    /// Whether all that it was given is scored.
    pub(crate) fn is_empty(&self) -> bool {
        self.scored.is_empty()
    }

    /// How many samples it counts as: its continuations that need a sequence of their own.
    pub(crate) fn weight(&self) -> usize {
        self.scored.iter().filter(|scored| scored.choice.tokens.len() > 1).count().max(usize::from(!self.is_empty()))
    }

    /// How many samples more it counts as with `other`, which joins it.
    pub(crate) fn more_weight(&self, other: &Self) -> usize {
        let several = |group: &Self| group.scored.iter().filter(|scored| scored.choice.tokens.len() > 1).count();
        (several(self) + several(other)).max(1) - self.weight()
    }

    /// Tokens that `member` will hold for it.
    pub(crate) fn reserved(&self, member: usize) -> usize {
        let fed: usize = self.scored.iter().map(|scored| scored.choice.fed[member].len()).sum();
        self.context.ids[member].len() + fed
    }

    /// Distributions that it has been promised and that are not used yet.
    pub(crate) fn promised(&self) -> usize {
        match self.phase {
            GroupPhase::Weighing(_) => self.contexts.iter().map(Lane::outstanding).max().unwrap_or(0),
            _ => self.scored.iter().map(|scored| scored.piece).sum(),
        }
    }

    /// Asks for more where it has nothing to read, for at most `room` distributions of each member.
    pub(crate) fn plan(&mut self, mut room: usize) {
        match &self.phase {
            GroupPhase::Weighing(weighing) if !self.contexts.iter().any(Lane::is_reading) => {
                weighing.plan(&mut self.contexts, room);
            }
            GroupPhase::Ready if !self.is_asked_first() => {
                let leads = scoring::leads(&self.settings);
                for scored in self.scored.iter_mut().take(self.width) {
                    scored.piece = (scored.choice.tokens.len() - scored.next).min(room);
                    room -= scored.piece;
                    let tokens: Vec<usize> = (0..scored.piece).collect();
                    for &lead in &leads {
                        scored.ask(lead, &tokens);
                    }
                }
                if self.scored.iter().any(|scored| scored.piece > 0) {
                    self.phase = GroupPhase::Pieces;
                }
            }
            _ => {}
        }
    }

    /// Whether everything is read that it asked for.
    pub(crate) fn is_ready(&self) -> bool {
        let contexts = |members: &[usize]| members.iter().all(|&member| !self.contexts[member].is_reading());
        let pieces = |members: &[usize]| {
            let lanes = self.scored.iter().flat_map(|scored| members.iter().filter_map(|&m| scored.lanes[m].as_ref()));
            lanes.into_iter().all(|lane| !lane.is_reading())
        };
        match self.phase {
            GroupPhase::Weighing(ref weighing) => weighing.is_ready(&self.contexts),
            GroupPhase::Context => contexts(&scoring::leads(&self.settings)),
            GroupPhase::ContextSupporters => contexts(scoring::supporters(&self.settings)),
            GroupPhase::Ready => self.is_asked_first() && !self.contexts.iter().any(Lane::is_reading),
            GroupPhase::Pieces => pieces(&scoring::leads(&self.settings)),
            GroupPhase::PieceSupporters => pieces(scoring::supporters(&self.settings)),
        }
    }

    /// Whether the first token of some continuation is still to be scored.
    fn is_asked_first(&self) -> bool {
        self.scored.iter().any(|scored| scored.next == 0)
    }

    /// Whether supporters may be asked in this step, once the leads have read.
    pub(crate) fn may_consult(&self) -> bool {
        matches!(self.phase, GroupPhase::Context | GroupPhase::Pieces)
    }

    /// Whether continuations go on from forks of their context.
    fn is_shared(&self) -> bool {
        self.width > 1 && (self.more || self.scored.iter().filter(|scored| scored.choice.tokens.len() > 1).count() > 1)
    }

    /// Gets `member`'s lanes ready to be read, and gives those that are, each with its slot: the context's is 0.
    pub(crate) fn lanes(
        &mut self,
        member: usize,
        model: &mut dyn LanguageModel,
    ) -> Result<Vec<(usize, &mut Lane)>, ModelError> {
        let shared = self.is_shared();
        let context = &mut self.contexts[member];
        for scored in &mut self.scored {
            let Some(lane) = scored.lanes[member].as_mut().filter(|lane| lane.is_reading()) else { continue };
            if lane.sequence().is_some() {
                continue;
            }
            if !shared {
                if let Some(sequence) = context.release() {
                    lane.adopt(model, sequence);
                }
            } else if context.is_read(model) {
                if let Some(sequence) = context.sequence() {
                    let fork = model.fork(sequence)?;
                    lane.adopt(model, fork);
                }
            } else {
                context.read_on();
            }
        }
        let lanes = self.scored.iter_mut().map(|scored| scored.lanes[member].as_mut());
        let lanes = lanes.enumerate().filter_map(|(slot, lane)| Some((slot + 1, lane?)));
        let lanes = lanes.filter(|(_, lane)| lane.sequence().is_some() || !shared);
        let all = std::iter::once((0, context)).chain(lanes);
        Ok(all.filter(|(_, lane)| lane.is_reading()).collect())
    }

    /// Whether `member` has something to read.
    pub(crate) fn is_reading(&self, member: usize) -> bool {
        let lanes = self.scored.iter().filter_map(|scored| scored.lanes[member].as_ref());
        lanes.chain([&self.contexts[member]]).any(Lane::is_reading)
    }

    /// The lane of `member` in `slot`.
    pub(crate) fn lane(&mut self, member: usize, slot: usize) -> Option<&mut Lane> {
        match slot {
            0 => self.contexts.get_mut(member),
            _ => self.scored.get_mut(slot - 1)?.lanes[member].as_mut(),
        }
    }

    /// Whether `member` holds anything for it.
    pub(crate) fn holds(&self, member: usize) -> bool {
        let lanes = self.scored.iter().filter_map(|scored| scored.lanes[member].as_ref());
        lanes.chain([&self.contexts[member]]).any(|lane| lane.sequence().is_some())
    }

    /// How much each member's vote counts.
    fn weights(&self) -> &Weights {
        self.weights.as_ref().unwrap_or(self.settings.weights())
    }

    /// What members said after the context.
    fn context_views(&self) -> Views<'_> {
        self.contexts.iter().map(|lane| lane.given().first()).collect()
    }

    /// What has to be asked before it can go on: nothing where members give full distributions.
    pub(crate) fn missing(&self, segmentation: &mut Segmentation) -> Vec<Question> {
        let at_context = vec![Some(0); self.contexts.len()];
        match &self.phase {
            GroupPhase::Weighing(weighing) => weighing.questions(&self.contexts),
            GroupPhase::Context => {
                Question::of(scoring::missing_of_gate(&self.settings, &self.context_views()), 0, &at_context)
            }
            // Asked when it is scored.
            GroupPhase::ContextSupporters => Vec::new(),
            GroupPhase::Ready => {
                let views = self.context_views();
                let first = self.scored.iter().filter(|scored| scored.next == 0);
                let of = |scored: &Scored| match scored.tally.asked {
                    Some(_) => scoring::everything(&views),
                    None => scoring::missing(&self.settings, &scored.choice, 0, &views, self.weights(), segmentation),
                };
                first.flat_map(of).flat_map(|missing| Question::of(vec![missing], 0, &at_context)).collect()
            }
            GroupPhase::Pieces | GroupPhase::PieceSupporters => {
                let gate = matches!(self.phase, GroupPhase::Pieces) && !scoring::supporters(&self.settings).is_empty();
                let questions =
                    self.scored.iter().enumerate().map(|(at, scored)| {
                        scored.questions(at + 1, gate, &self.settings, self.weights(), segmentation)
                    });
                questions.flatten().collect()
            }
        }
    }

    /// Goes on when it is ready: asks the supporters, or scores.
    pub(crate) fn advance(&mut self, resources: &mut Resources<'_>) {
        let supporters = scoring::supporters(&self.settings).to_vec();
        match &mut self.phase {
            GroupPhase::Weighing(weighing) => {
                if let Some(weights) = weighing.add(&mut self.contexts) {
                    self.weights = Some(weights);
                    self.read_context();
                }
            }
            GroupPhase::Context => {
                let wanted = scoring::votes(&self.settings, &self.context_views());
                if wanted.contains(&true) && !supporters.is_empty() {
                    for &supporter in &supporters {
                        self.contexts[supporter].want_last();
                    }
                    self.phase = GroupPhase::ContextSupporters;
                } else {
                    self.phase = GroupPhase::Ready;
                }
            }
            GroupPhase::ContextSupporters => self.phase = GroupPhase::Ready,
            GroupPhase::Ready => {
                let weights = self.weights().clone();
                let Self { contexts, scored, settings, .. } = self;
                let views: Views<'_> = contexts.iter().map(|lane| lane.given().first()).collect();
                for scored in scored.iter_mut().filter(|scored| scored.next == 0) {
                    scored.score(settings, &views, &weights, resources);
                }
                self.leave(resources);
            }
            GroupPhase::Pieces => {
                if self.ask_supporters(&supporters) {
                    self.phase = GroupPhase::PieceSupporters;
                } else {
                    self.score_pieces(resources);
                }
            }
            GroupPhase::PieceSupporters => self.score_pieces(resources),
        }
    }

    /// Asks the supporters about the key tokens of all pieces; whether there are any.
    fn ask_supporters(&mut self, supporters: &[usize]) -> bool {
        if supporters.is_empty() {
            return false;
        }
        let ask = |any, scored: &mut Scored| scored.ask_supporters(&self.settings, supporters) || any;
        self.scored.iter_mut().fold(false, ask)
    }

    fn score_pieces(&mut self, resources: &mut Resources<'_>) {
        let weights = self.weights().clone();
        for scored in &mut self.scored {
            scored.score_piece(&self.settings, &weights, resources);
        }
        self.phase = GroupPhase::Ready;
        self.leave(resources);
    }

    /// Takes out what is scored or has failed.
    fn leave(&mut self, resources: &mut Resources<'_>) {
        for mut scored in std::mem::take(&mut self.scored) {
            if scored.next < scored.choice.tokens.len() {
                self.scored.push(scored);
                continue;
            }
            scored.close(&self.settings, resources.models);
            scored.tell(resources.events);
        }
    }

    /// Takes out a continuation that is no longer wanted; whether it was there.
    pub(crate) fn cancel(&mut self, request: RequestId, models: &mut [Member]) -> bool {
        let Some(at) = self.scored.iter().position(|scored| scored.request == request) else { return false };
        self.scored.remove(at).close(&self.settings, models);
        true
    }

    /// The requests that it scores.
    pub(crate) fn requests(&self) -> impl Iterator<Item = RequestId> {
        self.scored.iter().map(|scored| scored.request)
    }

    /// Drops its sequences everywhere.
    pub(crate) fn close(&mut self, models: &mut [Member]) {
        for (lane, member) in self.contexts.iter_mut().zip(self.settings.ensemble().members()) {
            lane.close(&mut *models[member.model.0].model);
        }
        for scored in &mut self.scored {
            scored.close(&self.settings, models);
        }
    }

    /// Makes room for others. What is scored stays scored.
    pub(crate) fn give_way(&mut self, models: &mut [Member]) {
        self.close(models);
        if let GroupPhase::Pieces | GroupPhase::PieceSupporters = self.phase {
            self.phase = GroupPhase::Ready;
        }
        for scored in &mut self.scored {
            scored.piece = 0;
            scored.lanes.iter_mut().for_each(|lane| *lane = None);
            scored.views.iter_mut().for_each(Vec::clear);
        }
    }

    /// Goes on with fewer continuations at once, where it does not fit a cache by itself; whether that is possible.
    pub(crate) fn narrow(&mut self, models: &mut [Member]) -> bool {
        let at_once = self.scored.iter().filter(|scored| scored.piece > 0).count();
        let narrower = self.width > 1;
        self.width = (at_once / 2).max(1);
        self.give_way(models);
        narrower
    }
}
