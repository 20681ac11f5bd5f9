//! A request whose members agree on its text, for one rule or several.

use std::sync::Arc;
use std::time::Instant;

use gac_inference::Distribution;

use super::hypothesis::{Candidate, Hypothesis, Turn};
use super::tuples::{Successor, TupleChoices, best};
use crate::decode::response_text::ResponseText;
use crate::decode::trace;
use crate::error::{RequestError, Trouble};
use crate::event::SchedulerEvent;
use crate::lanes::lane::Lane;
use crate::lanes::prompt::EncodedPrompt;
use crate::lanes::question::Question;
use crate::member::{Member, MemberId};
use crate::request::{DraftCounts, Finish, Generation, GenerationRequest, MemberView, RequestId, Step};
use crate::resources::Resources;
use crate::settings::Settings;
use crate::thinking::PromptEnd;
use crate::vocabulary::union::UnionToken;
use crate::vote::sampling::Decoding;
use crate::vote::undecided::OwnedDetail;

/// A request on its way to a [`Generation`] for each rule.
#[derive(Debug)]
pub(crate) struct AgreementSearch {
    pub(crate) request: RequestId,
    pub(crate) settings: Arc<Settings>,
    /// By rule: the hypotheses that go on, best first.
    beams: Vec<Vec<Hypothesis>>,
    width: usize,
    prompts: Vec<(usize, bool)>,
    max_new_tokens: usize,
    trace: bool,
    admitted: Option<Instant>,
    asks: usize,
}

impl AgreementSearch {
    /// A search in beams of `width` hypotheses, one beam per rule.
    ///
    /// # Errors
    /// Where tokens are to be drawn, or log-probabilities told: it looks for one text, and has no distribution of it.
    pub(crate) fn new(
        request: RequestId,
        settings: Arc<Settings>,
        width: usize,
        prompts: &[EncodedPrompt],
        asked: &GenerationRequest,
    ) -> Result<Self, RequestError> {
        if asked.decoding.unwrap_or(settings.decoding()) != Decoding::Greedy {
            return Err(RequestError::Search { what: "draws no tokens" });
        }
        if asked.log_probs.is_some() {
            return Err(RequestError::Search { what: "tells no log-probabilities" });
        }
        let ends: Vec<PromptEnd> = prompts.iter().map(|prompt| prompt.end).collect();
        let text = ResponseText::new(settings.thinking().start(&ends), &asked.stop);
        let lanes = || prompts.iter().map(|prompt| Lane::new(prompt.ids.clone())).collect();
        let beams = (0..settings.rules()).map(|_| vec![Hypothesis::new(lanes(), text.clone())]).collect();
        Ok(Self {
            request,
            beams,
            width,
            settings,
            prompts: prompts.iter().map(|prompt| (prompt.ids.len(), prompt.truncated)).collect(),
            max_new_tokens: asked.max_new_tokens,
            trace: asked.trace,
            admitted: None,
            asks: 0,
        })
    }

    /// Lets it in: the clock starts, once.
    pub(crate) fn admit(&mut self) {
        self.admitted.get_or_insert_with(Instant::now);
        if self.max_new_tokens == 0 {
            self.beams.iter_mut().flatten().for_each(|it| it.finish = Some(Finish::Length));
        }
    }

    fn lanes(&self) -> impl Iterator<Item = (usize, &Lane)> {
        self.beams.iter().flatten().flat_map(|it| it.voices.iter().map(|voice| &voice.lane).enumerate())
    }

    /// `member`'s lanes, by slot.
    pub(crate) fn lanes_of(&mut self, member: usize) -> impl Iterator<Item = (usize, &mut Lane)> {
        self.beams.iter_mut().flatten().map(move |it| &mut it.voices[member].lane).enumerate()
    }

