//! Tasks: definitions as data, prompts with their few-shot examples, scoring.

mod categories;
mod definition;
mod error;
mod fewshot;
mod load;
mod prompt;
mod registry;
mod scorer;
mod template;

pub use definition::{
    FewShotDefinition, GenerationDefinition, PromptDefinition, SamplerKind, SubjectsDefinition, TaskDefinition,
    TaskKind,
};
pub use error::TaskError;
pub use load::{TaskOptions, load_task};
pub use registry::{TaskInfo, task_definition, task_names};
