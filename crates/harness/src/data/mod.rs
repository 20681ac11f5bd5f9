//! Data sets: where their files are and what their rows are.

mod error;
mod files;
mod hub;
mod parquet;
mod source;

pub use error::DataError;
pub use parquet::Row;
pub use source::{DataSource, Dataset};
