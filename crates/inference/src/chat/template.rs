//! A checkpoint's chat template.

use std::collections::BTreeMap;
use std::path::PathBuf;

use minijinja::Environment;
use minijinja::value::{Serde, Value};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use super::error::ChatError;
use super::jinja::{Layout, environment, is_raised, strftime, string_constants, translated};
use super::message::{ChatMessage, Conversation, RefusedSystem, Role};
use super::named::{DEFAULT, NamedTemplate, TOOL_USE, read, templates};
use super::time::UnixTime;
use crate::checkpoint::source::ModelSource;
use crate::checkpoint::special_tokens::SpecialTokens;

/// The way in which one model writes down a chat: the Jinja template of its checkpoint, rendered as transformers'
/// `apply_chat_template` renders it.
///
/// What templates may use is Jinja2 3.1 in transformers' sandbox: Python's methods of strings, lists and dictionaries
/// that change nothing, its ways to write values, `tojson` with all its arguments, `raise_exception`, `strftime_now`,
/// loop controls, and `{% generation %}` blocks, whose content is kept. Not as there:
///
/// * a macro's `arguments` are a list;
/// * `d.items` without a call is the item of that name, never the method; there is no `self`;
/// * some of what Python refuses has an answer: values of unlike types compare (`'a' < 1`), nothing has parts
///   (`undefined[0:1]`), a namespace takes names that begin with `_`;
/// * whole numbers end at 128 bits, and a part of a range is a list;
/// * `str.format` knows neither conversions (`{!r}`) nor percent (`{:%}`), strings no `\N{NAME}`, numbers no `+` in front;
/// * `cycler` has no `current`; `lipsum` and the filters `random`, `urlize` and `wordwrap` are not there, and `pprint`
///   stays on one line;
/// * `strftime_now` tells the time in UTC.
#[derive(Debug)]
pub struct ChatTemplate {
    /// The text of the usual one, as the checkpoint has it.
    text: String,
    environment: Environment<'static>,
    /// Whether there is a template of its own for chats with tools.
    has_tool_use: bool,
    /// What the templates may name: special tokens (`bos_token` and its like), and arguments, which go before them.
    variables: Map<String, Json>,
    thinking_end: Option<String>,
    tells_time: bool,
}

/// Which of a checkpoint's templates is used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateChoice {
    /// The one of this name.
    Name(String),
    /// This file instead.
    File(PathBuf),
}

impl ChatTemplate {
    /// The template of a checkpoint. Without a choice, the only one or the one called `default`, and for chats with
    /// tools the one called `tool_use`.
    ///
    /// # Errors
    /// When a file is damaged, there is no such template, or it is no Jinja.
    pub fn load(source: &ModelSource, choice: Option<&TemplateChoice>) -> Result<Self, ChatError> {
        let model = || source.to_string();
        let special = SpecialTokens::load(source)?.named;
        let named = match choice {
            Some(TemplateChoice::File(path)) => vec![(DEFAULT.to_owned(), read(path)?)],
            Some(TemplateChoice::Name(name)) => vec![(DEFAULT.to_owned(), pick(templates(source)?, name, model)?)],
            None => usual(templates(source)?, model)?,
        };
        Self::of_named(&named, special).map_err(|reason| ChatError::Syntax { model: model(), reason })
    }

