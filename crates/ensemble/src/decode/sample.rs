//! One sample in flight: what it has emitted, and what each member was told of it.

mod split;

use std::sync::Arc;
use std::time::Instant;

use gac_inference::{Distribution, TokenId};

use crate::bytes::covering::Covering;
use crate::decode::branch::RuleBranch;
use crate::decode::draft::Draft;
use crate::decode::draft_lane::DraftLane;
use crate::decode::guesses::Guesses;
use crate::decode::response_text::ResponseText;
use crate::lanes::lane::Lane;
use crate::lanes::perplexity::Weighing;
use crate::lanes::prompt::EncodedPrompt;
use crate::member::{Member, MemberId};
use crate::request::{Finish, GenerationRequest, Prompt, RequestId};
use crate::settings::{Lead, Settings};
use crate::thinking::PromptEnd;
use crate::vocabulary::union::UnionToken;
use crate::vote::log_probs::AskedLogProbs;
use crate::vote::sampling::{Decoding, seed_of, unit};
use crate::vote::weights::{Weighting, Weights};

/// Draws of members are others than draws of tokens.
const OF_MEMBERS: u64 = 0x6d65_6d62_6572;

/// Where a sample is on its way.
#[derive(Debug)]
pub(crate) enum SamplePhase {
    /// Its members' weights follow from its prompt, which they read.
    Weighing(Weighing),
    /// The one at this place, a member or the drafter, goes on alone, before the leads read what it guesses.
    Drafting(usize),
    /// The leads are asked for the next token.
    Leading,
    /// The supporters are asked about what the lead proposes.
    Supporting,
    /// It is done.
    Finished(Finish),
}

/// What one member was told of a sample's prompt.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Told {
    /// Tokens of the prompt.
    pub(crate) tokens: usize,
    /// Whether the prompt was cut from the left.
    pub(crate) truncated: bool,
    /// Whether it was ever asked about the sample.
    pub(crate) consulted: bool,
}

/// A request on its way to a [`Generation`](crate::request::Generation), for one rule or for several that agree so far.
#[derive(Debug)]
pub(crate) struct Sample {
    pub(crate) request: RequestId,
    pub(crate) settings: Arc<Settings>,
    pub(crate) phase: SamplePhase,
    /// By member: its prompt, then what was emitted, in its own ids.
    pub(crate) lanes: Vec<Lane>,
    /// A drafter that has no vote.
    pub(crate) drafter: Option<DraftLane>,
    pub(crate) told: Vec<Told>,
    /// Ascending by rule, at least one.
    pub(crate) branches: Vec<RuleBranch>,
    /// What the lead would emit next: one token, or several of a drafter.
    pub(crate) drafts: Vec<Draft>,
    /// How many tokens a drafter proposes at once.
    pub(crate) ahead: usize,
    /// What is read ahead of it, where that is asked for.
    pub(crate) guesses: Option<Guesses>,
    /// Tokens emitted.
    pub(crate) emitted: usize,
    /// What has been emitted.
    pub(crate) text: ResponseText,
    /// How often members were asked for more since the last token.
    pub(crate) asks: usize,
    /// How its tokens are picked.
    pub(crate) decoding: Decoding,
    /// What its draws depend on.
    pub(crate) seed: u64,
    /// Its members' weights, where they follow from its prompt.
    weights: Option<Weights>,
    pub(crate) max_new_tokens: usize,
    /// Whether its steps are recorded.
    pub(crate) trace: bool,
    /// What its steps tell of the distributions that tokens are taken from.
    pub(crate) log_probs: Option<AskedLogProbs>,
    pub(crate) admitted: Option<Instant>,
}

