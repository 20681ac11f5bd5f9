//! `gac tasks render`: every document's prompt.

use std::path::PathBuf;

use clap::Args;
use gac_harness::tasks::Limit;
use gac_harness::{DataSource, Document, Request, TaskOptions, TaskRegistry};
use serde::Serialize;

use super::jsonl;
use crate::outcome::CommandOutcome;

#[derive(Args, Debug)]
pub(crate) struct RenderArgs {
    /// The task's name
    pub(crate) task: String,
    /// Folder with data sets laid out as on the hub [default: the hub]
    #[arg(long, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// Shots in front of every prompt [default: the task's own number]
    #[arg(long, value_name = "N")]
    pub(crate) num_fewshot: Option<usize>,
    /// First N documents (of every subject, where the task has subjects), each with the shots it has in a full run;
    /// below 1, that share of them
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    pub(crate) limit: Option<Limit>,
    /// JSON lines, one per document, in order
    #[arg(long, value_name = "OUT.jsonl")]
    pub(crate) output: PathBuf,
}

/// A document's prompt.
#[derive(Serialize)]
struct RenderedLine<'a> {
    doc_id: usize,
    subject: Option<&'a str>,
    requests: Vec<RenderedRequest<'a>>,
    /// Where generation ends; empty for log-likelihoods.
    until: &'a [String],
}

#[derive(Serialize)]
struct RenderedRequest<'a> {
    context: &'a str,
    /// `null` where a system is to continue the context.
    continuation: Option<&'a str>,
}

/// Writes the prompts in the order of the documents.
pub(crate) fn render(registry: &TaskRegistry, args: &RenderArgs) -> CommandOutcome {
    let output = jsonl::JsonLines::create(&args.output)?;
    let options = TaskOptions { num_fewshot: args.num_fewshot, limit: args.limit, ..TaskOptions::default() };
    let task = registry.load(&args.task, &DataSource::new(args.data_dir.clone()), &options)?;
    output.finish(task.documents.iter().map(line))
}

fn line(document: &Document) -> RenderedLine<'_> {
    let (requests, until): (Vec<RenderedRequest<'_>>, &[String]) = match &document.request {
        Request::Generate { prompt, stop, no_answer, .. } => {
            let second = no_answer.as_deref().map(Some);
            let continuations = std::iter::once(None).chain(second);
            (continuations.map(|continuation| RenderedRequest { context: prompt, continuation }).collect(), stop)
        }
        choices @ (Request::Choose { .. } | Request::Fill { .. }) => {
            let asked = choices.choices().into_iter();
            let request = |(context, continuation)| RenderedRequest { context, continuation: Some(continuation) };
            (asked.map(request).collect(), &[])
        }
    };
    RenderedLine { doc_id: document.id, subject: document.subject.as_deref(), requests, until }
}
