//! A run's card: what was run, on what, by which rules, and what came of it, as one JSON-LD document in the words of
//! schema.org and Croissant (<https://docs.mlcommons.org/croissant/>) where they have them.

mod context;
mod files;
mod parts;
mod run_card;

pub use files::{ResultFile, result_files};
pub use run_card::card;
