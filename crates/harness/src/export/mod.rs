//! Runs in other people's formats.

mod asked;
mod card;
mod error;
mod facts;
mod file;
mod inspect;
mod lm_eval;
mod mlflow;
mod sources;
mod wandb;

pub use asked::unknown_prompts;
pub use card::{ResultFile, card, result_files};
pub use error::ExportError;
pub use file::ExportedFile;
pub use inspect::inspect;
pub use lm_eval::lm_eval;
pub use mlflow::mlflow;
pub use sources::{ExportSources, TaskSources};
pub use wandb::wandb;
