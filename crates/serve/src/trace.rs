//! A trace's steps: who decided a token, how sure the gate was, what each member thought.

use gac_ensemble::Step;
use gac_systems::{Decider, StepRecord};
use serde::Serialize;
use serde_json::{Value, json};

/// A step as every trace has it, and who decided it.
#[derive(Serialize)]
struct TracedStep {
    #[serde(flatten)]
    record: StepRecord,
    decider: Decider,
}

/// One step.
pub(crate) fn step(step: &Step) -> Value {
    let record = StepRecord::from(step);
    json!(TracedStep { decider: record.decider(), record })
}
