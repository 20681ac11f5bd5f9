//! Extraction of answers from responses, as lm-evaluation-harness filters them.

mod extract;
mod lead;
mod multi_choice;
mod pipeline;
mod robust;
mod robust_letter;
mod step;

pub use pipeline::{FilterDefinition, FilterPipeline};
pub(crate) use robust::ROBUST;
pub use robust::{FoundAnswer, Robust, RobustKind};
pub use step::FilterStep;
