//! Statistics: whether one system is better than another, and how sure that is.

mod evidence;
mod mcnemar;
mod normal;
mod paired;
mod proportions;
mod rng;
mod sample_size;
mod subset_means;

pub use evidence::{Evidence, PairedScores};
pub use mcnemar::{Discordant, holm};
pub use normal::{normal_cdf, normal_quantile};
pub use paired::{
    Bootstrap, DocumentScore, PairedDifference, Side, StatsError, TaskDifference, TaskScores, mean_over_repeats,
    paired_difference,
};
pub use proportions::{PairedVerdicts, Proportion};
pub use rng::Xoshiro256;
pub use sample_size::{Demand, Spread, documents_needed};
pub use subset_means::SubsetMeans;
