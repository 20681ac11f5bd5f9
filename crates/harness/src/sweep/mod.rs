//! Thresholds as an axis: every threshold of a gate on a task, at about the price of one run.

mod file;
mod point;
mod run;

pub use file::{SWEEP_FILE, SweepEntry, SweepFile, SweepFileError};
#[cfg(test)]
pub(crate) use point::testing;
pub use point::{StepCosts, SweepPoint, SweepReport, csv};
pub use run::{SweepError, SweepOptions, sweep};
