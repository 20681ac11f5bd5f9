//! `gac generate`: continues prompts.

use std::ops::ControlFlow;

use gac_ensemble::{EnsembleError, Generation, GenerationRequest, Overlong, Prompt, PromptEncoding};
use gac_inference::{ChatMessage, Conversation, RefusedSystem, Role};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::eval::check;
use super::jsonl;
use super::trace::TraceStep;
use crate::Outcome;
use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::members;
use crate::printer::Printer;
use crate::progress::counter;

const SHAPE: &str =
    r#"{"prompt": "..."}, or {"messages": [{"role": "user", "content": "..."}]} that end with what is to be answered"#;

/// A line to continue.
#[derive(Deserialize)]
#[serde(try_from = "Line")]
struct Asked(Prompt);

/// A line as it is written.
#[derive(Deserialize)]
struct Line {
    prompt: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    tools: Option<Vec<Value>>,
    documents: Option<Vec<Value>>,
}

impl TryFrom<Line> for Asked {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        let Line { prompt, messages, tools, documents } = line;
        match (prompt, messages) {
            (Some(_), None) if tools.is_some() || documents.is_some() => {
                Err("tools and documents belong to `messages`")
            }
            (Some(prompt), None) => Ok(Self(Prompt::Text(prompt))),
            (None, Some(messages)) => match messages.last() {
                Some(last) if !last.is_by(Role::Assistant) => {
                    Ok(Self(Prompt::Chat(Conversation { messages, tools, documents, ..Conversation::default() })))
                }
                Some(_) => Err("the last of `messages` is the assistant's: it ends with the user's, or a tool's"),
                None => Err("`messages` is empty: it ends with the user's"),
            },
            (Some(_), Some(_)) => Err("it has `prompt` and `messages`"),
            (None, None) => Err("missing field `prompt`"),
        }
    }
}

impl Asked {
    /// As a chat where one is asked for, with a system's message in front.
    fn prompt(&self, chats: bool, system: Option<&str>) -> Prompt {
        let chat = match &self.0 {
            Prompt::Chat(chat) => chat.clone(),
            Prompt::Text(text) if chats => Conversation::from(vec![ChatMessage::new(Role::User, text)]),
            Prompt::Text(_) => return self.0.clone(),
        };
        let Some(system) = system else { return Prompt::Chat(chat) };
        let system = ChatMessage::new(Role::System, system);
        Prompt::Chat(Conversation {
            messages: std::iter::once(system).chain(chat.messages).collect(),
            refused_system: RefusedSystem::JoinUser,
            ..chat
        })
    }
}

#[derive(Serialize)]
struct Continuation {
    prompt: String,
    text: String,
    tokens: usize,
    ensembled: usize,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<TraceStep>>,
}

/// Continues every prompt of a file.
pub(crate) fn generate(args: &GenerateArgs, printer: &mut Printer) -> Outcome {
    if args.max_new_tokens == 0 {
        return Err(Failure::with_hint(anyhow::anyhow!("`--max-new-tokens` is 0"), "it must be at least 1"));
    }
    let prompts: Vec<(usize, Asked)> = jsonl::read(&args.prompts, SHAPE)?;
    let output = jsonl::Output::create(&args.output)?;
    let voting = &args.system.voting;
    let chats = prompts.iter().any(|(_, asked)| matches!(asked.0, Prompt::Chat(_)));
    let chats = chats || voting.apply_chat_template;
    check(&args.system, chats)?;
    let (mut scheduler, settings) = members::ensemble(&args.system, &args.chat, chats, &args.compute)?;
    let models = args.trace.then(|| settings.ensemble().names().map(str::to_owned).collect::<Vec<_>>());
    let requests: Vec<GenerationRequest> = prompts
        .iter()
        .map(|(_, asked)| GenerationRequest {
            decoding: None,
            prompt: asked.prompt(voting.apply_chat_template, voting.system_instruction.as_deref()),
            encoding: PromptEncoding::WithSpecial,
            stop: args.until.iter().filter(|text| !text.is_empty()).cloned().collect(),
            max_new_tokens: args.max_new_tokens,
            overlong: Overlong::Refuse,
            trace: args.trace,
        })
        .collect();
    let bar = counter(printer, "generating", requests.len());
    let mut generations: Vec<Option<Generation>> = requests.iter().map(|_| None).collect();
    let limits = members::batch_limits(&args.compute);
    let generated = gac_ensemble::generate(&mut scheduler, &settings, &requests, limits, &mut |index, generation| {
        generations[index] = Some(generation);
        bar.inc(1);
        ControlFlow::Continue(())
    });
    bar.finish_and_clear();
    generated.map_err(|error| at_line(error, &prompts, args))?;
    let lines = prompts.into_iter().zip(generations).filter_map(|((_, asked), generation)| {
        Some(continuation(asked.0.last_words().into_owned(), &generation?, models.as_deref()))
    });
    output.finish(lines)
}

/// Says which line of the file a refused prompt stands on.
fn at_line(error: EnsembleError, prompts: &[(usize, Asked)], args: &GenerateArgs) -> Failure {
    match error {
        EnsembleError::Request { request, source } if request < prompts.len() => {
            let place = format!("line {} of `{}`", prompts[request].0, args.prompts.display());
            anyhow::Error::from(source).context(place).into()
        }
        error => error.into(),
    }
}

fn continuation(prompt: String, generation: &Generation, models: Option<&[String]>) -> Continuation {
    Continuation {
        prompt,
        text: generation.text(),
        tokens: generation.tokens,
        ensembled: generation.ensembled,
        seconds: generation.seconds,
        models: models.map(<[String]>::to_vec),
        steps: models.map(|_| generation.steps.iter().map(TraceStep::from).collect()),
    }
}
