//! `gac tasks score`: saved responses scored again, without a model.

use std::path::PathBuf;

use clap::Args;
use gac_harness::rescore::{Rescored, RescoredAggregate, RescoredResponse, SavedResponse, rescore};
use gac_harness::{DataSource, TaskOptions, TaskRegistry};
use serde::Serialize;

use super::jsonl;
use crate::failure::Failure;
use crate::outcome::CommandOutcome;

#[derive(Args, Debug)]
pub(crate) struct RescoreArgs {
    /// The task's name
    pub(crate) task: String,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// JSON lines `{"task", "subject", "doc_id", "response"}`, or with `"lls"` for `"response"`, and with `"no_answer"` beside
    /// it where a task asks that; a run's samples.jsonl too
    #[arg(long, value_name = "IN.jsonl")]
    pub(crate) responses: PathBuf,
    /// What ends the reasoning that responses begin with; a response without it is no answer
    #[arg(long, value_name = "TOKEN", value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub(crate) think_end_token: Option<String>,
    /// JSON lines, one per response, in order, then the aggregates
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
}

const SHAPE: &str =
    r#"{"task": "..", "subject": "..", "doc_id": N, "response": ".."} or with "lls": [..] for "response""#;

#[derive(Serialize)]
#[serde(untagged)]
enum ResponseLine {
    Response(RescoredResponse),
    Aggregate(RescoredAggregate),
}

/// Scores every saved response; lines of type `aggregate` are passed over.
pub(crate) fn score(registry: &TaskRegistry, args: &RescoreArgs) -> CommandOutcome {
    let lines: Vec<(usize, SavedResponse)> = jsonl::read(&args.responses, SHAPE)?;
    let (numbers, saved): (Vec<usize>, Vec<SavedResponse>) =
        lines.into_iter().filter(|(_, line)| line.kind.as_deref() != Some("aggregate")).unzip();
    let output = jsonl::JsonLines::create(&args.output)?;
    // Shots do not matter to scores.
    let options = TaskOptions { num_fewshot: Some(0), ..TaskOptions::default() };
    let definition = registry.definition(&args.task)?;
    let options = if definition.fewshot.built_in.is_some() { TaskOptions::default() } else { options };
    let task = registry.load(&args.task, &DataSource::new(args.data_dir.clone()), &options)?;
    let Rescored { responses, aggregates } = rescore(definition, &task, &saved, args.think_end_token.as_deref())
        .map_err(|error| {
            let number = numbers.get(error.index).copied().unwrap_or_default();
            Failure::with_hint(
                anyhow::anyhow!("line {number} of `{}`: {error}", args.responses.display()),
                format!("each line is a JSON object {SHAPE}"),
            )
        })?;
    let lines = responses.into_iter().map(ResponseLine::Response);
    output.finish(lines.chain(aggregates.into_iter().map(ResponseLine::Aggregate)))
}
