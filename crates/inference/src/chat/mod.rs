//! Chats: messages, and the templates that checkpoints bring to write them down.

mod error;
mod jinja;
mod message;
mod named;
mod task_template;
mod template;
mod time;

pub use error::ChatError;
pub use message::{ChatMessage, Conversation, RefusedSystem, Role};
pub use task_template::TaskTemplate;
pub use template::{ChatTemplate, TemplateChoice};
pub use time::UnixTime;
