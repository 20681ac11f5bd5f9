//! Chats: messages, and the templates that checkpoints bring to write them down.

mod date;
mod functions;
mod template;

pub use date::UnixTime;
pub use template::{ChatError, ChatMessage, ChatTemplate, Role};
