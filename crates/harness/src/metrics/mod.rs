//! Metrics of single documents and their aggregation, as lm-evaluation-harness computes them.

mod aggregate;
mod choice;
mod corpus;
mod definition;
mod edit_rate;
mod exact_match;
mod instructions;
mod latex;
mod math;
mod minerva;
mod normalised;
mod porter;
mod reading;
mod repeats;
mod rouge;
mod translation;

pub use aggregate::{DocumentMean, PoolingRule, pooled};
pub use choice::{ChoiceScores, argmax};
pub use corpus::{CorpusMetric, Over};
pub use definition::MetricDefinition;
pub(crate) use definition::{PERPLEXITY, RUNNING_MEAN};
pub use edit_rate::edit_rate;
pub use exact_match::{ExactMatch, contains};
pub(crate) use instructions::Instruction;
pub use instructions::{InstructionLevel, Strictness, followed};
pub(crate) use math::{between_dollars, boxed_answer, is_equivalent};
pub(crate) use minerva::{NO_ANSWER, final_answer, is_equivalent_by_value, written_in_one_way};
pub use normalised::{normalise_answer, normalised_match};
pub use reading::{AnswerScore, Questions};
pub use repeats::{Try, over_repeats, pass_at};
pub use rouge::Rouge;
pub use translation::{TextPair, bleu, chrf};
