//! The API of the published GaC's own server (github.com/yaoching0/GaC), so that scripts written for it run unchanged:
//! `GET /status` and `POST /api/generate/`.
//!
//! Not as there: a text of `until` ends a response and is no part of it; it may be any text; every token that ends a turn
//! ends it, not only the first that a checkpoint names; a prompt that is too long is refused and not cut; several
//! conversations may be asked at once where there is a gate too.

use std::sync::Arc;

use gac_ensemble::{GenerationRequest, Overlong, Prompt, PromptEncoding};
use gac_inference::{ChatMessage, Conversation, RefusedSystem};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::app::App;
use crate::dispatch::{JobProgress, TextJob};
use crate::error::{ApiError, with_causes};
use crate::input::{self, OneOrMoreTexts};

/// New tokens of a request that does not say how many it wants.
const USUAL_LENGTH: usize = 50;

#[derive(Deserialize)]
struct GenerateFields {
    messages_list: Vec<Vec<ChatMessage>>,
    /// Most tokens of a prompt and its response together, by the first member.
    max_length: Option<usize>,
    max_new_tokens: Option<usize>,
    apply_chat_template: Option<bool>,
    #[serde(default)]
    until: OneOrMoreTexts,
    /// Which system; the first where none is named.
    model: Option<String>,
}

/// `GET /status`.
pub(crate) fn status() -> Value {
    json!({ "status": "ready" })
}

/// `POST /api/generate/`: one response for each conversation.
pub(crate) async fn generate(app: &App, body: &[u8]) -> Result<Value, ApiError> {
    let fields: GenerateFields = input::fields(&input::object(body)?)?;
    let name = fields.model.as_deref();
    let system = app.catalog.system(name).ok_or_else(|| {
        let names = app.catalog.systems().iter().map(|system| system.name.as_str());
        ApiError::unknown_model(name.unwrap_or_default(), names)
    })?;
    let chats = fields.apply_chat_template.unwrap_or(false);
    let settings = match (&system.chat, chats) {
        (Ok(chat), true) => chat,
        (Err(reason), true) => {
            let message = format!("`apply_chat_template`: `{}` answers no chats: {reason}", system.name);
            return Err(ApiError::field("apply_chat_template", message));
        }
        (_, false) => &system.settings,
    };
    let until = fields.until.into_vec();
    let mut jobs = Vec::with_capacity(fields.messages_list.len());
    for (at, messages) in fields.messages_list.into_iter().enumerate() {
        let field = format!("messages_list[{at}]");
        let first = messages.first().map(|message| message.words().into_owned());
        let first = first.ok_or_else(|| ApiError::field(field.clone(), format!("`{field}` is empty")))?;
        // Without a template, what is said first is the prompt.
        let conversation = Conversation { refused_system: RefusedSystem::JoinUser, ..Conversation::from(messages) };
        let mut max_new_tokens = fields.max_new_tokens.unwrap_or(USUAL_LENGTH);
        if let (Some(most), Some(tokenizer)) = (fields.max_length, system.tokenizer()) {
            let text = if chats {
                settings.chat_text(0, &conversation).map_err(|error| ApiError::from(&error).of(&field))?
            } else {
                first.clone()
            };
            let ids = tokenizer.encode_prompt(&text).map_err(|error| ApiError::field(&field, with_causes(&error)))?;
            max_new_tokens = max_new_tokens.min(most.saturating_sub(ids.len()));
        }
        jobs.push(TextJob::Generate(GenerationRequest {
            prompt: if chats { Prompt::Chat(conversation) } else { Prompt::Text(first) },
            encoding: PromptEncoding::WithSpecial,
            stop: until.clone(),
            max_new_tokens,
            overlong: Overlong::Refuse,
            decoding: None,
            trace: false,
            log_probs: None,
        }));
    }
    let _slots = app.dispatcher.slots(jobs.len())?;
    let settings = vec![Arc::clone(settings); jobs.len()];
    let ended = app.dispatcher.submit(jobs, &settings, false).await?.all().await?;
    let text = |progress: &JobProgress| match progress {
        JobProgress::Generated(generation) => Some(generation.text()),
        _ => None,
    };
    Ok(json!({ "response": ended.iter().filter_map(text).collect::<Vec<_>>() }))
}
