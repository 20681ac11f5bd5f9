//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatTemplate, Conversation, UnixTime};

use crate::{Ensemble, EnsembleError};

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

    /// The text that `member` reads.
    pub(crate) fn text(&self, member: usize, chat: &Conversation) -> Result<String, ChatError> {
        self.templates[member].render(chat, self.now)
    }
}

impl Ensemble {
    /// How the chats of the requests to come are written down.
    ///
    /// # Errors
    /// When there is not one template per member.
    pub fn set_chat(&mut self, chat: Option<Chat>) -> Result<(), EnsembleError> {
        if let Some(chat) = &chat
            && chat.templates.len() != self.members.len()
        {
            return Err(EnsembleError::TemplateCount { templates: chat.templates.len(), members: self.members.len() });
        }
        self.chat = chat;
        Ok(())
    }
}
