//! `gac score`: log-probabilities of given tokens or texts under one model.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context;
use gac_ensemble::{
    EnsembleError, Gating, LogLikelihoodRequest, Member, ModelId, Overlong, Prompt, PromptEncoding, Scheduler,
    Settings, Weights, log_likelihood,
};
use gac_inference::{
    LanguageModel, ModelSource, TokenId, TokenScores, Tokenizer, TokenizerLoadError, load_model, score_tokens,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::jsonl;
use crate::Outcome;
use crate::args::ScoreArgs;
use crate::failure::Failure;
use crate::members::{batch_limits, engine_options};
use crate::printer::Printer;
use crate::progress::counter;

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
struct Line {
    number: usize,
    fields: Map<String, Value>,
    query: Query,
}

#[derive(Serialize)]
struct Scored {
    #[serde(flatten)]
    fields: Map<String, Value>,
    logprobs: Vec<f64>,
    sum: f64,
    greedy: bool,
}

/// Scores every line of a file.
pub(crate) fn score(args: &ScoreArgs, printer: &mut Printer) -> Outcome {
    let lines = read(&args.input)?;
    let output = jsonl::Output::create(&args.output)?;
    let source = ModelSource::parse(&args.model)?;
    let mut model = load_model(&source, &engine_options(&args.compute))?;
    // Lines of ids need no tokenizer: the file may be missing.
    let needs_tokenizer = lines.iter().any(|line| !matches!(line.query, Query::Tokens { .. }));
    let rows = model.limits().vocabulary;
    let load = || Ok(Tokenizer::load(&source, Some(rows))?.with_add_bos(args.add_bos)?);
    let tokenizer = needs_tokenizer.then(load).transpose().map_err(|error: TokenizerLoadError| error)?.map(Arc::new);
    let bar = counter(printer, "scoring", lines.len());
    let mut scores: Vec<Option<TokenScores>> = Vec::with_capacity(lines.len());
    for line in &lines {
        let ids = match (&line.query, &tokenizer) {
            (Query::Tokens { tokens }, _) => Some(tokens.clone()),
            (Query::Text { text }, Some(tokenizer)) => {
                Some(tokenizer.encode_prompt(text).with_context(|| place(line.number, &args.input))?)
            }
            _ => None,
        };
        let score = ids.map(|ids| sequence(model.as_mut(), &ids).with_context(|| place(line.number, &args.input)));
        bar.inc(u64::from(score.is_some()));
        scores.push(score.transpose()?);
    }
    if let Some(tokenizer) = tokenizer {
        let member = Member { name: args.model.clone(), model, tokenizer };
        pairs(member, &lines, &mut scores, args, &|| bar.inc(1))?;
    }
    bar.finish_and_clear();
    output.finish(lines.into_iter().zip(scores).filter_map(|(line, score)| {
        let TokenScores { logprobs, sum, greedy } = score?;
        Some(Scored { fields: line.fields, logprobs, sum, greedy })
    }))
}

fn read(path: &Path) -> Result<Vec<Line>, Failure> {
    let lines: Vec<(usize, Map<String, Value>)> = jsonl::read(path, SHAPE)?;
    lines
        .into_iter()
        .map(|(number, fields)| match serde_json::from_value(Value::Object(fields.clone())) {
            Ok(query) => Ok(Line { number, fields, query }),
            Err(_) => Err(Failure::with_hint(
                anyhow::anyhow!("{} asks for nothing that is known", place(number, path)),
                format!("each line is a JSON object {SHAPE}"),
            )),
        })
        .collect()
}

fn sequence(model: &mut dyn LanguageModel, ids: &[TokenId]) -> anyhow::Result<TokenScores> {
    anyhow::ensure!(!ids.is_empty(), "there are no tokens; at least one is needed");
    Ok(score_tokens(model, ids)?)
}

/// Scores the lines with context and continuation, many at a time, with lm-evaluation-harness's split into ids.
fn pairs(
    member: Member,
    lines: &[Line],
    scores: &mut [Option<TokenScores>],
    args: &ScoreArgs,
    finished: &dyn Fn(),
) -> Result<(), Failure> {
    let (places, requests): (Vec<usize>, Vec<LogLikelihoodRequest>) = lines
        .iter()
        .enumerate()
        .filter_map(|(place, line)| match &line.query {
            Query::Pair { context, continuation } => Some((
                place,
                LogLikelihoodRequest {
                    context: Prompt::from(context.as_str()),
                    continuation: continuation.clone(),
                    encoding: PromptEncoding::WithSpecial,
                    overlong: Overlong::Refuse,
                },
            )),
            Query::Tokens { .. } | Query::Text { .. } => None,
        })
        .unzip();
    let mut scheduler = Scheduler::new(vec![member]);
    let alone = scheduler.ensemble(&[ModelId(0)])?;
    let settings = Arc::new(Settings::new(alone, Weights::uniform(1), Gating::EveryStep)?);
    let limits = batch_limits(&args.compute);
    let scored = log_likelihood(&mut scheduler, &settings, &requests, limits, &mut |index, found| {
        scores[places[index]] = Some(TokenScores { logprobs: found.tokens, sum: found.sum, greedy: found.greedy });
        finished();
        ControlFlow::Continue(())
    });
    scored.map_err(|error| match error {
        EnsembleError::Request { request, source } if request < places.len() => {
            let line = place(lines[places[request]].number, &args.input);
            anyhow::Error::from(source).context(line).into()
        }
        error => error.into(),
    })
}

fn place(number: usize, path: &Path) -> String {
    format!("line {number} of `{}`", path.display())
}
