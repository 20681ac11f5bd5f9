//! A run as frames: what its tables, comparisons by subject and exports are worked out from.
//!
//! [`samples`] has a row per sample, [`aggregates`] a row per task, group and subject of a system, and
//! [`scores`](crate::report::scores) a row per system and task of a leaderboard. All of them are tidy: one observation per
//! row, so that a notebook filters, groups and pivots them as it likes.

mod aggregates;
mod by_subject;
mod grid;
mod parquet;
mod samples;

pub use aggregates::aggregates;
pub use by_subject::by_subject;
pub use parquet::{ParquetError, write_parquet};
pub use samples::samples;

pub(crate) use grid::{Estimates, grid};

pub use polars::prelude::DataFrame;
use polars::prelude::PolarsError;

/// A frame cannot be worked out.
#[derive(Debug, thiserror::Error)]
#[error("failed to work out a table")]
pub struct FrameError(#[from] PolarsError);
