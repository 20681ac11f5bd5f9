//! What members read: prompts as ids, and how far each has come.

pub(crate) mod lane;
pub(crate) mod perplexity;
pub(crate) mod prompt;
pub(crate) mod question;
mod spelled_text;