impl Sample {
    /// A sample for all rules of the settings.
    pub(crate) fn new(
        request: RequestId,
        settings: Arc<Settings>,
        prompts: Vec<EncodedPrompt>,
        asked: &GenerationRequest,
    ) -> Self {
        let told =
            |prompt: &EncodedPrompt| Told { tokens: prompt.ids.len(), truncated: prompt.truncated, consulted: false };
        let decoding = asked.decoding.unwrap_or(settings.decoding());
        let seed_of = |seed| match &asked.prompt {
            Prompt::Tokens(ids) => seed_of(seed, &settings.ensemble().members()[0].tokenizer.text(ids)),
            other => seed_of(seed, other.last_words().as_bytes()),
        };
        let seed = match decoding {
            Decoding::Greedy if settings.draws() => seed_of(0),
            Decoding::Greedy => 0,
            Decoding::Sampled(sampling) => seed_of(sampling.seed()),
        };
        let alone = *settings.lead() == Lead::Only && decoding == Decoding::Greedy;
        let lane = |(member, ids)| match settings.covering(member) {
            Some(covering) => Lane::new(ids).by_bytes(covering),
            None if alone => Lane::new(ids).greedy(asked.max_new_tokens),
            None => Lane::new(ids),
        };
        let members = prompts.len();
        let ends: Vec<PromptEnd> = prompts.iter().map(|prompt| prompt.end).collect();
        let lead = settings.leads()[0];
        let key = |id| settings.ensemble().union().projection(MemberId(lead)).key(id);
        let said = || prompts[lead].ids.iter().filter_map(|&id| key(id)).collect();
        Self {
            request,
            guesses: settings.drafting().map(|drafting| Guesses::new(drafting, said())),
            phase: SamplePhase::Leading,
            text: ResponseText::new(settings.thinking().start(&ends), &asked.stop),
            told: prompts.iter().map(told).collect(),
            lanes: prompts.into_iter().map(|prompt| prompt.ids).enumerate().map(lane).collect(),
            drafter: None,
            branches: (0..settings.rules()).map(|rule| RuleBranch::new(rule, members)).collect(),
            settings,
            drafts: Vec::new(),
            ahead: 1,
            emitted: 0,
            asks: 0,
            decoding,
            seed,
            weights: None,
            max_new_tokens: asked.max_new_tokens,
            trace: asked.trace,
            log_probs: asked.log_probs.clone(),
            admitted: None,
        }
    }

    /// With the settings' drafter, which reads these ids of its prompt; without one where it reads none.
    pub(crate) fn with_drafter(self, prompt: Option<Vec<TokenId>>) -> Self {
        let drafter = self.settings.drafter().cloned().zip(prompt);
        Self { drafter: drafter.map(|(drafter, prompt)| DraftLane::new(drafter, prompt)), ..self }
    }

    /// What is read at `place`: by a member, or behind them by the drafter.
    pub(crate) fn lane(&self, place: usize) -> &Lane {
        match &self.drafter {
            Some(drafting) if place == self.lanes.len() => &drafting.lane,
            _ => &self.lanes[place],
        }
    }

    pub(crate) fn lane_mut(&mut self, place: usize) -> &mut Lane {
        match &mut self.drafter {
            Some(drafting) if place == self.lanes.len() => &mut drafting.lane,
            _ => &mut self.lanes[place],
        }
    }

    /// Lets it in: the clock starts, once.
    pub(crate) fn admit(&mut self) {
        self.admitted.get_or_insert_with(Instant::now);
        if self.is_full() {
            self.phase = SamplePhase::Finished(Finish::Length);
            return;
        }
        match (&self.phase, &self.weights, self.settings.weighting()) {
            (SamplePhase::Weighing(_), ..) => {}
            (_, None, Weighting::PromptPerplexity { temperature }) => {
                self.phase = SamplePhase::Weighing(Weighing::new(temperature, self.lanes.len()));
            }
            _ => self.lead(),
        }
    }

    /// Its members' weights are known: it begins.
    pub(crate) fn weighed(&mut self, weights: Weights) {
        self.weights = Some(weights);
        self.lead();
    }

    /// The member whose own token is taken where nobody votes.
    pub(crate) fn leader(&self) -> Option<MemberId> {
        match self.settings.lead() {
            Lead::Everybody => self.drawn(),
            lead => lead.member(),
        }
    }

    /// The member that decides on the next token where others would vote.
    pub(crate) fn drawn(&self) -> Option<MemberId> {
        self.settings.draws().then(|| MemberId(self.weights().drawn(unit(self.seed ^ OF_MEMBERS, self.emitted))))
    }

