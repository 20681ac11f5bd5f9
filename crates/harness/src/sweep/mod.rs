//! Thresholds as an axis: every threshold of a gate on a task, at about the price of one run.

mod point;
mod run;

pub use point::{StepCosts, SweepPoint, SweepReport, csv};
pub use run::{SweepError, SweepOptions, sweep};
