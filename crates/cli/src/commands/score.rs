//! `gac score`: log-probabilities of given tokens or texts under one model.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use gac_ensemble::{
    EnsembleError, Gating, LogLikelihoodRequest, Member, ModelId, Overlong, Prompt, PromptEncoding, RequestError,
    Scheduler, Settings, Weights, log_likelihood,
};
use gac_inference::remote::without_passwords;
use gac_inference::{
    LanguageModel, ModelSource, TokenId, TokenScores, Tokenizer, TokenizerLoadError, load_model, score_many,
};
use gac_systems::sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::jsonl;
use super::lines::LineOutput;
use crate::compute::Compute;
use crate::failure::Failure;
use crate::members::{FlagSystem, batch_limits, engine_options};
use crate::outcome::CommandOutcome;
use crate::printer::Printer;
use crate::progress::counter;

#[derive(Args, Debug)]
pub(crate) struct ScoreArgs {
    /// The model: a folder, or a hub id org/name[@revision]
    #[arg(long, value_name = "MODEL")]
    pub(crate) model: String,
    /// JSON lines {"tokens": [..]}, {"text": ".."} or {"context": "..", "continuation": ".."}
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) input: PathBuf,
    /// JSON lines, one per input line, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
    /// Whether texts begin with begin-of-text [default: as the model's files say]
    #[arg(long, visible_alias = "add-bos-token", value_name = "BOOL")]
    pub(crate) add_bos: Option<bool>,
    #[command(flatten)]
    pub(crate) compute: Compute,
}

const SHAPE: &str = r#"{"tokens": [..]}, {"text": ".."} or {"context": "..", "continuation": ".."}"#;

/// What a line asks for.
#[derive(Deserialize)]
#[serde(untagged)]
enum Query {
    Tokens { tokens: Vec<TokenId> },
    Text { text: String },
    Pair { context: String, continuation: String },
}

/// A line as it was read.
struct ScoreLine {
    number: usize,
    fields: Map<String, Value>,
    query: Query,
}

#[derive(Serialize)]
struct ScoredLine<'a> {
    #[serde(flatten)]
    fields: &'a Map<String, Value>,
    logprobs: Vec<f64>,
    sum: f64,
    greedy: bool,
}

/// Scores every line of a file.
pub(crate) fn score(args: &ScoreArgs, printer: &mut Printer) -> CommandOutcome {
    let lines = read(&args.input)?;
    let mut system = FlagSystem::of_model(&args.model, args.add_bos, &args.compute)?;
    let answers = |request: usize, found: &Value| {
        lines[request].fields.iter().all(|(name, value)| found.get(name) == Some(value))
    };
    let request = request(args, &mut system, &lines)?;
    let mut output = LineOutput::open(&args.output, &args.input, (request, lines.len()), &answers, printer)?;
    let missing = output.missing();
    if !missing.is_empty() {
        score_all(args, &mut system, &lines, &missing, &mut output, printer)?;
    }
    output.finish()
}

/// Scores the lines at `missing`, and writes each as it is scored: first those that are one sequence, then those with
/// context and continuation.
fn score_all(
    args: &ScoreArgs,
    system: &mut FlagSystem,
    lines: &[ScoreLine],
    missing: &[usize],
    output: &mut LineOutput,
    printer: &Printer,
) -> CommandOutcome {
    let (mut model, tokenizer): (Box<dyn LanguageModel>, _) = if let Some(served) = system.served()? {
        let tokenizer = Arc::clone(served.tokenizer());
        (Box::new(served), Some(tokenizer))
    } else {
        let source = ModelSource::parse(&args.model)?;
        let model = load_model(&source, &engine_options(&args.compute))?;
        // Lines of ids need no tokenizer: the file may be missing.
        let needs_tokenizer = missing.iter().any(|&line| !matches!(lines[line].query, Query::Tokens { .. }));
        let rows = model.limits().vocabulary;
        let load = || Ok(Tokenizer::load(&source, Some(rows))?.with_add_bos(args.add_bos)?);
        let tokenizer = needs_tokenizer.then(load).transpose().map_err(|error: TokenizerLoadError| error)?;
        (model, tokenizer.map(Arc::new))
    };
    let (pairs, sequences): (Vec<usize>, Vec<usize>) =
        missing.iter().partition(|&&line| matches!(lines[line].query, Query::Pair { .. }));
    let bar = counter(printer, "scoring", missing.len());
    let mut write = |at: usize, TokenScores { logprobs, sum, greedy }: TokenScores| {
        let line = &lines[at];
        if !logprobs.iter().all(|logprob| logprob.is_finite()) {
            let unusable = RequestError::NoProbabilities { member: without_passwords(&args.model) };
            return Err(anyhow::Error::from(unusable).context(place(line.number, &args.input)).into());
        }
        output.add(at, &ScoredLine { fields: &line.fields, logprobs, sum, greedy })?;
        bar.inc(1);
        Ok(())
    };
    let most = batch_limits(&args.compute).max_samples;
    score_sequences(model.as_mut(), tokenizer.as_deref(), (lines, &sequences), most, args, &mut write)?;
    if let Some(tokenizer) = tokenizer {
        let member = Member { name: without_passwords(&args.model), model, tokenizer };
        score_pairs(member, (lines, &pairs), args, &mut write)?;
    }
    bar.finish_and_clear();
    Ok(())
}

