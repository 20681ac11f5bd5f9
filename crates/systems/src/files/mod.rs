//! Files: paths as JSON, contents as hashes, and writing whole or not at all.

pub mod any_path;
pub mod sha256;
pub(crate) mod write;
