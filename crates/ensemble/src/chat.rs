//! Prompts as chats: every member writes the messages down by its own template.

use gac_inference::{ChatError, ChatMessage, ChatTemplate, Role, UnixTime};

use crate::{Ensemble, EnsembleError};

/// How the members of an ensemble write a chat down.
///
/// A request's prompt is the user's last message, after the request's earlier turns. What a member's template gives is
/// encoded without adding special tokens: it holds them all, and none is doubled.
#[derive(Debug)]
pub struct Chat {
    /// One per member.
    templates: Vec<ChatTemplate>,
    system: Option<String>,
    now: UnixTime,
}

impl Chat {
    /// `templates[m]` is member `m`'s; `system` is a message in front of every chat; `now` is the time that templates
    /// may write into it.
    pub fn new(templates: Vec<ChatTemplate>, system: Option<String>, now: UnixTime) -> Self {
        Self { templates, system, now }
    }

    /// The text that `member` reads.
    pub(crate) fn text(&self, member: usize, turns: &[ChatMessage], prompt: &str) -> Result<String, ChatError> {
        let message = |role, content: &str| ChatMessage { role, content: content.to_owned() };
        let system = self.system.iter().map(|system| message(Role::System, system));
        let messages: Vec<ChatMessage> =
            system.chain(turns.iter().cloned()).chain([message(Role::User, prompt)]).collect();
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
