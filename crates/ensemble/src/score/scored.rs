//! One continuation in flight.

use gac_inference::Distribution;

use super::continuation::Continuation;
use crate::lanes::lane::Lane;
use crate::member::Member;
use crate::request::{LogLikelihood, RequestId};
use crate::settings::Settings;
use crate::vote::log_probs::{AskedLogProbs, TokenLogProbs};

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

/// Members' views before a token, by place; none of those that were not asked.
pub(crate) type Views<'v> = Vec<Option<&'v Distribution>>;

/// What a continuation has come to.
#[derive(Debug)]
pub(crate) struct Tally {
    /// By rule.
    pub(crate) scores: Vec<LogLikelihood>,
    /// What is to be told of each token beside its score.
    pub(crate) asked: Option<AskedLogProbs>,
    /// What was told, by rule.
    pub(crate) log_probs: Vec<Vec<TokenLogProbs>>,
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

    pub(crate) fn views(&self, place: usize) -> Views<'_> {
        views_at(&self.lanes, &self.views, place)
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
pub(crate) fn views_at<'l>(lanes: &'l [Option<Lane>], views: &[Vec<Option<usize>>], place: usize) -> Views<'l> {
    let view = |(lane, views): (&'l Option<Lane>, &Vec<Option<usize>>)| -> Option<&'l Distribution> {
        lane.as_ref()?.given().get((*views.get(place)?)?)
    };
    lanes.iter().zip(views).map(view).collect()
}
