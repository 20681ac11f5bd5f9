//! A run as one self-contained page: no network, no framework, everything from models and data inert.

mod chart;
mod charts;
mod cost;
mod data;
mod gated;
mod history;
mod render;
mod skeleton;
mod subjects;
mod sweep;

pub use chart::{Axis, Chart, Line, Point, Series};
pub use charts::charts;
pub use history::history_charts;
pub use render::{ReportError, report};
pub use sweep::sweep_charts;
