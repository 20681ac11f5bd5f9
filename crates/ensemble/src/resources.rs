//! What going on takes beside the thing that goes on.

use crate::decode::acceptance::Acceptance;
use crate::event::SchedulerEvent;
use crate::forward_pace::ForwardPace;
use crate::member::Member;
use crate::vocabulary::segmentation::Segmentation;

/// What something in flight goes on with.
pub(crate) struct Resources<'a> {
    pub(crate) models: &'a mut [Member],
    pub(crate) segmentation: &'a mut Segmentation,
    /// How often guesses of this ensemble came true.
    pub(crate) acceptance: &'a mut Acceptance,
    /// How long forwards take, by model.
    pub(crate) paces: &'a [ForwardPace],
    /// How many samples share forwards.
    pub(crate) in_flight: usize,
    pub(crate) events: &'a mut Vec<SchedulerEvent>,
}
