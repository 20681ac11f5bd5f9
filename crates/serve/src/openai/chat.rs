//! `POST /v1/chat/completions`.

use std::sync::Arc;

use axum::response::Response;
use gac_ensemble::{
    AskedLogProbs, Generation, GenerationRequest, Overlong, Prompt, PromptEncoding, Settings, Step, Thinking,
};
use gac_inference::{ChatMessage, Conversation, RefusedSystem};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::log_probs::{TokenNames, chat_log_probs};
use super::request::{SharedFields, list_length};
use super::stream::{self, ChoicePieces, Envelope, finish_reason};
use crate::app::App;
use crate::catalog::ServedSystem;
use crate::dispatch::{JobProgress, Slots, TextJob};
use crate::error::ApiError;
use crate::input;
use crate::reasoning::Tags;
use crate::text::Utf8Pieces;
use crate::trace;

#[derive(Deserialize)]
struct ChatFields {
    messages: Vec<Map<String, Value>>,
    max_tokens: Option<usize>,
    max_completion_tokens: Option<usize>,
    logprobs: Option<bool>,
    top_logprobs: Option<i64>,
    chat_template_kwargs: Option<Map<String, Value>>,
    add_generation_prompt: Option<bool>,
    documents: Option<Vec<Value>>,
}

/// A chat, checked.
struct ChatCompletion {
    app: Arc<App>,
    system: ServedSystem,
    settings: Arc<Settings>,
    shared: SharedFields,
    conversation: Conversation,
    count: usize,
    max_tokens: usize,
    /// What is told of each token; nothing where no log-probabilities are wanted.
    asked: Option<AskedLogProbs>,
    tags: Tags,
}

/// Answers a chat.
pub(crate) async fn respond(app: Arc<App>, body: &[u8]) -> Result<Response, ApiError> {
    let chat = ChatCompletion::read(app, body)?;
    let slots = chat.app.dispatcher.slots(chat.count)?;
    if chat.shared.streams() {
        return chat.stream(slots).await;
    }
    Ok(crate::app::json(&chat.whole().await?))
}

/// A message as templates read it: what is said in parts is one text.
fn message(at: usize, mut fields: Map<String, Value>) -> Result<ChatMessage, ApiError> {
    let field = |name: &str| format!("messages[{at}].{name}");
    if let Some(Value::Array(parts)) = fields.get("content") {
        let text = |part: &Value| match part {
            Value::String(text) => Some(text.clone()),
            part => part.get("text").and_then(Value::as_str).map(str::to_owned),
        };
        let texts: Option<Vec<String>> = parts.iter().map(text).collect();
        let texts = texts.ok_or_else(|| {
            let name = field("content");
            ApiError::field(name.clone(), format!("`{name}` has a part that is no text, and only text is read"))
        })?;
        fields.insert("content".to_owned(), texts.join("\n").into());
    }
    if fields.get("role").is_some_and(|role| role == "developer") {
        // The newer name for what templates call the system.
        fields.insert("role".to_owned(), "system".into());
    }
    ChatMessage::try_from(fields)
        .map_err(|error| ApiError::field(field("role"), format!("`{}`: {error}", field("role"))))
}