    /// The members that have something to read.
    pub(crate) fn reading(&self) -> Vec<usize> {
        let mut members: Vec<usize> =
            self.lanes().filter(|(_, lane)| lane.is_reading()).map(|(member, _)| member).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Whether everything is read that it asked for, and it can go on.
    pub(crate) fn is_ready(&self) -> bool {
        !self.is_finished() && !self.lanes().any(|(_, lane)| lane.is_reading())
    }

    /// Whether there is a text for each rule.
    pub(crate) fn is_finished(&self) -> bool {
        self.beams.iter().all(|beam| beam[0].finish.is_some())
    }

    /// Whether somebody may be waiting for its next token.
    pub(crate) fn is_streaming(&self) -> bool {
        self.beams.iter().flatten().any(|it| it.emitted > 0) && !self.is_finished()
    }

    /// Tokens that `member` will hold for it, `ahead` more for each hypothesis than there are.
    pub(crate) fn reserved(&self, member: usize, ahead: usize) -> usize {
        self.size(member) + ahead * self.beams.iter().map(Vec::len).sum::<usize>()
    }

    /// Tokens that `member` is to hold for it now.
    pub(crate) fn size(&self, member: usize) -> usize {
        self.lanes().filter(|(of, _)| *of == member).map(|(_, lane)| lane.length()).sum()
    }

    /// Whether `member` holds anything for it, or is to.
    pub(crate) fn is_at(&self, member: usize) -> bool {
        let mut own = self.lanes().filter(|(of, _)| *of == member);
        own.any(|(_, lane)| lane.sequence().is_some() || lane.is_reading())
    }

    /// What has to be asked before it can go on: all of what members have listed.
    pub(crate) fn missing(&self) -> Vec<Question> {
        let hypotheses = self.beams.iter().flatten().enumerate();
        let of_one = |(slot, hypothesis): (usize, &Hypothesis)| {
            let voices = hypothesis.voices.iter().enumerate();
            let question = |(member, lane): (usize, &Lane)| {
                let index = lane.current()?;
                let view = lane.given().get(index).filter(|view| !Distribution::is_complete(view))?;
                Some(Question { slot, member, index, detail: OwnedDetail::Top(view.rows()) })
            };
            voices.filter_map(|(member, voice)| question((member, &voice.lane))).collect::<Vec<_>>()
        };
        hypotheses.flat_map(of_one).collect()
    }

    /// Something was asked for it.
    pub(crate) fn count_ask(&mut self) {
        self.asks += 1;
    }

    /// Goes on under each rule until members have to read.
    pub(crate) fn advance(&mut self, resources: &mut Resources<'_>) -> Result<(), Trouble> {
        for rule in 0..self.beams.len() {
            while self.beams[rule][0].finish.is_none() && !self.ask(rule) {
                self.go_on(rule, resources)?;
            }
            if self.beams[rule][0].finish.is_some() {
                let settings = Arc::clone(&self.settings);
                self.beams[rule].iter_mut().for_each(|it| it.close(&settings, resources.models));
                self.beams[rule].truncate(1);
            }
        }
        Ok(())
    }

    /// Asks whom it has to before a rule's hypotheses go on; whether anybody.
    fn ask(&mut self, rule: usize) -> bool {
        let mut asks = false;
        for hypothesis in self.beams[rule].iter_mut().filter(|it| it.finish.is_none()) {
            if let Turn::Ask(members) = hypothesis.turn(&self.settings, rule) {
                for member in members {
                    hypothesis.voices[member].lane.want_last();
                }
                asks = true;
            }
        }
        asks
    }

    /// All hypotheses of a rule go on by what members take, and the best of them stay.
    fn go_on(&mut self, rule: usize, resources: &mut Resources<'_>) -> Result<(), Trouble> {
        let settings = Arc::clone(&self.settings);
        let beam = &self.beams[rule];
        let (mut choices, mut finished, mut voted) = (Vec::new(), Vec::new(), Vec::new());
        for (place, hypothesis) in beam.iter().enumerate() {
            if hypothesis.finish.is_some() {
                finished.push((place, hypothesis.score(settings.weights().get())));
                voted.push(false);
                continue;
            }
            let (members, alone) = match hypothesis.turn(&settings, rule) {
                Turn::Together(members) => (members, false),
                Turn::Alone(gate) => (vec![gate], true),
                Turn::Ask(_) => (Vec::new(), false),
            };
            let mut of_members = Vec::new();
            for member in members {
                let mut candidates = hypothesis.candidates(&settings, member);
                if candidates.is_empty() {
                    return Err(stuck(&settings, hypothesis, member).into());
                }
                candidates.truncate(if alone { 1 } else { usize::MAX });
                of_members.push((member, candidates));
            }
            voted.push(!alone);
            choices.push(TupleChoices { place, members: of_members });
        }
        let mut found = best(beam, &choices, finished, &settings, self.width);
        if found.is_empty()
            && let Some(TupleChoices { place, members }) = choices.first()
        {
            // Nothing was agreed on among so many: the member with the most weight leads, and the others follow it.
            let weight = |member: usize| settings.weights().get()[member];
            let leads = members.iter().max_by(|a, b| weight(a.0).total_cmp(&weight(b.0)).then(b.0.cmp(&a.0)));
            let taken = leads.map(|(member, candidates)| (*member, candidates[0])).into_iter().collect();
            found.push(Successor { place: *place, taken });
        }
        let mut before: Vec<Option<Hypothesis>> = std::mem::take(&mut self.beams[rule]).into_iter().map(Some).collect();
        let mut after = Vec::with_capacity(found.len());
        for at in 0..found.len() {
            let Successor { place, taken } = &found[at];
            let again = found[at + 1..].iter().any(|next| next.place == *place);
            let Some(mut hypothesis) = (if again {
                let Some(parent) = &before[*place] else { continue };
                match parent.fork(&settings, resources.models) {
                    Ok(fork) => Some(fork),
                    Err((model, error)) => {
                        self.beams[rule] = after.into_iter().chain(before.into_iter().flatten()).collect();
                        return Err(Trouble::Model(model, error));
                    }
                }
            } else {
                before[*place].take()
            }) else {
                continue;
            };
            // A fork was told nothing yet: what members said is its parent's.
            let views = before[*place].as_ref().unwrap_or(&hypothesis);
            let step = self.step(views, taken, voted[*place]);
            self.take(&mut hypothesis, taken, voted[*place], step);
            after.push(hypothesis);
        }
        before.into_iter().flatten().for_each(|mut left| left.close(&settings, resources.models));
        self.beams[rule] = after;
        self.asks = 0;
        if self.width == 1 {
            self.stream(rule, resources.events);
        }
        Ok(())
    }

    /// A hypothesis goes on by what its members take.
    fn take(&self, hypothesis: &mut Hypothesis, taken: &[(usize, Candidate)], voted: bool, mut step: Step) {
        if taken.is_empty() {
            return;
        }
        let settings = &*self.settings;
        let members = settings.ensemble().members();
        let before = hypothesis.longest().len();
        for (member, candidate) in taken {
            hypothesis.voices[*member].take(*candidate, members[*member].tokenizer.vocabulary());
        }
        let grown = hypothesis.longest()[before..].to_vec();
        let ended =
            hypothesis.voices.iter().all(|voice| voice.ended) || !voted && taken.iter().any(|(_, it)| it.is_end);
        let mut stopped = false;
        if !grown.is_empty() {
            stopped = hypothesis.text.push(&UnionToken::Text(grown.as_slice().into()), settings.thinking());
        }
        if ended {
            hypothesis.text.push(&UnionToken::End, settings.thinking());
        }
        let first = &hypothesis.voices[settings.leads()[0]];
        let is_full = |(voice, seat): (&super::hypothesis::Voice, &crate::ensemble::Seat)| {
            voice.lane.overflows(seat.limits.context)
        };
        hypothesis.finish = if stopped {
            Some(Finish::Stop)
        } else if ended {
            Some(Finish::End)
        } else if first.tokens >= self.max_new_tokens {
            Some(Finish::Length)
        } else if hypothesis.voices.iter().zip(members).any(is_full) {
            Some(Finish::Context)
        } else {
            None
        };
        if !grown.is_empty() || ended {
            hypothesis.emitted += 1;
            hypothesis.ensembled += usize::from(voted);
            step.bytes = grown;
            step.end = ended;
            if self.trace {
                hypothesis.steps.push(step);
            }
        }
    }

    /// What is told of a step in which `taken` is taken.
    fn step(&self, hypothesis: &Hypothesis, taken: &[(usize, Candidate)], voted: bool) -> Step {
        let settings = &*self.settings;
        let (union, weights) = (settings.ensemble().union(), settings.weights().get());
        let gate = settings.lead().member().map(|gate| gate.0);
        let weight = |member: usize| if voted { weights[member] } else { 1.0 };
        let sum: f64 = taken.iter().map(|(member, _)| weight(*member)).sum();
        let log: f64 = taken.iter().map(|(member, it)| weight(*member) * it.log_prob).sum();
        let parts = |member: usize| {
            let own = taken.iter().find(|(of, _)| *of == member);
            own.map(|(_, it)| weight(member) * it.log_prob.exp())
        };
        let all: f64 = (0..weights.len()).filter_map(parts).sum();
        let view = |member: usize| {
            let share = parts(member)?;
            let view = hypothesis.voices[member].view()?;
            let unmapped = crate::vote::member_view::unmapped(union, MemberId(member), view);
            Some(MemberView { top: trace::top(union, MemberId(member), view), share: share / all, unmapped })
        };
        let of_gate = gate.and_then(|gate| taken.iter().find(|(member, _)| *member == gate));
        let token = |(member, it): &(usize, Candidate)| {
            let key = union.projection(MemberId(*member)).key(it.id)?;
            Some(union.token(key).clone())
        };
        Step {
            bytes: Vec::new(),
            end: false,
            ensembled: voted,
            probability: if sum > 0.0 { (log / sum).exp() } else { 0.0 },
            beyond: 0.0,
            runner_up: 0.0,
            asks: self.asks,
            certainty: gate.filter(|_| of_gate.is_some()).and_then(|gate| hypothesis.certainty(settings, gate)),
            proposed: of_gate.and_then(token),
            views: if self.trace { (0..weights.len()).map(view).collect() } else { Vec::new() },
            log_probs: None,
        }
    }

    /// Tells what is sure of the only hypothesis of a rule.
    fn stream(&mut self, rule: usize, events: &mut Vec<SchedulerEvent>) {
        let hypothesis = &mut self.beams[rule][0];
        if hypothesis.finish.is_some() {
            return;
        }
        let bytes = hypothesis.text.stream(self.settings.thinking());
        if !bytes.is_empty() {
            let (request, thinking) = (self.request, hypothesis.text.thinking());
            events.push(SchedulerEvent::Token { request, rule, bytes, thinking, step: None });
        }
    }

    /// Drops its sequences everywhere; what it was about to be told it has to be told again.
    pub(crate) fn close(&mut self, models: &mut [Member]) {
        let settings = Arc::clone(&self.settings);
        self.beams.iter_mut().flatten().for_each(|it| it.close(&settings, models));
    }

    /// Makes room for others: it starts over with what it has.
    pub(crate) fn give_way(&mut self, models: &mut [Member]) {
        let voices = self.beams.iter_mut().flatten().flat_map(|it| &mut it.voices);
        voices.for_each(|voice| voice.lane.want(Vec::new()));
        self.close(models);
    }

    /// Tells what became of it.
    pub(crate) fn tell(self, events: &mut Vec<SchedulerEvent>) {
        let Self { request, settings, beams, prompts, admitted, .. } = self;
        let seconds = admitted.map_or(0.0, |admitted| admitted.elapsed().as_secs_f64());
        for (rule, beam) in beams.into_iter().enumerate() {
            let Some(mut best) = beam.into_iter().next() else { continue };
            let Some(finish) = best.finish else { continue };
            let bytes = best.text.rest();
            let thinking = best.text.thinking();
            if !bytes.is_empty() {
                events.push(SchedulerEvent::Token { request, rule, bytes, thinking, step: None });
            }
            let asked = |(voice, (tokens, _)): (&super::hypothesis::Voice, &(usize, bool))| {
                if voice.tokens > 0 { *tokens } else { 0 }
            };
            let spelled = |(voice, seat): (&super::hypothesis::Voice, &crate::ensemble::Seat)| {
                // Who lagged behind would have written the rest as its tokenizer does.
                let rest = best.text.bytes().get(voice.bytes.len()..).unwrap_or_default();
                let more =
                    std::str::from_utf8(rest).ok().and_then(|rest| seat.tokenizer.encoder().encode_inner(rest).ok());
                let said = voice.tokens - usize::from(voice.ended);
                said + more.map_or(rest.len(), |ids| ids.len()) + usize::from(finish == Finish::End)
            };
            let generation = Generation {
                bytes: best.text.bytes().to_vec(),
                tokens: best.emitted,
                ensembled: best.ensembled,
                prompt_tokens: best.voices.iter().zip(&prompts).map(asked).collect(),
                member_tokens: best.voices.iter().zip(settings.ensemble().members()).map(spelled).collect(),
                truncated: prompts.iter().any(|(_, truncated)| *truncated),
                thinking,
                finish,
                seconds,
                drafts: DraftCounts::default(),
                steps: best.steps,
            };
            events.push(SchedulerEvent::Generated { request, rule, generation });
        }
    }
}

/// Why a member has nothing to take.
fn stuck(settings: &Settings, hypothesis: &Hypothesis, member: usize) -> RequestError {
    let name = settings.ensemble().members()[member].name.clone();
    let missing = &hypothesis.longest()[hypothesis.voices[member].bytes.len()..];
    if missing.is_empty() || !hypothesis.is_usable(settings, member) {
        return RequestError::NoProbabilities { member: name };
    }
    RequestError::Unspellable { member: name, bytes: missing.to_vec() }
}
