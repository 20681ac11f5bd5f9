//! `gac generate`: continues prompts.

use std::ops::ControlFlow;

use gac_ensemble::{EnsembleError, Generation, GenerationRequest, Overlong, PromptEncoding};
use serde::{Deserialize, Serialize};

use super::jsonl;
use super::trace::TraceStep;
use crate::Outcome;
use crate::args::GenerateArgs;
use crate::failure::Failure;
use crate::members;
use crate::printer::Printer;
use crate::progress::counter;

const SHAPE: &str = r#"{"prompt": "..."}"#;

#[derive(Deserialize)]
struct Prompt {
    prompt: String,
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
    let mut ensemble = members::ensemble(&args.system, &args.compute)?;
    let models = args.trace.then(|| ensemble.names().map(str::to_owned).collect::<Vec<_>>());
    let requests: Vec<GenerationRequest> = prompts
        .iter()
        .map(|(_, prompt)| GenerationRequest {
            prompt: prompt.prompt.clone(),
            encoding: PromptEncoding::WithSpecial,
            stop: args.until.iter().filter(|text| !text.is_empty()).cloned().collect(),
            max_new_tokens: args.max_new_tokens,
            overlong: Overlong::Refuse,
            trace: args.trace,
        })
        .collect();
    let bar = counter(printer, "generating", requests.len());
    let mut generations: Vec<Option<Generation>> = requests.iter().map(|_| None).collect();
    let generated = ensemble.generate(&requests, members::batch_limits(&args.compute), &mut |index, generation| {
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
    match error.request().and_then(|request| prompts.get(request)) {
        Some((line, _)) => {
            anyhow::Error::from(error).context(format!("line {line} of `{}`", args.prompts.display())).into()
        }
        None => error.into(),
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
