//! Generation: samples in flight, and what each emits at a step.

pub(crate) mod prompt;
pub(crate) mod sample;
pub(crate) mod scheduler;
pub(crate) mod step;
pub(crate) mod trace;
