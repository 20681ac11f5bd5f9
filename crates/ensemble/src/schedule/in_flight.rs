//! A sample or the continuations of a context, as something that members read for.

use std::sync::Arc;

use gac_inference::{LanguageModel, ModelError};

use crate::agree::search::AgreementSearch;
use crate::decode::guess;
use crate::decode::sample::Sample;
use crate::decode::step;
use crate::error::Trouble;
use crate::event::SchedulerEvent;
use crate::lanes::lane::Lane;
use crate::lanes::question::Question;
use crate::member::Member;
use crate::request::RequestId;
use crate::resources::Resources;
use crate::score::group::ContextGroup;
use crate::score::scoring;
use crate::settings::Settings;
use crate::vocabulary::segmentation::Segmentation;

/// Union tokens that room is kept for ahead of what a sample holds.
const AHEAD: usize = 16;

/// Something that members read for.
#[derive(Debug)]
pub(crate) enum InFlight {
    Sample(Box<Sample>),
    Search(Box<AgreementSearch>),
    Group(Box<ContextGroup>),
}

impl InFlight {
    pub(crate) fn settings(&self) -> &Arc<Settings> {
        match self {
            Self::Sample(sample) => &sample.settings,
            Self::Search(search) => &search.settings,
            Self::Group(group) => &group.settings,
        }
    }

    /// How many samples it counts as.
    pub(crate) fn weight(&self) -> usize {
        match self {
            Self::Sample(_) | Self::Search(_) => 1,
            Self::Group(group) => group.weight(),
        }
    }

    /// How many samples more it counts as with `other`, which joins it.
    pub(crate) fn more_weight(&self, other: &Self) -> usize {
        match (self, other) {
            (Self::Group(group), Self::Group(other)) => group.more_weight(other),
            _ => other.weight(),
        }
    }

    /// Whether it is to be scored.
    pub(crate) fn is_scored(&self) -> bool {
        matches!(self, Self::Group(_))
    }

    /// Whether `other` can join it.
    pub(crate) fn takes(&self, other: &Self, models: &[Member]) -> bool {
        matches!((self, other), (Self::Group(group), Self::Group(other)) if group.is_of(other, models))
    }

    /// Takes what `other` is to do as well.
    pub(crate) fn join(&mut self, other: Self) {
        if let (Self::Group(group), Self::Group(other)) = (self, other) {
            group.join(*other);
        }
    }

    /// Is told whether more is going to join it.
    pub(crate) fn expect(&mut self, more: bool) {
        if let Self::Group(group) = self {
            group.more = more;
        }
    }

    /// Tokens that room is kept for at `model`.
    pub(crate) fn reserved_at(&self, model: usize) -> usize {
        self.members_at(model)
            .map(|member| match self {
                Self::Sample(sample) => sample.reserved(member, AHEAD),
                Self::Search(search) => search.reserved(member, AHEAD),
                Self::Group(group) => group.reserved(member),
            })
            .sum()
    }

    /// Tokens that `model` is to hold for it now.
    pub(crate) fn size_at(&self, model: usize) -> usize {
        self.members_at(model)
            .map(|member| match self {
                Self::Sample(sample) => sample.lane(member).length(),
                Self::Search(search) => search.size(member),
                Self::Group(group) => group.reserved(member),
            })
            .sum()
    }

    /// The places of the members that are `model`; that of a drafter, where it is `model`, behind them.
    pub(crate) fn members_at(&self, model: usize) -> impl Iterator<Item = usize> {
        let drafter = match self {
            Self::Sample(sample) => sample.drafter.as_ref().map(|drafting| drafting.drafter.seat.model),
            Self::Search(_) | Self::Group(_) => None,
        };
        let models = self.settings().ensemble().models().chain(drafter).enumerate();
        models.filter(move |(_, of)| of.0 == model).map(|(member, _)| member)
    }

    /// Whether `model` holds anything for it, or is to.
    pub(crate) fn is_at(&self, model: usize) -> bool {
        self.members_at(model).any(|member| match self {
            Self::Sample(sample) => {
                let lane = sample.lane(member);
                lane.sequence().is_some() || lane.is_reading()
            }
            Self::Search(search) => search.is_at(member),
            Self::Group(group) => group.is_reading(member) || group.holds(member),
        })
    }

    pub(crate) fn admit(&mut self) {
        match self {
            Self::Sample(sample) => sample.admit(),
            Self::Search(search) => search.admit(),
            Self::Group(group) => group.admit(),
        }
    }

    /// Whether somebody may be waiting for its next token.
    pub(crate) fn is_streaming(&self) -> bool {
        match self {
            Self::Sample(sample) => sample.emitted > 0 && !sample.is_finished(),
            Self::Search(search) => search.is_streaming(),
            Self::Group(_) => false,
        }
    }

    pub(crate) fn is_finished(&self) -> bool {
        match self {
            Self::Sample(sample) => sample.is_finished(),
            Self::Search(search) => search.is_finished(),
            Self::Group(group) => group.is_empty() && !group.more,
        }
    }

    /// Distributions beside those for the next tokens of samples that it was promised and has not used yet.
    pub(crate) fn promised(&self) -> usize {
        match self {
            Self::Sample(sample) => sample.promised(),
            Self::Search(_) => 0,
            Self::Group(group) => group.promised(),
        }
    }

    /// Asks for what it needs many distributions for, at most `room` of each member.
    pub(crate) fn plan(&mut self, room: usize) {
        match self {
            Self::Sample(sample) => sample.plan(room),
            Self::Search(_) => {}
            Self::Group(group) => group.plan(room),
        }
    }

