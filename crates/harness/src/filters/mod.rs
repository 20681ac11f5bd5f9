//! Extraction of answers from responses, as lm-evaluation-harness filters them.

mod multi_choice;
mod pipeline;
mod step;

pub use pipeline::{FilterDefinition, FilterPipeline};
pub use step::FilterStep;
