//! Leaderboards: systems as rows, tasks as columns; as markdown, CSV, JSON, LaTeX, HTML and a table for terminals; and
//! published numbers beside ours.

mod chart_csv;
mod csv;
mod estimate;
mod format;
mod group_table;
mod html;
mod html_table;
mod json;
mod latex;
mod leaderboard;
mod markdown;
mod page;
mod paper;
mod plot;
mod scores;
mod sweep;
mod templates;
mod terminal;

pub(crate) use format::points;
pub(crate) use markdown::escape as escape_markdown;
pub(crate) use terminal::{printable, wrap};

pub use chart_csv::chart_csv;
pub use csv::csv;
pub use estimate::{Estimate, ScoreUnit};
pub use group_table::GroupTable;
pub use html::html;
pub use json::json;
pub use latex::latex;
pub use leaderboard::{AgainstBest, Column, Leaderboard, LeaderboardError, MixedProtocols, Mixing, SystemRow};
pub use markdown::markdown;
pub use page::{Axis, Chart, Line, Point, ReportError, Series, charts, history_charts, report, sweep_charts};
pub use paper::{BesideCell, BesidePaper, BesideRow, PaperError, PaperRow, PaperTable};
pub use plot::{PlotError, png, svg};
pub use scores::scores;
pub use sweep::{Sweep, SweepEntry, SweepPoint};
pub use terminal::terminal;