    /// The supporters that are asked where a vote is wanted: all of them, or the one that is drawn.
    pub(crate) fn voters(&self) -> impl Iterator<Item = usize> {
        let drawn = self.drawn();
        self.settings.supporters().iter().copied().filter(move |member| drawn.is_none_or(|drawn| drawn.0 == *member))
    }

    /// Asks the leads for the next token.
    pub(crate) fn lead(&mut self) {
        self.phase = SamplePhase::Leading;
        if let Some(guesses) = &mut self.guesses {
            guesses.counts.verifications += 1;
        }
        let leader = self.leader();
        for &lead in self.settings.leads().iter().filter(|&&lead| leader.is_none_or(|leader| leader.0 == lead)) {
            self.told[lead].consulted = true;
            self.lanes[lead].want_last();
        }
    }

    /// Asks for the next token, unless it is done, a member that is to be asked has no room, or all leads have said
    /// what they say of it already; whether all leads have to read. Where only those on servers do not know it, which read no
    /// drafts, only they are asked.
    pub(crate) fn go_on(&mut self) -> bool {
        if self.is_finished() {
            return false;
        }
        self.phase = SamplePhase::Leading;
        let settings = Arc::clone(&self.settings);
        let unknown = |&lead: &usize| self.lanes[lead].current().is_none();
        let unknown: Vec<usize> = settings.leads().iter().copied().filter(unknown).collect();
        if !matches!(settings.lead(), Lead::Drafter(_)) && unknown.is_empty() {
            return false;
        }
        let members = settings.ensemble().members();
        let is_full = |lanes: &[Lane], member: usize| lanes[member].overflows(members[member].limits.context);
        let drafts_hold = self.guesses.is_some() && unknown.len() < settings.leads().len();
        if drafts_hold && unknown.iter().all(|&lead| members[lead].remote) {
            if unknown.iter().any(|&lead| is_full(&self.lanes, lead)) {
                self.phase = SamplePhase::Finished(Finish::Context);
            }
            for lead in unknown {
                self.told[lead].consulted = true;
                self.lanes[lead].want_last();
            }
            return false;
        }
        self.lanes.iter_mut().for_each(Lane::forget_proposed);
        if let Some(drafting) = &mut self.drafter {
            drafting.forget();
        }
        if settings.leads().iter().any(|&lead| is_full(&self.lanes, lead)) {
            self.phase = SamplePhase::Finished(Finish::Context);
            return false;
        }
        self.lead();
        true
    }

    /// Whether some supporter has no room for what it would be asked about.
    pub(crate) fn supporters_are_full(&self) -> bool {
        supporters_are_full(&self.settings, &self.lanes)
    }

    /// Asks a supporter for the next token.
    pub(crate) fn consult(&mut self, supporter: usize) {
        self.told[supporter].consulted = true;
        self.lanes[supporter].want_last();
    }

    /// Asks a supporter for the distributions after `marks` of its tokens.
    pub(crate) fn consult_at(&mut self, supporter: usize, marks: Vec<usize>) {
        self.told[supporter].consulted = true;
        self.lanes[supporter].want(marks);
    }

    /// Whether it may emit no more tokens.
    pub(crate) fn is_full(&self) -> bool {
        self.spent() >= self.max_new_tokens
    }

    /// Tokens emitted; of bytes, those that the first lead is sure to have them as.
    fn spent(&self) -> usize {
        let lead = &self.lanes[self.settings.leads()[0]];
        lead.covering().map_or(self.emitted, Covering::sure)
    }

    /// Looks at what members said of tokens, where they are asked for bytes: whether some have to read on for that.
    pub(crate) fn look(&mut self) -> bool {
        let still = self.lanes.iter_mut().filter(|lane| !lane.is_reading());
        // All of them look.
        still.map(Lane::look).filter(|reads| *reads).count() > 0
    }

    /// Whether it is done.
    pub(crate) fn is_finished(&self) -> bool {
        matches!(self.phase, SamplePhase::Finished(_))
    }

    /// Whether everything is read that it asked for, and it waits for a decision.
    pub(crate) fn is_ready(&self) -> bool {
        let read = |members: &[usize]| members.iter().all(|&member| !self.lanes[member].is_reading());
        match self.phase {
            SamplePhase::Weighing(ref weighing) => weighing.is_ready(&self.lanes),
            SamplePhase::Drafting(place) => !self.lane(place).is_reading(),
            SamplePhase::Leading => read(self.settings.leads()),
            SamplePhase::Supporting => read(self.settings.supporters()),
            SamplePhase::Finished(_) => false,
        }
    }

