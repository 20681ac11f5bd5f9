//! More that is to be known of what a member said.

use crate::vote::undecided::{MissingDetail, OwnedDetail};

/// A question about one view of one lane of something in flight.
#[derive(Debug)]
pub(crate) struct Question {
    /// Which of its lanes, of those that the member has.
    pub(crate) slot: usize,
    /// The member's place.
    pub(crate) member: usize,
    /// Which of the lane's views.
    pub(crate) index: usize,
    pub(crate) detail: OwnedDetail,
}

impl Question {
    /// What a vote is missing, where member m's view is `views[m]` of its lane.
    pub(crate) fn of(missing: Vec<MissingDetail>, slot: usize, views: &[Option<usize>]) -> Vec<Self> {
        let question = |MissingDetail { member, detail }: MissingDetail| {
            Some(Self { slot, member: member.0, index: views[member.0]?, detail })
        };
        missing.into_iter().filter_map(question).collect()
    }
}
