//! The systems of a run whose gate's thresholds are an axis.

mod curves;
mod points;

pub(super) use curves::{Cost, Curve, Spot, curves, spots};
#[cfg(test)]
pub(super) use points::testing;
pub use points::{Sweep, SweepEntry, SweepPoint};
