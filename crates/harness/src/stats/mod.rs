//! Statistics: whether one system is better than another, and how sure that is.

mod mcnemar;
mod paired;
mod rng;

pub use mcnemar::{Discordant, holm};
pub use paired::{
    Bootstrap, DocumentScore, PairedDifference, Side, StatsError, TaskDifference, TaskScores, paired_difference,
};
pub use rng::Xoshiro256;
