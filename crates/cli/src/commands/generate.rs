//! `gac generate`: continues prompts.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use gac_ensemble::{
    DraftCounts, EnsembleError, Generation, GenerationRequest, Overlong, Prompt, PromptEncoding, Scheduler, Settings,
};
use gac_inference::{ChatMessage, Conversation, RefusedSystem, Role};
use gac_systems::{StepRecord, sha256};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::eval::check;
use super::jsonl;
use super::lines::LineOutput;
use crate::compute::Compute;
use crate::failure::Failure;
use crate::members::{self, FlagSystem};
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::progress::counter;
use crate::shared_args::{ChatArgs, SystemArgs};

#[derive(Args, Debug)]
pub(crate) struct GenerateArgs {
    #[command(flatten)]
    pub(crate) system: SystemArgs,
    /// JSON lines {"prompt": "..."} or {"messages": [..], "tools": [..]}; messages are a chat, written down by each
    /// model's own template
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) prompts: PathBuf,
    /// JSON lines, one per prompt, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
    /// Most tokens per prompt
    #[arg(long, value_name = "N", default_value_t = 256)]
    pub(crate) max_new_tokens: usize,
    /// End where this text appears (repeatable)
    #[arg(long, value_name = "TEXT")]
    pub(crate) until: Vec<String>,
    /// Write every step
    #[arg(long)]
    pub(crate) trace: bool,
    #[command(flatten)]
    pub(crate) chat: ChatArgs,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

const SHAPE: &str =
    r#"{"prompt": "..."}, or {"messages": [{"role": "user", "content": "..."}]} that end with what is to be answered"#;

/// A line to continue.
#[derive(Deserialize)]
#[serde(try_from = "PromptFields")]
struct PromptLine(Prompt);

/// A line as it is written.
#[derive(Deserialize)]
struct PromptFields {
    prompt: Option<String>,
    messages: Option<Vec<ChatMessage>>,
    tools: Option<Vec<Value>>,
    documents: Option<Vec<Value>>,
}

impl TryFrom<PromptFields> for PromptLine {
    type Error = &'static str;

    fn try_from(line: PromptFields) -> Result<Self, Self::Error> {
        let PromptFields { prompt, messages, tools, documents } = line;
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

impl PromptLine {
    /// As a chat where one is asked for, with a system's message in front.
    fn prompt(&self, chats: bool, system: Option<&str>) -> Prompt {
        let chat = match &self.0 {
            Prompt::Chat(chat) => chat.clone(),
            Prompt::Text(text) if chats => Conversation::from(vec![ChatMessage::new(Role::User, text)]),
            Prompt::Text(_) | Prompt::Tokens(_) => return self.0.clone(),
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
struct GeneratedLine<'a> {
    prompt: &'a str,
    text: String,
    tokens: usize,
    ensembled: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    drafts: Option<DraftCounts>,
    seconds: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    models: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<StepRecord>>,
}

/// Continues every prompt of a file.
pub(crate) fn generate(args: &GenerateArgs, printer: &mut Printer) -> CommandOutcome {
    if args.max_new_tokens == 0 {
        return Err(Failure::with_hint(anyhow::anyhow!("`--max-new-tokens` is 0"), "it must be at least 1"));
    }
    let prompts: Vec<(usize, PromptLine)> = jsonl::read(&args.prompts, SHAPE)?;
    let chats = prompts.iter().any(|(_, asked)| matches!(asked.0, Prompt::Chat(_)));
    let chats = chats || args.system.voting.apply_chat_template;
    check(&args.system, chats)?;
    let mut system = FlagSystem::resolve(&args.system, &args.chat, chats, &args.compute)?;
    let answers = |request: usize, line: &Value| {
        line.get("prompt").and_then(Value::as_str) == Some(&*prompts[request].1.0.last_words())
    };
    let request = request(args, &mut system, &prompts)?;
    let mut output = LineOutput::open(&args.output, &args.prompts, (request, prompts.len()), &answers, printer)?;
    let missing = output.missing();
    if !missing.is_empty() {
        let (mut scheduler, settings) = system.open(output.began())?;
        continue_all((&mut scheduler, &settings), args, &prompts, &missing, &mut output, printer)?;
    }
    output.finish()
}

/// Continues the prompts at `missing`, and writes each as it ends.
fn continue_all(
    (scheduler, settings): (&mut Scheduler, &Arc<Settings>),
    args: &GenerateArgs,
    prompts: &[(usize, PromptLine)],
    missing: &[usize],
    output: &mut LineOutput,
    printer: &Printer,
) -> CommandOutcome {
    let voting = &args.system.voting;
    let models = args.trace.then(|| settings.ensemble().names().map(str::to_owned).collect::<Vec<_>>());
    let requests: Vec<GenerationRequest> = missing
        .iter()
        .map(|&request| &prompts[request].1)
        .map(|asked| GenerationRequest {
            log_probs: None,
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
    let mut written = Ok(());
    let limits = members::batch_limits(&args.compute);
    let generated = gac_ensemble::generate(scheduler, settings, &requests, limits, &mut |index, generation| {
        let request = missing[index];
        written =
            output.add(request, &continuation(&prompts[request].1.0.last_words(), &generation, models.as_deref()));
        bar.inc(1);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    bar.finish_and_clear();
    generated.map_err(|error| at_line(error, prompts, missing, args))?;
    written
}

/// Stands for everything that the lines of the output follow from.
fn request(args: &GenerateArgs, system: &mut FlagSystem, prompts: &[(usize, PromptLine)]) -> Result<String, Failure> {
    let prompts = prompts.iter().map(|(_, asked)| match &asked.0 {
        Prompt::Text(text) => json!(text),
        Prompt::Tokens(ids) => json!(ids),
        Prompt::Chat(chat) => json!([chat.messages, chat.tools, chat.documents]),
    });
    let request = json!({
        "generate": env!("CARGO_PKG_VERSION"),
        "build": option_env!("GAC_BUILD_COMMIT"),
        "system": system.stamp()?,
        // A trace names them.
        "members": args.trace.then(|| system.members()),
        "device": args.compute.device.to_string(),
        "system_instruction": args.system.voting.system_instruction,
        "until": args.until,
        "max_new_tokens": args.max_new_tokens,
        "prompts": prompts.collect::<Vec<_>>(),
    });
    Ok(sha256::of_bytes(request.to_string()))
}

/// Says which line of the file a refused prompt stands on.
fn at_line(error: EnsembleError, prompts: &[(usize, PromptLine)], missing: &[usize], args: &GenerateArgs) -> Failure {
    match error {
        EnsembleError::Request { request, source } if request < missing.len() => {
            let place = format!("line {} of `{}`", prompts[missing[request]].0, args.prompts.display());
            anyhow::Error::from(source).context(place).into()
        }
        error => error.into(),
    }
}

fn continuation<'a>(prompt: &'a str, generation: &Generation, models: Option<&'a [String]>) -> GeneratedLine<'a> {
    GeneratedLine {
        prompt,
        text: generation.text(),
        tokens: generation.tokens,
        ensembled: generation.ensembled,
        drafts: Some(generation.drafts).filter(|drafts| drafts.verifications > 0),
        seconds: generation.seconds,
        models,
        steps: models.map(|_| generation.steps.iter().map(StepRecord::from).collect()),
    }
}
