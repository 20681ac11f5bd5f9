//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatTemplate, Conversation, UnixTime};

/// How the members of an ensemble write a chat down.
///
/// Begin-of-text is there once, whether the template writes it or the tokenizer adds it.
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
    pub(crate) fn text(&self, member: usize, chat: &Conversation) -> Result<String, ChatError> {
        self.templates[member].render(chat, self.now)
    }
}
