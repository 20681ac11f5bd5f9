//! Models and systems as they are written.

pub(crate) mod device;
pub(crate) mod draft;
pub(crate) mod file;
pub(crate) mod method;
pub(crate) mod server;
pub(crate) mod toml_file;
pub(crate) mod values;
