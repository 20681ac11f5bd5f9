//! Renders chats by their templates: JSON lines in, JSON lines out, for whoever compares with another renderer.
//!
//! A line of standard input is `{"template": TEXT, ...}` or `{"model": FOLDER_OR_GGUF, "choice": NAME, ...}` with
//! `"messages"` and, where wanted, `"tools"`, `"documents"`, `"special"` (tokens by name), `"arguments"` and `"time"`
//! (seconds since 1970). The line of standard output is `{"text": ...}`, or `{"error": ...}`.

use std::collections::BTreeMap;
use std::io::{self, BufRead, Write};

use gac_inference::{ChatMessage, ChatTemplate, Conversation, ModelSource, TemplateChoice, UnixTime};
use serde::Deserialize;
use serde_json::{Map, Value, json};

#[derive(Deserialize)]
struct Case {
    template: Option<String>,
    model: Option<String>,
    choice: Option<String>,
    messages: Vec<ChatMessage>,
    tools: Option<Vec<Value>>,
    documents: Option<Vec<Value>>,
    #[serde(default)]
    special: BTreeMap<String, String>,
    #[serde(default)]
    arguments: Map<String, Value>,
    #[serde(default)]
    time: u64,
}

fn main() -> io::Result<()> {
    let mut out = io::stdout().lock();
    for line in io::stdin().lock().lines() {
        let rendered = serde_json::from_str(&line?).map_err(|error| error.to_string()).and_then(render);
        let answer = match rendered {
            Ok(text) => json!({ "text": text }),
            Err(error) => json!({ "error": error }),
        };
        writeln!(out, "{answer}")?;
    }
    Ok(())
}

fn render(case: Case) -> Result<String, String> {
    let template = match (case.template, case.model) {
        (Some(text), None) => ChatTemplate::new(&text, case.special)?,
        (None, Some(model)) => {
            let source = ModelSource::parse(&model).map_err(|error| error.to_string())?;
            let choice = case.choice.map(TemplateChoice::Name);
            ChatTemplate::load(&source, choice.as_ref()).map_err(|error| error.to_string())?
        }
        _ => return Err("a line has `template` or `model`".to_owned()),
    };
    let Case { messages, tools, documents, .. } = case;
    let chat = Conversation { messages, tools, documents, ..Conversation::default() };
    let template = template.with_arguments(case.arguments);
    template.render(&chat, UnixTime(case.time)).map_err(|error| error.to_string())
}
