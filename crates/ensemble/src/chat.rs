//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatTemplate, Conversation, UnixTime};

/// How the members of an ensemble write a chat down.
///
/// Begin-of-text is there once, whether the template writes it or the tokenizer adds it.
#[derive(Debug)]
pub struct Chat {
    /// One per member.
    templates: Vec<ChatTemplate>,
    /// What templates may write into a chat; what the clock says when nothing.
    time: Option<UnixTime>,
}

impl Chat {
    /// `templates[m]` is member `m`'s; `time` is what they may write into a chat: nothing for what the clock says then.
    pub fn new(templates: Vec<ChatTemplate>, time: impl Into<Option<UnixTime>>) -> Self {
        Self { templates, time: time.into() }
    }

    /// Number of templates: one per member.
    pub(crate) fn members(&self) -> usize {
        self.templates.len()
    }

    /// The text that `member` reads.
    pub(crate) fn text(&self, member: usize, chat: &Conversation) -> Result<String, ChatError> {
        self.text_by(&self.templates[member], chat)
    }

    /// The text that a drafter reads, by its own template where it has one and the first member's otherwise.
    pub(crate) fn text_of_drafter(&self, own: Option<&ChatTemplate>, chat: &Conversation) -> Result<String, ChatError> {
        self.text_by(own.unwrap_or(&self.templates[0]), chat)
    }

    fn text_by(&self, template: &ChatTemplate, chat: &Conversation) -> Result<String, ChatError> {
        template.render(chat, self.time.unwrap_or_else(UnixTime::now))
    }
}
