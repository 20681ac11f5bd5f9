//! Tasks: definitions as data, prompts with their few-shot examples, scoring.

mod categories;
mod check;
mod definition;
mod error;
mod extend;
mod fewshot;
mod groups;
mod harness_file;
mod limit;
mod load;
mod outline;
mod overrides;
mod picks;
mod process;
mod prompt;
mod registry;
mod rendered;
mod rows;
mod rules;
mod scorer;
mod sections;
mod selection;
mod template;
mod toml_prompt;
mod wikitext;
mod yaml;
mod yaml_prompt;
mod yaml_registry;
mod yaml_template;

pub use definition::{
    FewShotDefinition, GenerationDefinition, PromptDefinition, RightChoiceDefinition, SamplerKind, ScoredPart,
    SubjectsDefinition, TaskDefinition, TaskKind, TemplateLanguage,
};
pub use error::{NoTemperature, TaskError};
pub use fewshot::DEFAULT_SHOT_SEED;
pub use harness_file::{HarnessFileDefinition, HarnessText};
pub use limit::{Limit, LimitError};
pub use load::TaskOptions;
pub use outline::{GroupMembers, GroupOutline, Leaf, TaskOutline};
pub use overrides::{GENERATION_SETTINGS, GenerationOverrides, GenerationOverridesError};
pub use picks::{DocumentPicks, DocumentPicksError};
pub use process::{ColumnTemplate, RowFilter, RowProcess};
pub use registry::{TaskInfo, TaskRegistry, load_task, task_definition, task_names};
pub use rows::TaskRows;
pub use rules::HarnessRules;
pub(crate) use selection::{Selection as TaskSelection, wider};
