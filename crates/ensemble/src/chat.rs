//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatMessage, ChatTemplate, Role, UnixTime};

/// How the members of an ensemble write a chat down.
///
/// A request's prompt is the user's last message, after the request's earlier turns. Begin-of-text is there once,
/// whether the template writes it or the tokenizer adds it.
#[derive(Debug)]
pub struct Chat {
    /// One per member.
    templates: Vec<ChatTemplate>,
    now: UnixTime,
}

impl Chat {
    /// `templates[m]` is member `m`'s; `now` is the time that templates may write into a chat.
    pub fn new(templates: Vec<ChatTemplate>, now: UnixTime) -> Self {
        Self { templates, now }
    }

    /// Number of templates: one per member.
    pub(crate) fn members(&self) -> usize {
        self.templates.len()
    }

    /// The text that `member` reads.
    pub(crate) fn text(&self, member: usize, turns: &[ChatMessage], prompt: &str) -> Result<String, ChatError> {
        let last = ChatMessage { role: Role::User, content: prompt.to_owned() };
        let messages: Vec<ChatMessage> = turns.iter().cloned().chain([last]).collect();
        self.templates[member].render(&messages, self.now)
    }
}
