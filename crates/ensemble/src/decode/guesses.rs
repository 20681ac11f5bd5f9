//! What is guessed of a sample.

use std::collections::VecDeque;

use crate::decode::acceptance::{Acceptance, GuessSource};
use crate::decode::lookup::repeat;
use crate::drafting::{DraftLength, Drafting, Proposer};
use crate::member::MemberId;
use crate::request::DraftCounts;
use crate::vocabulary::union::UnionId;

/// What is guessed of a sample.
#[derive(Clone, Debug)]
pub(crate) struct Guesses {
    drafting: Drafting,
    /// Its prompt as the first lead reads it, and what was emitted.
    said: Vec<UnionId>,
    /// What is thought to come next.
    pub(crate) next: VecDeque<UnionId>,
    /// How many of these the leads have read.
    pub(crate) read: usize,
    /// What they go by.
    source: GuessSource,
    /// How many are wanted of a member that goes on alone.
    pub(crate) wanted: usize,
    /// Whether there is room to read ahead.
    pub(crate) has_room: bool,
    pub(crate) counts: DraftCounts,
}

impl Guesses {
    pub(crate) fn new(drafting: Drafting, prompt: Vec<UnionId>) -> Self {
        Self {
            drafting,
            said: prompt,
            next: VecDeque::new(),
            read: 0,
            source: GuessSource::Member,
            wanted: 0,
            has_room: true,
            counts: DraftCounts::default(),
        }
    }

    /// A token was emitted.
    pub(crate) fn follow(&mut self, token: UnionId, acceptance: &mut Acceptance) {
        self.said.push(token);
        let Some(guess) = self.next.pop_front() else { return };
        let came_true = guess == token;
        acceptance.count(self.source, came_true);
        if came_true {
            self.counts.accepted += usize::from(self.read > 0);
            self.read = self.read.saturating_sub(1);
        } else {
            self.next.clear();
            self.read = 0;
        }
    }

    /// Who proposes.
    pub(crate) fn proposer(&self) -> Proposer {
        self.drafting.by
    }

    /// The member that goes on alone, where one does.
    pub(crate) fn member(&self) -> Option<MemberId> {
        match self.drafting.by {
            Proposer::Member(member) => Some(member),
            Proposer::Prompt | Proposer::Drafter => None,
        }
    }

    /// Nothing is guessed any more: how many tokens a member or a drafter is to guess alone, where one of its forwards takes
    /// the part `alone` of a step's (none: that is unknown).
    pub(crate) fn begin_alone(&mut self, acceptance: &mut Acceptance, alone: Option<f64>, in_flight: usize) -> usize {
        self.next.clear();
        self.read = 0;
        self.source = if self.drafting.by == Proposer::Drafter { GuessSource::Drafter } else { GuessSource::Member };
        let most = match (self.drafting.length, self.source, alone) {
            (DraftLength::Tokens(tokens), ..) => tokens,
            (DraftLength::Auto, source, Some(alone)) => acceptance.worth_alone(source, alone, in_flight),
            // What nobody has asked yet is asked once, to know.
            (DraftLength::Auto, GuessSource::Drafter, None) => 1,
            (DraftLength::Auto, _, None) => 0,
        };
        if most == 0 && self.source == GuessSource::Drafter {
            acceptance.not_asked();
        }
        if self.has_room { most } else { 0 }
    }

    /// What a member would say next is watched, where nothing is guessed: whether it comes true costs nothing to find out.
    pub(crate) fn watch(&mut self, token: UnionId) {
        if self.next.is_empty() {
            self.source = GuessSource::Member;
            self.next.push_back(token);
        }
    }

    /// Looks for what may come next: how many tokens of it are to be read where so many samples are `in_flight`.
    pub(crate) fn look(&mut self, acceptance: &Acceptance, in_flight: usize) -> usize {
        self.next.clear();
        self.read = 0;
        let Some((at, ending)) = repeat(&self.said) else { return 0 };
        self.source = GuessSource::Repeat(ending);
        let most = match self.drafting.length {
            DraftLength::Auto => acceptance.worth(ending, in_flight),
            DraftLength::Tokens(tokens) => tokens,
        };
        // Behind what was said, it is thought to repeat itself again. The first is watched even where it is not worth
        // reading.
        self.next = self.said[at..].iter().cycle().copied().take(most.max(1)).collect();
        if self.has_room { most.min(self.next.len()) } else { 0 }
    }
}
