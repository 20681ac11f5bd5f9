//! `gac export`.

mod command;
mod sources;

pub(crate) use command::{ExportArgs, export};