impl ChatCompletion {
    fn read(app: Arc<App>, body: &[u8]) -> Result<Self, ApiError> {
        let body = input::object(body)?;
        input::refuse(&body)?;
        let shared: SharedFields = input::fields(&body)?;
        let fields: ChatFields = input::fields(&body)?;
        let system = shared.system(&app.catalog)?.clone();
        let settings = system
            .chat
            .as_ref()
            .map_err(|reason| ApiError::field("model", format!("`{}` answers no chats: {reason}", system.name)))?;
        let settings = shared.settings(&system, settings)?;
        let count = shared.count()?;
        shared.decoding(&settings, 0)?;
        if fields.messages.is_empty() {
            return Err(ApiError::field("messages", "`messages` is empty: there is nothing to answer"));
        }
        let messages = (0..).zip(fields.messages).map(|(at, fields)| message(at, fields));
        let mut arguments = fields.chat_template_kwargs.unwrap_or_default();
        if let Some(add) = fields.add_generation_prompt {
            arguments.insert("add_generation_prompt".to_owned(), add.into());
        }
        let conversation = Conversation {
            messages: messages.collect::<Result<_, _>>()?,
            documents: fields.documents,
            // As evaluations have it: a template without a system's message reads it with the first question.
            refused_system: RefusedSystem::JoinUser,
            arguments,
            ..Conversation::default()
        };
        let wanted = fields.logprobs.unwrap_or(false);
        if let (false, Some(1..)) = (wanted, fields.top_logprobs) {
            return Err(ApiError::field("top_logprobs", "`top_logprobs` needs `logprobs` to be true"));
        }
        let top = fields.top_logprobs.unwrap_or(0);
        let top = list_length("top_logprobs", top, app.options.max_log_probs, &system)?;
        let asked = wanted.then(|| shared.asked(top, &system)).transpose()?;
        Ok(Self {
            app,
            tags: Tags::of(&settings),
            system,
            settings,
            conversation,
            count,
            // Without a limit, an answer ends where the context does.
            max_tokens: fields.max_completion_tokens.or(fields.max_tokens).unwrap_or(usize::MAX),
            asked,
            shared,
        })
    }

    fn envelope(&self) -> Envelope {
        Envelope::new(self.app.new_id("chatcmpl"), &self.system.name, self.shared.includes_usage())
    }

    fn names(&self) -> Result<TokenNames<'_>, ApiError> {
        let tokenizer = self.system.tokenizer().ok_or_else(|| ApiError::internal("the system has no members"))?;
        Ok(TokenNames { tokenizer, as_ids: self.shared.tokens_as_ids() })
    }

    fn jobs(&self) -> Result<Vec<TextJob>, ApiError> {
        let job = |number| {
            Ok(TextJob::Generate(GenerationRequest {
                prompt: Prompt::Chat(self.conversation.clone()),
                encoding: PromptEncoding::WithSpecial,
                stop: self.shared.stop.clone().into_vec(),
                max_new_tokens: self.max_tokens,
                overlong: Overlong::Refuse,
                decoding: self.shared.decoding(&self.settings, number)?,
                trace: self.shared.traces(),
                log_probs: self.asked.clone(),
            }))
        };
        (0..self.count).map(job).collect()
    }

    fn log_probs(&self, steps: &[Step]) -> Result<Option<Value>, ApiError> {
        let Some(asked) = &self.asked else { return Ok(None) };
        let told = steps.iter().filter_map(|step| step.log_probs.as_ref());
        Ok(Some(json!({ "content": chat_log_probs(told, &asked.ids, self.names()?), "refusal": null })))
    }

    /// The answer as one object.
    async fn whole(&self) -> Result<Value, ApiError> {
        let jobs = self.jobs()?;
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let ended = self.app.dispatcher.submit(jobs, &settings, false).await?.all().await;
        let ended = ended.map_err(|error| error.of("messages"))?;
        let mut choices = Vec::with_capacity(ended.len());
        let mut count = TokenCount::default();
        for progress in ended {
            let JobProgress::Generated(generation) = progress else { continue };
            count.add(&self.settings, &generation);
            let parts = self.tags.parts(&generation.bytes, generation.thinking);
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let mut said = json!({ "role": "assistant", "content": text(&generation.bytes[parts.answer..]) });
            if let Some(reasoning) = parts.reasoning {
                said["reasoning_content"] = text(&generation.bytes[reasoning]).into();
            }
            choices.push(json!({
                "index": choices.len(),
                "message": said,
                "logprobs": self.log_probs(&generation.steps)?,
                "finish_reason": finish_reason(Some(generation.finish)),
                "gac": stream::beside(&generation, self.shared.traces()),
            }));
        }
        Ok(self.envelope().whole("chat.completion", choices, count.value()))
    }

    /// The answer as it comes.
    async fn stream(self, slots: Slots) -> Result<Response, ApiError> {
        let jobs = self.jobs()?;
        let settings = vec![Arc::clone(&self.settings); jobs.len()];
        let choices = jobs.iter().map(|_| StreamedMessage::default()).collect();
        let answers = self.app.dispatcher.submit(jobs, &settings, true).await?;
        let envelope = self.envelope();
        let choices = StreamedChat { chat: self, choices, count: TokenCount::default() };
        stream::respond(answers, envelope, choices, slots).await.map_err(|error| error.of("messages"))
    }
}