    /// Whether supporters may be asked in this step, once the leads have read.
    pub(crate) fn may_consult(&self) -> bool {
        matches!(self.phase, SamplePhase::Leading)
    }

    /// Distributions of its prompt that it was promised and has not used yet.
    pub(crate) fn promised(&self) -> usize {
        match self.phase {
            SamplePhase::Weighing(_) => self.lanes.iter().map(Lane::outstanding).max().unwrap_or(0),
            _ => 0,
        }
    }

    /// Asks for at most `room` distributions of its prompt, where it is to be weighed by it.
    pub(crate) fn plan(&mut self, room: usize) {
        if let SamplePhase::Weighing(weighing) = &self.phase
            && !self.lanes.iter().any(Lane::is_reading)
        {
            weighing.plan(&mut self.lanes, room);
        }
    }

    /// Tokens that `member` will hold for it in a while: what there is, and up to `ahead` more by every rule.
    pub(crate) fn reserved(&self, member: usize, ahead: usize) -> usize {
        let more = self.max_new_tokens.saturating_sub(self.spent()).min(ahead);
        self.lane(member).tokens().len() + more * self.branches.len()
    }

    /// How much each member's vote counts.
    pub(crate) fn weights(&self) -> &Weights {
        self.weights.as_ref().unwrap_or(self.settings.weights())
    }

    /// What `member` said at view `index`, if it was asked.
    pub(crate) fn view(&self, member: usize, index: usize) -> Option<&Distribution> {
        self.lanes[member].given().get(index)
    }

    /// Whether it would end with these bytes more: with END, at a stop string, or by its length.
    pub(crate) fn ends_with(&self, bytes: &[u8], tokens: usize) -> bool {
        self.text.stops_with(bytes) || self.emitted + tokens >= self.max_new_tokens
    }

    /// Appends a token's bytes; lanes and branches are brought up by the caller.
    pub(crate) fn emit(&mut self, token: &UnionToken) {
        self.emitted += 1;
        let stopped = self.text.push(token, self.settings.thinking());
        if *token == UnionToken::End {
            self.phase = SamplePhase::Finished(Finish::End);
        } else if stopped {
            self.phase = SamplePhase::Finished(Finish::Stop);
        } else if self.is_full() {
            self.phase = SamplePhase::Finished(Finish::Length);
        }
    }

    /// The bytes that are sure to be part of the response and were not told yet.
    pub(crate) fn stream(&mut self) -> Vec<u8> {
        match self.phase {
            SamplePhase::Finished(_) => self.text.rest(),
            _ => self.text.stream(self.settings.thinking()),
        }
    }

    /// Drops its sequences everywhere; what it was about to be told it has to be told again.
    pub(crate) fn close(&mut self, models: &mut [Member]) {
        for (lane, member) in self.lanes.iter_mut().zip(self.settings.ensemble().members()) {
            lane.close(&mut *models[member.model.0].model);
        }
        if let Some(drafting) = &mut self.drafter {
            drafting.lane.close(&mut *models[drafting.drafter.seat.model.0].model);
        }
    }

    /// Makes room for others: it starts over with what it has emitted.
    pub(crate) fn give_way(&mut self, models: &mut [Member]) {
        self.drafts.clear();
        self.lanes.iter_mut().for_each(Lane::forget_proposed);
        if let Some(drafting) = &mut self.drafter {
            drafting.forget();
        }
        if !matches!(self.phase, SamplePhase::Weighing(_)) {
            self.lanes.iter_mut().for_each(|lane| lane.want(Vec::new()));
        }
        self.close(models);
    }
}

/// Whether some supporter has no room for what it would be asked about, by what stands in its lane.
pub(crate) fn supporters_are_full(settings: &Settings, lanes: &[Lane]) -> bool {
    let members = settings.ensemble().members();
    settings.supporters().iter().any(|&member| lanes[member].overflows(members[member].limits.context))
}
