//! Metrics of single documents and their aggregation, as lm-evaluation-harness computes them.

mod aggregate;
mod choice;
mod corpus;
mod definition;
mod edit_rate;
mod exact_match;
mod math;
mod normalised;
mod repeats;
mod translation;

pub use aggregate::{DocumentMean, PoolingRule, pooled};
pub use choice::{ChoiceScores, argmax};
pub use corpus::{CorpusMetric, Over};
pub use definition::MetricDefinition;
pub(crate) use definition::{PERPLEXITY, RUNNING_MEAN};
pub use edit_rate::edit_rate;
pub use exact_match::ExactMatch;
pub(crate) use math::{between_dollars, boxed_answer, is_equivalent};
pub use normalised::{normalise_answer, normalised_match};
pub use repeats::{Try, over_repeats, pass_at};
pub use translation::{TextPair, bleu, chrf};
