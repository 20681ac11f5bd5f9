//! Data sets: where their files are and what their rows are.

mod error;
mod files;
mod hub;
mod parquet;
mod source;

pub use error::DataError;
pub use parquet::{Row, read as read_parquet};
pub use source::{DataSource, Dataset};
