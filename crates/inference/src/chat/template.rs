//! A checkpoint's chat template.

use std::collections::BTreeMap;

use minijinja::value::{Serde, Value};
use minijinja::{Environment, context};
use serde::{Deserialize, Serialize};
use serde_json::Value as Json;

use super::date::UnixTime;
use super::functions::{prepare, set_time};
use crate::checkpoint::files::{CheckpointError, ModelSource, read_json};
use crate::checkpoint::gguf::Gguf;

/// Who says something.
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

/// One message of a chat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChatMessage {
    /// Who says it.
    pub role: Role,
    /// What is said.
    pub content: String,
}

/// What a chat template is called in its environment.
const NAME: &str = "chat";

/// The way in which one model writes down a chat: the Jinja template of its checkpoint, rendered as transformers'
/// `apply_chat_template` does (`trim_blocks`, `lstrip_blocks`, loop controls, `raise_exception`, `strftime_now`,
/// `tojson`, and `{% generation %}` blocks, whose content is kept).
#[derive(Debug)]
pub struct ChatTemplate {
    environment: Environment<'static>,
    /// `bos_token` and its like, by name.
    special: BTreeMap<String, String>,
}

/// The special tokens that templates may name.
const SPECIAL: [&str; 5] = ["bos_token", "eos_token", "unk_token", "pad_token", "sep_token"];

impl ChatTemplate {
    /// The template of a checkpoint: `chat_template.jinja`, or else what `tokenizer_config.json` has under
    /// `chat_template` (of several, the one called `default`). A GGUF file has it in its metadata.
    ///
    /// # Errors
    /// When a file is damaged, there is no template, or it is no Jinja.
    pub fn load(source: &ModelSource) -> Result<Self, ChatError> {
        if let ModelSource::Gguf(path) = source {
            return Self::of_gguf(&Gguf::open(path)?);
        }
        let config: Json = match source.find("tokenizer_config.json")? {
            Some(path) => read_json(&path)?,
            None => Json::Null,
        };
        let text = match source.find("chat_template.jinja")? {
            Some(path) => Some(std::fs::read_to_string(&path).map_err(|error| ChatError::Unreadable {
                path: path.display().to_string(),
                reason: error.to_string(),
            })?),
            None => named(&config["chat_template"]),
        };
        let text = text.ok_or_else(|| ChatError::NoTemplate { model: source.to_string() })?;
        let special = SPECIAL.iter().filter_map(|&name| {
            let token = &config[name];
            let token = token.as_str().or_else(|| token["content"].as_str())?;
            Some((name.to_owned(), token.to_owned()))
        });
        Self::new(&text, special.collect()).map_err(|reason| ChatError::Syntax { model: source.to_string(), reason })
    }

    fn of_gguf(gguf: &Gguf) -> Result<Self, ChatError> {
        let model = gguf.path().display().to_string();
        let Some(text) = gguf.text("tokenizer.chat_template") else { return Err(ChatError::NoTemplate { model }) };
        let tokens = gguf.texts("tokenizer.ggml.tokens").unwrap_or_default();
        // In the order of the names, under the format's own (one of them misspelt).
        let keys = ["bos", "eos", "unknown", "padding", "seperator"];
        let special = SPECIAL.iter().zip(keys).filter_map(|(&name, key)| {
            let id = gguf.count(&format!("tokenizer.ggml.{key}_token_id"))?;
            Some((name.to_owned(), (*tokens.get(usize::try_from(id).ok()?)?).to_owned()))
        });
        Self::new(text, special.collect()).map_err(|reason| ChatError::Syntax { model, reason })
    }

    /// A template from its text, with the `special` tokens that it may name (`bos_token` and its like).
    ///
    /// # Errors
    /// What is wrong with the text.
    pub fn new(text: &str, special: BTreeMap<String, String>) -> Result<Self, String> {
        let mut environment = Environment::new();
        prepare(&mut environment)
            .and_then(|()| environment.add_template_owned(NAME, without_generation_tags(text)))
            .map_err(|error| error.to_string())?;
        Ok(Self { environment, special })
    }

