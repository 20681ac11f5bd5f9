//! Data sets: where their files are and what their rows are.

mod dataset;
mod error;
mod fetch;
mod files;
mod hub;
mod local;
mod manifest;
mod parquet;
mod source;
mod verify;

pub use dataset::Dataset;
pub use error::DataError;
pub use fetch::{NeededFile, Needs, Standing};
pub use manifest::{DataManifest, DatasetEntry, FileEntry, RebuiltFile, SourceEntry, SourceFile};
pub use parquet::{Row, read as read_parquet};
pub use source::DataSource;
pub use verify::FileState;
