//! What makes a model and a system itself: contents of files, never their names, and settings, never a recipe's words.

pub(crate) mod file_hash;
pub(crate) mod model;
pub(crate) mod system;
