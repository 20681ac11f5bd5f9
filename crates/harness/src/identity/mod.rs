//! What makes a sample itself: contents of files, never their names, and settings, never a recipe's words for them.

mod data;
mod file_hash;
mod model;
mod sample;

pub use data::{DataFiles, DataFilesError, TaskFile, data_files, task_files};
pub use file_hash::{FileHash, HashCache};
pub use model::{FileRole, IdentityError, ModelFile, ModelIdentity};
pub use sample::{SampleIdentity, SystemIdentity};

pub use crate::sha256::of_bytes as sha256_hex;
