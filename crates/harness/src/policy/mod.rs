//! A run against another, judged by a policy: GO, NO-GO, or that the documents cannot tell.

mod file;
mod needed;
mod review;
mod sentence;
mod show;

pub use file::{Grouping, Policy, PolicyError, PolicyLimits, PolicyProblem, Tier};
pub use needed::{Needed, needed, needed_by_discordance, needed_table};
pub use review::{LimitCheck, LimitKind, Review, ReviewError, Ruling, ScoreEvidence, review};
pub use sentence::headline;
pub use show::{json, junit, markdown, terminal};
