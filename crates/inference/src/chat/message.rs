//! Messages, as they are handed to templates.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

/// Who says something. Templates may know other roles too (`tool`, `developer`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Whoever sets the scene.
    System,
    /// Whoever asks.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// Its name in messages.
    pub fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message of a chat: a `role`, mostly a `content`, and whatever else its template reads (`name`, `tool_calls`,
/// `reasoning_content`), in order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Map<String, Json>")]
pub struct ChatMessage(Map<String, Json>);

impl ChatMessage {
    /// A message that is a text.
    pub fn new(role: Role, content: impl Into<String>) -> Self {
        let fields = [("role", Json::from(role.name())), ("content", Json::from(content.into()))];
        Self(fields.map(|(name, value)| (name.to_owned(), value)).into_iter().collect())
    }

    /// Who says it.
    pub fn role(&self) -> &str {
        self.0.get("role").and_then(Json::as_str).unwrap_or_default()
    }

    /// Whether somebody says it.
    pub fn is_by(&self, role: Role) -> bool {
        self.role() == role.name()
    }

    /// What is said, where it is a text: neither nothing nor a list of parts.
    pub fn text(&self) -> Option<&str> {
        self.0.get("content")?.as_str()
    }

    /// What is said, for whoever shows or names the message: a text as it is, anything else as JSON.
    pub fn words(&self) -> Cow<'_, str> {
        match self.0.get("content") {
            Some(Json::String(text)) => Cow::Borrowed(text),
            None | Some(Json::Null) => Cow::Borrowed(""),
            Some(other) => Cow::Owned(other.to_string()),
        }
    }

    /// Its fields as transformers 5 hands them to a template: those that are null are not there, and the names that
    /// reasoning goes by (`reasoning_content`, `thinking`, `reasoning`) say the same.
    pub(super) fn fields(&self) -> Map<String, Json> {
        const REASONING: [&str; 3] = ["reasoning_content", "thinking", "reasoning"];
        let mut fields = self.0.clone();
        fields.retain(|_, value| !value.is_null());
        if let Some(reasoning) = REASONING.iter().find_map(|name| fields.get(*name)).cloned() {
            let thinking = fields.shift_remove("thinking").unwrap_or_else(|| reasoning.clone());
            fields.shift_insert(0, "thinking".to_owned(), thinking);
            fields.insert("reasoning_content".to_owned(), reasoning);
        }
        fields
    }
}

impl TryFrom<Map<String, Json>> for ChatMessage {
    type Error = &'static str;

    fn try_from(fields: Map<String, Json>) -> Result<Self, Self::Error> {
        match fields.get("role") {
            Some(Json::String(_)) => Ok(Self(fields)),
            Some(_) => Err("the `role` of a message is not a string"),
            None => Err("a message without `role`"),
        }
    }
}

/// What a chat template writes down.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Conversation {
    /// The messages, in order.
    pub messages: Vec<ChatMessage>,
    /// Descriptions of tools (JSON schemas) that the model may call; none where it has none.
    pub tools: Option<Vec<Json>>,
    /// Documents to answer from (`title` and `text`), for templates that take them.
    pub documents: Option<Vec<Json>>,
    /// What the answer begins with: it stands behind where the template lets the model begin.
    pub answer_prefix: String,
    /// What becomes of a system message that the template refuses.
    pub refused_system: RefusedSystem,
    /// What the template is told by name for this chat, over what it is told for all.
    pub arguments: Map<String, Json>,
}

/// What becomes of a system message that the template refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RefusedSystem {
    /// An error, as in transformers.
    #[default]
    Error,
    /// It is said at the beginning of the first user message.
    JoinUser,
}

impl From<Vec<ChatMessage>> for Conversation {
    fn from(messages: Vec<ChatMessage>) -> Self {
        Self { messages, ..Self::default() }
    }
}
