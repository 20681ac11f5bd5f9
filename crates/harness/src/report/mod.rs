//! Leaderboards: systems as rows, tasks as columns; as markdown, CSV, JSON and a table for terminals.

mod csv;
mod format;
mod json;
mod leaderboard;
mod markdown;
mod terminal;

pub use csv::csv;
pub use json::json;
pub use leaderboard::{Column, Comparison, Estimate, Leaderboard, Row, SystemResults};
pub use markdown::markdown;
pub use terminal::terminal;
