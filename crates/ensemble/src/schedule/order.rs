//! The order in which models read in a step.

use std::collections::BTreeSet;

use crate::schedule::in_flight::InFlight;

/// The models in the order in which they read: a gate before those that may have to be asked about what it says, so
/// that one forward serves all that is asked of a model.
pub(crate) fn stages(in_flight: &[InFlight]) -> Vec<Vec<usize>> {
    let mut left: BTreeSet<usize> = BTreeSet::new();
    let mut before: BTreeSet<(usize, usize)> = BTreeSet::new();
    for item in in_flight {
        let model = |place: usize| item.settings().seat(place).model.0;
        let (asked, later) = item.asked();
        for asked in asked.into_iter().map(model) {
            left.insert(asked);
            for later in later.iter().copied().map(model) {
                left.insert(later);
                before.insert((asked, later));
            }
        }
    }
    let mut stages = Vec::new();
    while let Some(&any) = left.first() {
        let waits = |model: usize| before.iter().any(|&(a, b)| b == model && a != b && left.contains(&a));
        let mut stage: Vec<usize> = left.iter().copied().filter(|&model| !waits(model)).collect();
        if stage.is_empty() {
            // Gates of each other: what the first has to be asked about waits for the next step.
            stage.push(any);
        }
        left.retain(|model| !stage.contains(model));
        stages.push(stage);
    }
    stages
}