/// What an answer cost.
#[derive(Default)]
struct TokenCount {
    prompt: usize,
    tokens: usize,
}

impl TokenCount {
    /// All answers are to one prompt.
    fn add(&mut self, settings: &Settings, generation: &Generation) {
        // By the first member that has read it.
        self.prompt = generation.prompt_tokens.iter().copied().find(|tokens| *tokens > 0).unwrap_or(self.prompt);
        self.tokens += stream::response_tokens(settings, generation);
    }

    fn value(&self) -> Value {
        stream::usage(self.prompt, self.tokens)
    }
}

/// A choice that is streamed.
#[derive(Default)]
struct StreamedMessage {
    /// All of it so far.
    bytes: Vec<u8>,
    reasoning: Utf8Pieces,
    /// How much of `bytes` was told as reasoning, and as the answer.
    told: (usize, usize),
    answer: Utf8Pieces,
}

impl StreamedMessage {
    /// What is to be told now, of the reasoning and of the answer.
    fn go_on(&mut self, bytes: &[u8], thinking: Option<Thinking>, tags: &Tags) -> (String, String) {
        self.bytes.extend_from_slice(bytes);
        let parts = tags.parts(&self.bytes, thinking);
        let mut reasoning = String::new();
        if let Some(range) = parts.reasoning {
            let from = self.told.0.max(range.start);
            if let Some(new) = self.bytes.get(from..range.end) {
                reasoning = self.reasoning.push(new);
                self.told.0 = range.end;
            }
        }
        let from = self.told.1.max(parts.answer);
        let answer = self.answer.push(self.bytes.get(from..).unwrap_or_default());
        self.told.1 = self.bytes.len().max(from);
        (reasoning, answer)
    }
}

/// A chat that is streamed.
struct StreamedChat {
    chat: ChatCompletion,
    choices: Vec<StreamedMessage>,
    count: TokenCount,
}

impl ChoicePieces for StreamedChat {
    const OBJECT: &'static str = "chat.completion.chunk";

    fn first(&mut self) -> Vec<Value> {
        let delta = json!({ "role": "assistant", "content": "" });
        let choice = |index| json!({ "index": index, "delta": delta, "logprobs": null, "finish_reason": null });
        (0..self.choices.len()).map(choice).collect()
    }

    fn token(&mut self, index: usize, bytes: &[u8], thinking: Option<Thinking>, step: Option<&Step>) -> Option<Value> {
        let (reasoning, answer) = self.choices[index].go_on(bytes, thinking, &self.chat.tags);
        let mut delta = Map::new();
        if !reasoning.is_empty() {
            delta.insert("reasoning_content".to_owned(), reasoning.into());
        }
        if !answer.is_empty() {
            delta.insert("content".to_owned(), answer.into());
        }
        let lists = step.and_then(|step| self.chat.log_probs(std::slice::from_ref(step)).ok().flatten());
        let traced = step.filter(|_| self.chat.shared.traces());
        if delta.is_empty() && lists.is_none() && traced.is_none() {
            return None;
        }
        let mut choice = json!({ "index": index, "delta": delta, "logprobs": lists });
        if let Some(step) = traced {
            choice["gac"] = json!({ "steps": [trace::step(step)] });
        }
        Some(choice)
    }

    fn end(&mut self, index: usize, generation: &Generation) -> Value {
        self.count.add(&self.chat.settings, generation);
        let mut delta = Map::new();
        let rest = self.choices[index].answer.finish();
        if !rest.is_empty() {
            delta.insert("content".to_owned(), rest.into());
        }
        json!({ "index": index, "delta": delta, "logprobs": null })
    }

    fn usage(&self) -> Value {
        self.count.value()
    }
}
