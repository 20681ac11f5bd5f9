//! Generation: samples in flight, and what each emits at a step.

pub(crate) mod draft;
pub(crate) mod sample;
pub(crate) mod step;
pub(crate) mod trace;
