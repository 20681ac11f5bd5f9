//! What makes a sample itself: contents of files, never their names, and settings, never a recipe's words for them.

mod data;
mod sample;

pub use data::{DataFiles, DataFilesError, TaskFile, data_files, task_files};
pub use sample::{ResponseIdentity, SampleIdentity};
