//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatMessage, ChatTemplate, Role, UnixTime};

use crate::ensemble::Ensemble;
use crate::error::EnsembleError;

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

    /// The text that `member` reads.
    pub(crate) fn text(&self, member: usize, turns: &[ChatMessage], prompt: &str) -> Result<String, ChatError> {
        let last = ChatMessage { role: Role::User, content: prompt.to_owned() };
        let messages: Vec<ChatMessage> = turns.iter().cloned().chain([last]).collect();
        self.templates[member].render(&messages, self.now)
    }
}

impl Ensemble {
    /// Makes every prompt and context of the requests to come a chat, or no longer.
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