    /// `messages` as the model reads them, up to where its answer begins (unless the last message is the model's own).
    /// The text holds all special tokens: it is encoded without adding any.
    ///
    /// A template that refuses a system message gets it as the beginning of the first user message.
    ///
    /// # Errors
    /// When the template refuses the messages.
    pub fn render(&self, messages: &[ChatMessage], now: UnixTime) -> Result<String, ChatError> {
        match (self.try_render(messages, now), messages) {
            (Err(error), [system, user, rest @ ..]) if system.role == Role::System && user.role == Role::User => {
                let both = ChatMessage { role: Role::User, content: format!("{}\n\n{}", system.content, user.content) };
                // The first refusal says more than one of a message nobody wrote.
                self.try_render(&[&[both][..], rest].concat(), now).map_err(|_| error)
            }
            (rendered, _) => rendered,
        }
    }

    fn try_render(&self, messages: &[ChatMessage], now: UnixTime) -> Result<String, ChatError> {
        let mut environment = self.environment.clone();
        set_time(&mut environment, now);
        let answers = messages.last().is_none_or(|last| last.role != Role::Assistant);
        let given = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => answers,
            tools => Value::from(()),
            documents => Value::from(()),
            ..Value::from(Serde(&self.special))
        };
        let template = environment.get_template(NAME).and_then(|template| template.render(given));
        template.map_err(|error| ChatError::Refused { reason: error.detail().unwrap_or(&error.to_string()).to_owned() })
    }
}

/// The text of `chat_template`, or of the template called `default` in a list of them.
fn named(template: &Json) -> Option<String> {
    if let Some(text) = template.as_str() {
        return Some(text.to_owned());
    }
    let list = template.as_array()?;
    let default = list.iter().find(|one| one["name"] == "default").or(list.first())?;
    Some(default["template"].as_str()?.to_owned())
}

/// `{% generation %}` and `{% endgeneration %}`, which only mark what a model is trained on, as a condition that always
/// holds: white space around them is then treated as around any block.
fn without_generation_tags(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find("{%") {
        let (before, tag) = rest.split_at(start);
        out.push_str(before);
        let Some(end) = tag.find("%}") else {
            rest = tag;
            break;
        };
        let (tag, after) = tag.split_at(end + 2);
        let inner = &tag[2..tag.len() - 2];
        let name = inner.trim_matches(|c: char| c.is_whitespace() || c == '-' || c == '+');
        let replaced = match name {
            "generation" => Some(inner.replacen("generation", "if true", 1)),
            "endgeneration" => Some(inner.replacen("endgeneration", "endif", 1)),
            _ => None,
        };
        match replaced {
            Some(inner) => out.extend(["{%", &inner, "%}"]),
            None => out.push_str(tag),
        }
        rest = after;
    }
    out.push_str(rest);
    out
}

/// A chat that cannot be written down.
#[derive(Debug, thiserror::Error)]
pub enum ChatError {
    /// A file of the checkpoint cannot be used.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// The template's file cannot be read.
    #[error("failed to read the chat template `{path}`: {reason}")]
    Unreadable {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// There is none.
    #[error("`{model}` has no chat template")]
    NoTemplate {
        /// The model.
        model: String,
    },
    /// It is no Jinja.
    #[error("the chat template of `{model}` cannot be used: {reason}")]
    Syntax {
        /// The model.
        model: String,
        /// What is wrong.
        reason: String,
    },
    /// It does not take these messages.
    #[error("the chat template refuses the messages: {reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
}

impl ChatError {
    /// What a user can do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Checkpoint(error) => error.hint(),
            Self::NoTemplate { .. } => Some("only models tuned for chat have one: leave out `--apply-chat-template`"),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn template(text: &str) -> ChatTemplate {
        let special = [("bos_token", "<s>"), ("eos_token", "</s>")];
        ChatTemplate::new(text, special.map(|(name, token)| (name.to_owned(), token.to_owned())).into()).unwrap()
    }

    fn message(role: Role, content: &str) -> ChatMessage {
        ChatMessage { role, content: content.to_owned() }
    }

    fn render(text: &str, messages: &[ChatMessage]) -> Result<String, ChatError> {
        template(text).render(messages, UnixTime(1_709_210_096))
    }

    const PLAIN: &str = "{{ bos_token }}{% for m in messages %}\n  {{- m.role }}: {{ m['content'] | trim }}{{ eos_token }}\n\
                         {% endfor %}\n{%- if add_generation_prompt %}assistant:{% endif %}";