/// Stands for everything that the lines of the output follow from.
fn request(args: &ScoreArgs, system: &mut FlagSystem, lines: &[ScoreLine]) -> Result<String, Failure> {
    let request = json!({
        "score": env!("CARGO_PKG_VERSION"),
        "build": option_env!("GAC_BUILD_COMMIT"),
        "model": system.stamp()?,
        "device": args.compute.device.to_string(),
        "lines": lines.iter().map(|line| &line.fields).collect::<Vec<_>>(),
    });
    Ok(sha256::of_bytes(request.to_string()))
}

fn read(path: &Path) -> Result<Vec<ScoreLine>, Failure> {
    let lines: Vec<(usize, Map<String, Value>)> = jsonl::read(path, SHAPE)?;
    lines
        .into_iter()
        .map(|(number, mut fields)| match serde_json::from_value(Value::Object(fields.clone())) {
            Ok(query) => {
                // What was scored before can be scored again.
                fields.retain(|name, _| !matches!(name.as_str(), "logprobs" | "sum" | "greedy"));
                Ok(ScoreLine { number, fields, query })
            }
            Err(_) => Err(Failure::with_hint(
                anyhow::anyhow!("{} asks for nothing that is known", place(number, path)),
                format!("each line is a JSON object {SHAPE}"),
            )),
        })
        .collect()
}

/// Scores the lines at `sequences`, ids or text, many at a time.
fn score_sequences(
    model: &mut dyn LanguageModel,
    tokenizer: Option<&Tokenizer>,
    (lines, sequences): (&[ScoreLine], &[usize]),
    most: usize,
    args: &ScoreArgs,
    write: &mut dyn FnMut(usize, TokenScores) -> CommandOutcome,
) -> CommandOutcome {
    let at = |line: usize| place(lines[line].number, &args.input);
    let encode = |&line: &usize| {
        let ids = match (&lines[line].query, tokenizer) {
            (Query::Tokens { tokens }, _) => tokens.clone(),
            (Query::Text { text }, Some(tokenizer)) => tokenizer.encode_prompt(text).with_context(|| at(line))?,
            _ => Vec::new(),
        };
        anyhow::ensure!(!ids.is_empty(), "{}: there are no tokens; at least one is needed", at(line));
        Ok(ids)
    };
    let ids = sequences.iter().map(encode).collect::<anyhow::Result<Vec<Vec<TokenId>>>>()?;
    let ids: Vec<&[TokenId]> = ids.iter().map(Vec::as_slice).collect();
    let mut written = Ok(());
    let scored = score_many(model, &ids, most, &mut |index, score| {
        written = write(sequences[index], score);
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    scored.map_err(|error| anyhow::Error::from(error.source).context(at(sequences[error.place])))?;
    written
}

/// Scores the lines at `pairs`, context and continuation, many at a time, with lm-evaluation-harness's split into ids.
fn score_pairs(
    member: Member,
    (lines, pairs): (&[ScoreLine], &[usize]),
    args: &ScoreArgs,
    write: &mut dyn FnMut(usize, TokenScores) -> CommandOutcome,
) -> CommandOutcome {
    let request = |&line: &usize| match &lines[line].query {
        Query::Pair { context, continuation } => Some(LogLikelihoodRequest {
            context: Prompt::from(context.as_str()),
            continuation: continuation.clone(),
            encoding: PromptEncoding::WithSpecial,
            overlong: Overlong::Refuse,
        }),
        Query::Tokens { .. } | Query::Text { .. } => None,
    };
    let requests: Vec<LogLikelihoodRequest> = pairs.iter().filter_map(request).collect();
    let mut scheduler = Scheduler::new(vec![member]);
    let alone = scheduler.ensemble(&[ModelId(0)])?;
    let settings = Arc::new(Settings::new(alone, Weights::uniform(1), Gating::EveryStep)?);
    let limits = batch_limits(&args.compute);
    let mut written = Ok(());
    let scored = log_likelihood(&mut scheduler, &settings, &requests, limits, &mut |index, found| {
        written = write(pairs[index], TokenScores { logprobs: found.tokens, sum: found.sum, greedy: found.greedy });
        if written.is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    });
    scored.map_err(|error| match error {
        EnsembleError::Request { request, source } if request < pairs.len() => {
            Failure::from(anyhow::Error::from(source).context(place(lines[pairs[request]].number, &args.input)))
        }
        error => error.into(),
    })?;
    written
}

fn place(number: usize, path: &Path) -> String {
    format!("line {number} of `{}`", path.display())
}