    /// A template from its text, with the `special` tokens that it may name (`bos_token` and its like).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(text: &str, special: BTreeMap<String, String>) -> Result<Self, String> {
        Self::of_named(&[(DEFAULT.to_owned(), text.to_owned())], special)
    }

    fn of_named(named: &[(String, String)], special: BTreeMap<String, String>) -> Result<Self, String> {
        let mut environment = environment(Layout::Chat).map_err(|error| error.to_string())?;
        for (name, text) in named {
            translated(name, text, Layout::Chat)
                .and_then(|text| environment.add_template_owned(name.clone(), text))
                .map_err(|error| error.to_string())?;
        }
        let constants: Vec<String> = named.iter().flat_map(|(_, text)| string_constants(text)).collect();
        let usual = named.iter().find(|(name, _)| name == DEFAULT);
        Ok(Self {
            text: usual.map(|(_, text)| text.clone()).unwrap_or_default(),
            environment,
            has_tool_use: named.iter().any(|(name, _)| name == TOOL_USE),
            variables: special.into_iter().map(|(name, token)| (name, Json::from(token))).collect(),
            thinking_end: thinking_end(&constants),
            tells_time: named.iter().any(|(_, text)| text.contains("strftime_now")),
        })
    }

    /// With `arguments` that the template may name (`enable_thinking`); they go before special tokens, and later ones
    /// before earlier ones.
    #[must_use]
    pub fn with_arguments(mut self, arguments: Map<String, Json>) -> Self {
        self.variables.extend(arguments);
        self
    }

    /// The text of the template for chats without tools, as the checkpoint has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What ends a model's thinking, where its template tells: the closing tag that answers are cut at, such as
    /// `</think>`.
    pub fn thinking_end(&self) -> Option<&str> {
        self.thinking_end.as_deref()
    }

    /// Whether what it writes may depend on the time.
    pub fn tells_time(&self) -> bool {
        self.tells_time
    }

    /// The chat as the model reads it, up to where its answer begins (unless the last message is the model's own).
    /// The text holds all special tokens: it is encoded without adding any.
    ///
    /// # Errors
    /// When the template refuses the messages.
    pub fn render(&self, chat: &Conversation, now: UnixTime) -> Result<String, ChatError> {
        match (self.try_render(&chat.messages, chat, now), &chat.messages[..]) {
            (Err(error), [system, user, rest @ ..])
                if chat.refused_system == RefusedSystem::JoinUser
                    && system.is_by(Role::System)
                    && user.is_by(Role::User) =>
            {
                let (Some(first), Some(second)) = (system.text(), user.text()) else { return Err(error) };
                let both = ChatMessage::new(Role::User, format!("{first}\n\n{second}"));
                // The first refusal says more than one of a message nobody wrote.
                self.try_render(&[&[both][..], rest].concat(), chat, now).map_err(|_| error)
            }
            (rendered, _) => rendered,
        }
    }

    fn try_render(&self, messages: &[ChatMessage], chat: &Conversation, now: UnixTime) -> Result<String, ChatError> {
        let answers = messages.last().is_none_or(|last| !last.is_by(Role::Assistant));
        let name = if self.has_tool_use && chat.tools.is_some() { TOOL_USE } else { DEFAULT };
        let told = self.variables.iter().chain(&chat.arguments);
        let mut given: BTreeMap<&str, Value> =
            told.map(|(name, value)| (name.as_str(), Value::from(Serde(value)))).collect();
        given.insert("messages", messages.iter().map(|message| Value::from(Serde(message.fields()))).collect());
        given.entry("add_generation_prompt").or_insert_with(|| Value::from(answers));
        for (name, list) in [("tools", &chat.tools), ("documents", &chat.documents)] {
            match list {
                Some(list) => drop(given.insert(name, Value::from(Serde(list)))),
                None => drop(given.entry(name).or_insert_with(|| Value::from(()))),
            }
        }
        let tell = move |format: String| strftime(now, &format);
        given.entry("strftime_now").or_insert_with(|| Value::from_function(tell));
        let rendered = self.environment.get_template(name).and_then(|template| template.render(given));
        let rendered = rendered.map_err(|error| ChatError::Refused { reason: reason(&error) })?;
        Ok(rendered + &chat.answer_prefix)
    }
}

/// The template called `name`.
fn pick(named: NamedTemplate, name: &str, model: impl Fn() -> String) -> Result<String, ChatError> {
    let known: Vec<String> = named.iter().map(|(name, _)| name.clone()).collect();
    if known.is_empty() {
        return Err(ChatError::NoTemplate { model: model() });
    }
    let picked = named.into_iter().find(|(known, _)| known == name).map(|(_, text)| text);
    picked.ok_or_else(|| ChatError::UnknownTemplate { model: model(), name: name.to_owned(), known })
}

/// The templates that are used where none is asked for.
fn usual(named: NamedTemplate, model: impl Fn() -> String) -> Result<NamedTemplate, ChatError> {
    if named.is_empty() {
        return Err(ChatError::NoTemplate { model: model() });
    }
    if !named.iter().any(|(name, _)| name == DEFAULT) {
        let known = named.into_iter().map(|(name, _)| name).collect();
        return Err(ChatError::NoDefault { model: model(), known });
    }
    Ok(named.into_iter().filter(|(name, _)| [DEFAULT, TOOL_USE].contains(&name.as_str())).collect())
}

/// What a template says where it refuses: its own words, or what is wrong and in which line.
fn reason(error: &minijinja::Error) -> String {
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    match error.line() {
        Some(line) if !is_raised(error) => format!("{detail} (line {line})"),
        _ => detail,
    }
}

/// The closing tag of thinking among a template's constants; the one that is closed last in the text.
fn thinking_end(constants: &[String]) -> Option<String> {
    const TAGS: [&str; 8] = [
        "</think>",
        "[/THINK]",
        "</thinking>",
        "</thought>",
        "</seed:think>",
        "◁/think▷",
        "<|END_THINKING|>",
        "</reasoning>",
    ];
    let uses = |tag: &str| constants.iter().any(|text| text.contains(tag));
    TAGS.into_iter().find(|tag| uses(tag)).map(str::to_owned)
}
