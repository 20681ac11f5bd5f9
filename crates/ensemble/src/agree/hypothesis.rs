//! One text that members may agree on, as far as each has come.

use gac_inference::{Distribution, TokenId, Vocabulary};

use crate::decode::response_text::ResponseText;
use crate::lanes::lane::Lane;
use crate::member::{Member, MemberId};
use crate::request::{Finish, Step};
use crate::settings::Settings;
use crate::vote::member_view::top;

/// Most tokens of a member that a tuple may be made of.
const CANDIDATES: usize = 256;

/// One member's part of a hypothesis.
#[derive(Debug)]
pub(super) struct Voice {
    pub(super) lane: Lane,
    /// What it has said.
    pub(super) bytes: Vec<u8>,
    /// Of all its tokens together, natural logarithm.
    log_prob: f64,
    /// Its tokens, END included.
    pub(super) tokens: usize,
    /// Whether it has said END.
    pub(super) ended: bool,
}

/// A token that a member may take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Candidate {
    pub(super) id: TokenId,
    pub(super) log_prob: f64,
    pub(super) is_end: bool,
}

impl Voice {
    pub(super) fn new(lane: Lane) -> Self {
        Self { lane, bytes: Vec::new(), log_prob: 0.0, tokens: 0, ended: false }
    }

    /// What comes next, if it was asked.
    pub(super) fn view(&self) -> Option<&Distribution> {
        self.lane.current().map(|index| &self.lane.given()[index])
    }

    /// Its mean log-probability, with a token of `more` where there is one.
    pub(super) fn mean(&self, more: Option<f64>) -> f64 {
        let tokens = self.tokens + usize::from(more.is_some());
        if tokens == 0 { 0.0 } else { (self.log_prob + more.unwrap_or(0.0)) / tokens as f64 }
    }

    /// Takes a token.
    pub(super) fn take(&mut self, candidate: Candidate, vocabulary: &Vocabulary) {
        self.log_prob += candidate.log_prob;
        self.tokens += 1;
        if candidate.is_end {
            self.ended = true;
        } else {
            self.lane.push(&[candidate.id]);
            self.bytes.extend_from_slice(vocabulary.bytes(candidate.id));
        }
    }

    fn fork(&self, member: &mut Member) -> Result<Self, gac_inference::ModelError> {
        let Self { lane, bytes, log_prob, tokens, ended } = self;
        let lane = lane.fork(&mut *member.model)?;
        Ok(Self { lane, bytes: bytes.clone(), log_prob: *log_prob, tokens: *tokens, ended: *ended })
    }
}

/// What a hypothesis goes on by.
#[derive(Debug, PartialEq)]
pub(super) enum Turn {
    /// These members have to be asked first.
    Ask(Vec<usize>),
    /// The gate takes its own token, of which it is sure.
    Alone(usize),
    /// These members take a token each.
    Together(Vec<usize>),
}

/// One text that members may agree on.
#[derive(Debug)]
pub(super) struct Hypothesis {
    pub(super) voices: Vec<Voice>,
    pub(super) text: ResponseText,
    pub(super) finish: Option<Finish>,
    /// Steps at which the text grew or ended, and those at which several members took part.
    pub(super) emitted: usize,
    pub(super) ensembled: usize,
    pub(super) steps: Vec<Step>,
}

impl Hypothesis {
    pub(super) fn new(lanes: Vec<Lane>, text: ResponseText) -> Self {
        let voices = lanes.into_iter().map(Voice::new).collect();
        Self { voices, text, finish: None, emitted: 0, ensembled: 0, steps: Vec::new() }
    }

    /// The same once more, with sequences that share what was computed.
    pub(super) fn fork(
        &self,
        settings: &Settings,
        models: &mut [Member],
    ) -> Result<Self, (usize, gac_inference::ModelError)> {
        let mut voices: Vec<Voice> = Vec::with_capacity(self.voices.len());
        for (voice, seat) in self.voices.iter().zip(settings.ensemble().members()) {
            match voice.fork(&mut models[seat.model.0]) {
                Ok(fork) => voices.push(fork),
                Err(error) => {
                    for (voice, seat) in voices.iter_mut().zip(settings.ensemble().members()) {
                        voice.lane.close(&mut *models[seat.model.0].model);
                    }
                    return Err((seat.model.0, error));
                }
            }
        }
        let Self { text, finish, emitted, ensembled, steps, .. } = self;
        let (text, steps) = (text.clone(), steps.clone());
        Ok(Self { voices, text, finish: *finish, emitted: *emitted, ensembled: *ensembled, steps })
    }

    /// The string that all others are prefixes of.
    pub(super) fn longest(&self) -> &[u8] {
        let longest = self.voices.iter().map(|voice| &voice.bytes).max_by_key(|bytes| bytes.len());
        longest.map_or(&[], |bytes| bytes)
    }

