//! Generation: samples in flight, and what each emits at a step.

pub(crate) mod acceptance;
pub(crate) mod ballot;
pub(crate) mod branch;
pub(crate) mod draft;
pub(crate) mod draft_lane;
pub(crate) mod emission;
mod generations;
pub(crate) mod guess;
pub(crate) mod guesses;
pub(crate) mod lookup;
pub(crate) mod propose;
pub(crate) mod response_text;
pub(crate) mod sample;
pub(crate) mod step;
pub(crate) mod stop;
pub(crate) mod trace;
pub(crate) mod verify;
