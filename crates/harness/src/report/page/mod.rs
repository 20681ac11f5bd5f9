//! A run as one self-contained page: no network, no framework, everything from models and data inert.

mod chart;
mod charts;
mod data;
mod render;
mod subjects;

pub use chart::{Axis, Chart, Line, Point, Series};
pub use charts::charts;
pub use render::report;