    /// The weighted sum of the members' mean log-probabilities.
    pub(super) fn score(&self, weights: &[f64]) -> f64 {
        self.voices.iter().zip(weights).map(|(voice, weight)| weight * voice.mean(None)).sum()
    }

    /// Whose turn it is, under rule `rule`.
    pub(super) fn turn(&self, settings: &Settings, rule: usize) -> Turn {
        let length = self.longest().len();
        let is_asked = |&member: &usize| self.voices[member].view().is_none();
        let somebody_ended = self.voices.iter().any(|voice| voice.ended);
        if let Some(MemberId(gate)) = settings.lead().member()
            && self.voices[gate].bytes.len() == length
            && !somebody_ended
        {
            let Some(certainty) = self.certainty(settings, gate) else { return Turn::Ask(vec![gate]) };
            if !settings.lead().votes(rule, certainty) {
                return Turn::Alone(gate);
            }
        }
        let members = 0..self.voices.len();
        let lag = |&member: &usize| !self.voices[member].ended && self.voices[member].bytes.len() < length;
        let mut active: Vec<usize> = members.clone().filter(lag).collect();
        if active.is_empty() {
            active = members.filter(|&member| !self.voices[member].ended).collect();
        }
        let unknown: Vec<usize> = active.iter().copied().filter(is_asked).collect();
        if unknown.is_empty() { Turn::Together(active) } else { Turn::Ask(unknown) }
    }

    /// How sure the gate is, if it was asked.
    pub(super) fn certainty(&self, settings: &Settings, gate: usize) -> Option<f64> {
        let (union, view) = (settings.ensemble().union(), self.voices[gate].view()?);
        Some(settings.lead().certainty().of(union, MemberId(gate), view))
    }

    /// The tokens that `member` may take, most probable first: along the longest string, or from its end on.
    pub(super) fn candidates(&self, settings: &Settings, member: usize) -> Vec<Candidate> {
        let (voice, longest) = (&self.voices[member], self.longest());
        let Some(view) = voice.view() else { return Vec::new() };
        let seat = &settings.ensemble().members()[member];
        let (vocabulary, union) = (seat.tokenizer.vocabulary(), settings.ensemble().union());
        let missing = &longest[voice.bytes.len()..];
        let is_final = self.voices.iter().any(|voice| voice.ended);
        let allowed = |id: TokenId| {
            if vocabulary.is_end(id) {
                return missing.is_empty();
            }
            let bytes = vocabulary.bytes(id);
            // A text that somebody has ended goes no further.
            let beyond = !is_final && bytes.starts_with(missing);
            union.projection(MemberId(member)).key(id).is_some()
                && !bytes.is_empty()
                && (missing.starts_with(bytes) || beyond)
        };
        let candidate =
            |(id, _): (TokenId, f64)| Candidate { id, log_prob: view.log_prob(id), is_end: vocabulary.is_end(id) };
        view.most_probable(CANDIDATES, allowed)
            .into_iter()
            .map(candidate)
            .filter(|it| it.log_prob.is_finite())
            .collect()
    }

    /// Whether all strings are prefixes of the longest when the members of `taken` take that: nobody goes beyond an end.
    pub(super) fn agrees(&self, settings: &Settings, taken: &[(usize, Candidate)]) -> bool {
        let members = settings.ensemble().members();
        let said = |member: usize| -> (Vec<u8>, bool) {
            let voice = &self.voices[member];
            match taken.iter().find(|(of, _)| *of == member) {
                Some((_, candidate)) if !candidate.is_end => {
                    let more = members[member].tokenizer.vocabulary().bytes(candidate.id);
                    ([&voice.bytes[..], more].concat(), false)
                }
                Some(_) => (voice.bytes.clone(), true),
                None => (voice.bytes.clone(), voice.ended),
            }
        };
        let all: Vec<(Vec<u8>, bool)> = (0..self.voices.len()).map(said).collect();
        let Some(longest) = all.iter().map(|(bytes, _)| bytes).max_by_key(|bytes| bytes.len()) else { return true };
        all.iter().all(|(bytes, ended)| longest.starts_with(bytes) && (!ended || bytes.len() == longest.len()))
    }

    /// A member's own most probable token's probability; not a number, or 0, where its distribution is of no use.
    pub(super) fn is_usable(&self, settings: &Settings, member: usize) -> bool {
        let union = settings.ensemble().union();
        self.voices[member].view().is_some_and(|view| top(union, MemberId(member), view).1 > 0.0)
    }

    pub(super) fn close(&mut self, settings: &Settings, models: &mut [Member]) {
        for (voice, seat) in self.voices.iter_mut().zip(settings.ensemble().members()) {
            voice.lane.close(&mut *models[seat.model.0].model);
        }
    }
}
