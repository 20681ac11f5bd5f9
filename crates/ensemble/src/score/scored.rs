//! One continuation in flight.

use gac_inference::Distribution;

use super::continuation::Continuation;
use super::scoring;
use super::tally::{Tally, Views};
use crate::error::RequestError;
use crate::event::SchedulerEvent;
use crate::lanes::lane::Lane;
use crate::lanes::question::Question;
use crate::member::Member;
use crate::request::RequestId;
use crate::resources::Resources;
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;
use crate::vote::log_probs::AskedLogProbs;
use crate::vote::weights::Weights;

/// One continuation on its way to a [`LogLikelihood`].
#[derive(Debug)]
pub(crate) struct Scored {
    pub(crate) request: RequestId,
    pub(crate) choice: Continuation,
    pub(crate) tally: Tally,
    /// By member: context and continuation, once it is asked about more than the first token.
    pub(crate) lanes: Vec<Option<Lane>>,
    /// The next token to score.
    pub(crate) next: usize,
    /// How many are being scored.
    pub(crate) piece: usize,
    /// `[member][token of the piece]`: which view of the lane stands before it; none where it is not asked.
    pub(crate) views: Vec<Vec<Option<usize>>>,
}

impl Scored {
    /// A continuation of which nothing is scored yet.
    pub(crate) fn new(
        request: RequestId,
        choice: Continuation,
        asked: Option<AskedLogProbs>,
        rules: usize,
        members: usize,
    ) -> Self {
        Self {
            request,
            tally: Tally { scores: vec![choice.nothing_scored(); rules], asked, log_probs: vec![Vec::new(); rules] },
            choice,
            lanes: (0..members).map(|_| None).collect(),
            next: 0,
            piece: 0,
            views: vec![Vec::new(); members],
        }
    }

    /// Asks `member` about some `tokens` of the piece.
    pub(crate) fn ask(&mut self, member: usize, tokens: &[usize]) {
        let Self { choice, lanes, next, piece, views, .. } = self;
        let Some(_) = tokens.first() else { return };
        let context = &choice.context.ids[member];
        let lane = lanes[member].get_or_insert_with(|| {
            let tokens = context.iter().chain(&choice.fed[member]).copied().collect();
            Lane::new(tokens).in_pass(choice.pass(member))
        });
        let length = |token: &usize| context.len() + choice.before[member][*next + token];
        // Tokens that it reads nothing between share a view.
        let mut marks: Vec<usize> = tokens.iter().map(length).collect();
        marks.dedup();
        views[member] = vec![None; *piece];
        for token in tokens {
            views[member][*token] = marks.binary_search(&length(token)).ok();
        }
        lane.want(marks);
    }

    fn views(&self, place: usize) -> Views<'_> {
        views_at(&self.lanes, &self.views, place)
    }

    /// What has to be asked before its piece can be scored, where it is at `slot` of its group: of the gate first, where
    /// there is a `gate` to decide.
    pub(crate) fn questions(
        &self,
        slot: usize,
        gate: bool,
        settings: &Settings,
        weights: &Weights,
        segmentation: &mut Segmentation,
    ) -> Vec<Question> {
        let mut questions = Vec::new();
        for place in 0..self.piece {
            let views = self.views(place);
            let mut missing = if gate { scoring::missing_of_gate(settings, &views) } else { Vec::new() };
            if self.tally.asked.is_some() && missing.is_empty() {
                missing = scoring::everything(&views);
            } else if missing.is_empty() {
                missing = scoring::missing(settings, &self.choice, self.next + place, &views, weights, segmentation);
            }
            let indices: Vec<Option<usize>> = self.views.iter().map(|of| *of.get(place)?).collect();
            questions.extend(Question::of(missing, slot, &indices));
        }
        questions
    }

    /// Asks the supporters about the key tokens of its piece; whether there are any.
    pub(crate) fn ask_supporters(&mut self, settings: &Settings, supporters: &[usize]) -> bool {
        let key = |place: &usize| scoring::votes(settings, &self.views(*place)).contains(&true);
        let keys: Vec<usize> = (0..self.piece).filter(key).collect();
        if keys.is_empty() {
            return false;
        }
        for &supporter in supporters {
            self.ask(supporter, &keys);
        }
        true
    }

    /// Scores its next token by what members said before it.
    pub(crate) fn score(
        &mut self,
        settings: &Settings,
        views: &Views<'_>,
        weights: &Weights,
        resources: &mut Resources<'_>,
    ) {
        let Self { tally, choice, next, .. } = self;
        let added = scoring::add(settings, tally, choice, *next, views, weights, resources.segmentation);
        self.count(added, resources.events);
    }

    /// Scores its piece.
    pub(crate) fn score_piece(&mut self, settings: &Settings, weights: &Weights, resources: &mut Resources<'_>) {
        for place in 0..std::mem::take(&mut self.piece) {
            let Self { choice, lanes, views, tally, next, .. } = self;
            let views: Views<'_> = views_at(lanes, views, place);
            let added = scoring::add(settings, tally, choice, *next, &views, weights, resources.segmentation);
            self.count(added, resources.events);
            if self.has_failed() {
                break;
            }
        }
        for (lane, views) in self.lanes.iter_mut().zip(&mut self.views) {
            views.clear();
            if let Some(lane) = lane {
                lane.take_given();
            }
        }
    }

    /// Goes on behind a token, or ends with its error.
    fn count(&mut self, added: Result<(), RequestError>, events: &mut Vec<SchedulerEvent>) {
        match added {
            Ok(()) => self.next += 1,
            Err(error) => {
                events.push(SchedulerEvent::Failed { request: self.request, error });
                self.next = usize::MAX;
            }
        }
    }

    fn has_failed(&self) -> bool {
        self.next == usize::MAX
    }

    /// Tells its scores, unless it has failed.
    pub(crate) fn tell(self, events: &mut Vec<SchedulerEvent>) {
        if self.has_failed() {
            return;
        }
        let request = self.request;
        let Tally { scores, log_probs, .. } = self.tally;
        for (rule, (score, log_probs)) in scores.into_iter().zip(log_probs).enumerate() {
            events.push(SchedulerEvent::Scored { request, rule, score, log_probs });
        }
    }

    pub(crate) fn close(&mut self, settings: &Settings, models: &mut [Member]) {
        for (lane, member) in self.lanes.iter_mut().zip(settings.ensemble().members()) {
            if let Some(lane) = lane {
                lane.close(&mut *models[member.model.0].model);
            }
        }
    }
}

/// What members said before the token at `place` of a piece.
fn views_at<'l>(lanes: &'l [Option<Lane>], views: &[Vec<Option<usize>>], place: usize) -> Views<'l> {
    let view = |(lane, views): (&'l Option<Lane>, &Vec<Option<usize>>)| -> Option<&'l Distribution> {
        lane.as_ref()?.given().get((*views.get(place)?)?)
    };
    lanes.iter().zip(views).map(view).collect()
}
