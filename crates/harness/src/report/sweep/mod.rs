//! The systems of a run whose gate's thresholds are an axis.

mod curves;
mod thresholds;

pub(super) use curves::{Curve, GenerationCost, Spot, curves, spots};
#[cfg(test)]
pub(super) use thresholds::testing;
pub use thresholds::{Sweep, SweepEntry, SweepPoint};