    #[test]
    fn messages_are_written_as_the_template_says() {
        let chat = [message(Role::User, " Hi "), message(Role::Assistant, "Yes?"), message(Role::User, "2+2")];
        assert_eq!(render(PLAIN, &chat).unwrap(), "<s>user: Hi</s>\nassistant: Yes?</s>\nuser: 2+2</s>\nassistant:");
        assert_eq!(render(PLAIN, &chat[..2]).unwrap(), "<s>user: Hi</s>\nassistant: Yes?</s>\n");
    }

    #[test]
    fn a_template_may_ask_for_the_date_break_loops_and_refuse() {
        assert_eq!(render("{{ strftime_now('%d %b %Y') }}", &[]).unwrap(), "29 Feb 2024");
        let loops = "{% for n in [1, 2, 3, 4] %}{% if n == 2 %}{% continue %}{% endif %}{% if n == 4 %}{% break %}{% endif %}\
                     {{ n }}{% endfor %}";
        assert_eq!(render(loops, &[]).unwrap(), "13");
        let error = render("{{ raise_exception('no tools') }}", &[]).unwrap_err();
        assert!(matches!(&error, ChatError::Refused { reason } if reason == "no tools"), "{error:?}");
    }

    #[test]
    fn json_is_pythons() {
        let of = |text: &str| render(text, &[]).unwrap();
        assert_eq!(of("{{ {'a': [1, 'é<&\\''], 'b': none} | tojson }}"), "{\"a\": [1, \"é<&'\"], \"b\": null}");
        assert_eq!(of("{{ [1, {'a': true}] | tojson(indent=2) }}"), "[\n  1,\n  {\n    \"a\": true\n  }\n]");
    }

    #[test]
    fn generation_tags_keep_their_content_and_blocks_their_white_space_rules() {
        let text = "a\n  {% generation %}\nb\n  {%- endgeneration -%}\n  c";
        assert_eq!(render(text, &[]).unwrap(), "a\nbc");
        assert_eq!(
            without_generation_tags("{% generations %}{{ generation }}{%"),
            "{% generations %}{{ generation }}{%"
        );
    }

    #[test]
    fn pythons_methods_work_on_texts_and_dictionaries() {
        let of = |text: &str| render(text, &[]).unwrap();
        assert_eq!(of("{{ ' ab '.strip() }}{{ 'xxa'.lstrip('x') }}{{ 'a\n'.rstrip() }}"), "abaa");
        assert_eq!(of("{{ 'ab'.startswith('a') }} {{ 'ab'.endswith(('x', 'b')) }}"), "True True");
        assert_eq!(
            of("{{ 'a,b,c'.split(',')[1] }}{{ 'a b'.split() | length }}{{ 'a-b-c'.split('-', 1)[1] }}"),
            "b2b-c"
        );
        assert_eq!(
            of("{{ 'aB'.upper() }}{{ 'aB'.lower() }}{{ 'aB'.capitalize() }}{{ 'ab'.replace('b', 'c') }}"),
            "ABabAbac"
        );
        assert_eq!(of("{% for k, v in {'a': 1}.items() %}{{ k }}{{ v }}{% endfor %}{{ {'a': 1}.get('b', 2) }}"), "a12");
        assert!(render("{{ 'a'.frobnicate() }}", &[]).is_err());
    }

    #[test]
    fn a_system_message_that_is_refused_goes_to_the_first_user_message() {
        let strict = "{% for m in messages %}{% if m.role == 'system' %}{{ raise_exception('no system') }}{% endif %}\
                      [{{ m.content }}]{% endfor %}";
        let chat = [message(Role::System, "Be brief."), message(Role::User, "Hi"), message(Role::Assistant, "Yes?")];
        assert_eq!(render(strict, &chat).unwrap(), "[Be brief.\n\nHi][Yes?]");
        assert!(render(strict, &chat[..1]).is_err());
    }

    #[test]
    fn of_several_templates_the_default_one_is_taken() {
        let several = serde_json::json!([{"name": "tools", "template": "t"}, {"name": "default", "template": "d"}]);
        assert_eq!(named(&several).as_deref(), Some("d"));
        assert_eq!(named(&Json::from("x")).as_deref(), Some("x"));
        assert_eq!(named(&Json::Null), None);
    }
}
