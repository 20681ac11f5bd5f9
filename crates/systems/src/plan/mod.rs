//! Models and systems with every default decided.

mod axes;
pub(crate) mod draft;
pub(crate) mod error;
pub(crate) mod model;
pub(crate) mod overrides;
pub(crate) mod server;
pub(crate) mod setting_error;
pub(crate) mod settings;
pub(crate) mod system;
pub(crate) mod systems;