    /// Whether everything is read that it asked for, and it can go on.
    pub(crate) fn is_ready(&self) -> bool {
        match self {
            Self::Sample(sample) => sample.is_ready(),
            Self::Search(search) => search.is_ready(),
            Self::Group(group) => group.is_ready(),
        }
    }

    /// The members that are asked now, and those that may be asked in the same step after them.
    pub(crate) fn asked(&self) -> (Vec<usize>, &[usize]) {
        match self {
            Self::Sample(sample) => {
                let may_consult = sample.may_consult();
                let places = 0..sample.lanes.len() + usize::from(sample.drafter.is_some());
                let reading = places.filter(|&place| sample.lane(place).is_reading());
                (reading.collect(), if may_consult { sample.settings.supporters() } else { &[] })
            }
            Self::Search(search) => (search.reading(), &[]),
            Self::Group(group) => {
                let members = group.settings.ensemble().members().len();
                let reading = (0..members).filter(|&member| group.is_reading(member));
                (reading.collect(), if group.may_consult() { scoring::supporters(&group.settings) } else { &[] })
            }
        }
    }

    /// `member`'s lanes that have something to read, each with its slot.
    pub(crate) fn lanes(
        &mut self,
        member: usize,
        model: &mut dyn LanguageModel,
    ) -> Result<Vec<(usize, &mut Lane)>, ModelError> {
        match self {
            Self::Sample(sample) => {
                let lane = sample.lane_mut(member);
                Ok(if lane.is_reading() { vec![(0, lane)] } else { Vec::new() })
            }
            Self::Search(search) => Ok(search.lanes_of(member).filter(|(_, lane)| lane.is_reading()).collect()),
            Self::Group(group) => group.lanes(member, model),
        }
    }

    pub(crate) fn lane(&mut self, member: usize, slot: usize) -> Option<&mut Lane> {
        match self {
            Self::Sample(sample) => Some(sample.lane_mut(member)),
            Self::Search(search) => search.lanes_of(member).nth(slot).map(|(_, lane)| lane),
            Self::Group(group) => group.lane(member, slot),
        }
    }

    /// What has to be asked before it can go on.
    pub(crate) fn missing(&self, segmentation: &mut Segmentation) -> Vec<Question> {
        match self {
            Self::Sample(sample) => step::missing(sample, segmentation),
            Self::Search(search) => search.missing(),
            Self::Group(group) => group.missing(segmentation),
        }
    }

    /// Something was asked for it.
    pub(crate) fn count_ask(&mut self) {
        match self {
            Self::Sample(sample) => sample.asks += 1,
            Self::Search(search) => search.count_ask(),
            Self::Group(_) => {}
        }
    }

    /// Goes on when it is ready; what parts from it is given.
    pub(crate) fn advance(&mut self, resources: &mut Resources<'_>) -> Result<Option<Self>, Trouble> {
        match self {
            Self::Sample(sample) => Ok(step::advance(sample, resources)?.map(|other| Self::Sample(Box::new(other)))),
            Self::Search(search) => search.advance(resources).map(|()| None),
            Self::Group(group) => {
                group.advance(resources);
                Ok(None)
            }
        }
    }

    /// Drops its sequences everywhere.
    pub(crate) fn close(&mut self, models: &mut [Member]) {
        match self {
            Self::Sample(sample) => sample.close(models),
            Self::Search(search) => search.close(models),
            Self::Group(group) => group.close(models),
        }
    }

    /// Makes room for others: what it holds it reads again later.
    pub(crate) fn give_way(&mut self, models: &mut [Member]) {
        match self {
            Self::Sample(sample) => sample.give_way(models),
            Self::Search(search) => search.give_way(models),
            Self::Group(group) => group.give_way(models),
        }
    }

    /// Makes room by forgetting what was read ahead; whether it could.
    pub(crate) fn forget_guesses(&mut self) -> bool {
        match self {
            Self::Sample(sample) => guess::forget(sample),
            Self::Search(_) | Self::Group(_) => false,
        }
    }

    /// Makes itself smaller where it does not fit a cache by itself; whether it could.
    pub(crate) fn narrow(&mut self, models: &mut [Member]) -> bool {
        match self {
            Self::Sample(_) | Self::Search(_) => false,
            Self::Group(group) => group.narrow(models),
        }
    }

    /// Its requests.
    pub(crate) fn requests(&self) -> Vec<RequestId> {
        match self {
            Self::Sample(sample) => vec![sample.request],
            Self::Search(search) => vec![search.request],
            Self::Group(group) => group.requests().collect(),
        }
    }

    /// Takes out a request that is no longer wanted; whether anything is left to do then.
    pub(crate) fn cancel(&mut self, request: RequestId, models: &mut [Member]) -> Cancelled {
        match self {
            Self::Sample(sample) if sample.request == request => {
                sample.close(models);
                Cancelled::Whole
            }
            Self::Search(search) if search.request == request => {
                search.close(models);
                Cancelled::Whole
            }
            Self::Sample(_) | Self::Search(_) => Cancelled::Nothing,
            Self::Group(group) => {
                if !group.cancel(request, models) {
                    return Cancelled::Nothing;
                }
                if group.is_empty() {
                    group.close(models);
                    return Cancelled::Whole;
                }
                Cancelled::Part
            }
        }
    }

    /// Tells what became of it.
    pub(crate) fn tell(self, events: &mut Vec<SchedulerEvent>) {
        match self {
            Self::Sample(sample) => sample.tell(events),
            Self::Search(search) => search.tell(events),
            Self::Group(_) => {}
        }
    }
}

/// What a cancellation has taken out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cancelled {
    Nothing,
    Part,
    Whole,
}
