//! `gac generate`: continues prompts.

use std::ops::ControlFlow;

use gac_ensemble::{EnsembleError, Generation, GenerationRequest, Overlong, PromptEncoding};
use gac_inference::{ChatMessage, Role};
use serde::{Deserialize, Serialize};

use super::jsonl;
use super::trace::TraceStep;
use crate::Outcome;
use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::members;
use crate::printer::Printer;
use crate::progress::counter;

const SHAPE: &str =
    r#"{"prompt": "..."}, or {"messages": [{"role": "user", "content": "..."}]} that end with the user's"#;

/// A line to continue.
#[derive(Deserialize)]
#[serde(try_from = "Line")]
struct Prompt {
    /// Messages before the last one.
    turns: Vec<ChatMessage>,
    prompt: String,
}

/// A line as it is written.
#[derive(Deserialize)]
struct Line {
    prompt: Option<String>,
    messages: Option<Vec<ChatMessage>>,
}

impl TryFrom<Line> for Prompt {
    type Error = &'static str;

    fn try_from(line: Line) -> Result<Self, Self::Error> {
        match (line.prompt, line.messages) {
            (Some(prompt), None) => Ok(Self { turns: Vec::new(), prompt }),
            (None, Some(mut turns)) => match turns.pop() {
                Some(ChatMessage { role: Role::User, content }) => Ok(Self { turns, prompt: content }),
                _ => Err("the last of `messages` is not the user's"),
            },
            (Some(_), Some(_)) => Err("it has `prompt` and `messages`"),
            (None, None) => Err("missing field `prompt`"),
        }
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
    let prompts: Vec<(usize, Prompt)> = jsonl::read(&args.prompts, SHAPE)?;
    let output = jsonl::Output::create(&args.output)?;
    let (mut scheduler, settings) = members::ensemble(&args.system, &args.compute)?;
    let models = args.trace.then(|| settings.ensemble().names().map(str::to_owned).collect::<Vec<_>>());
    let system = args.system.voting.system_instruction.as_ref();
    let system = system.map(|text| ChatMessage { role: Role::System, content: text.clone() });
    let requests: Vec<GenerationRequest> = prompts
        .iter()
        .map(|(_, prompt)| GenerationRequest {
            prompt: prompt.prompt.clone(),
            turns: system.iter().chain(&prompt.turns).cloned().collect(),
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
    let lines = prompts
        .into_iter()
        .zip(generations)
        .filter_map(|((_, prompt), generation)| Some(continuation(prompt.prompt, &generation?, models.as_deref())));
    output.finish(lines)
}

/// Says which line of the file a refused prompt stands on.
fn at_line(error: EnsembleError, prompts: &[(usize, Prompt)], args: &GenerateArgs) -> Failure {
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
