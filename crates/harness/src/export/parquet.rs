//! All samples of a run as one table for notebooks.

use std::io::Write;

use polars::prelude::{Column, DataFrame, ParquetWriter, PolarsError};

use crate::Outcome;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredTask};

/// A table of samples cannot be written.
#[derive(Debug, thiserror::Error)]
#[error("failed to write the table of samples")]
pub struct ParquetError(#[from] PolarsError);

/// Writes every sample of a run, a row each, as parquet.
///
/// Columns: `system`, `task`, `version`, `num_fewshot`, `subject`, `doc_id`, `outcome` (`correct`, `wrong`, `no_answer`,
/// `failed`), `value` (of the task's primary metric, 0 to 1), `response` (a text, or JSON of the choices' scores),
/// `scored` (the text without reasoning in front of it), `finish`, `target` and `extracted` (JSON; under the primary filter), `tokens`, `ensembled`, `seconds`, `truncated`,
/// `prompt` (where the run logged it), `identity`, `doc_hash`, `prompt_hash`.
///
/// # Errors
/// When the writer fails.
pub fn parquet(run: &StoredRun, writer: impl Write) -> Result<(), ParquetError> {
    let samples: Vec<(&StoredTask, &SampleRecord)> = run
        .systems
        .iter()
        .flat_map(|system| &system.tasks)
        .flat_map(|task| task.samples.iter().map(move |sample| (task, sample)))
        .collect();
    let text = |name: &str, value: &dyn Fn(&StoredTask, &SampleRecord) -> Option<String>| {
        let values: Vec<Option<String>> = samples.iter().map(|(task, sample)| value(task, sample)).collect();
        Column::new(name.into(), values)
    };
    let whole = |name: &str, value: &dyn Fn(&StoredTask, &SampleRecord) -> usize| {
        let values: Vec<u64> = samples.iter().map(|(task, sample)| value(task, sample) as u64).collect();
        Column::new(name.into(), values)
    };
    let real = |name: &str, value: &dyn Fn(&StoredTask, &SampleRecord) -> Option<f64>| {
        let values: Vec<Option<f64>> = samples.iter().map(|(task, sample)| value(task, sample)).collect();
        Column::new(name.into(), values)
    };
    let truncated: Vec<bool> = samples.iter().map(|(_, sample)| sample.truncated).collect();
    let columns = vec![
        text("system", &|_, sample| Some(sample.system.clone())),
        text("task", &|_, sample| Some(sample.task.clone())),
        text("version", &|_, sample| Some(sample.task_version.clone())),
        whole("num_fewshot", &|task, _| task.entry.num_fewshot),
        text("subject", &|_, sample| sample.subject.clone()),
        whole("doc_id", &|_, sample| sample.doc_id),
        text("outcome", &|_, sample| Some(outcome(&sample.outcome).to_owned())),
        real("value", &|task, sample| sample.primary(&task.entry.primary)),
        text("response", &|_, sample| response(&sample.response)),
        text("scored", &|_, sample| match &sample.response {
            ResponseRecord::Generated { thinking: Some(thinking), .. } => Some(thinking.scored.clone()),
            ResponseRecord::Generated { text, thinking: None, .. } => Some(text.clone()),
            ResponseRecord::Choices(_) | ResponseRecord::None => None,
        }),
        text("finish", &|_, sample| match &sample.response {
            ResponseRecord::Generated { finish, .. } => Some(finish.clone()),
            ResponseRecord::Choices(_) | ResponseRecord::None => None,
        }),
        text("target", &|_, sample| Some(sample.target.to_string())),
        text("extracted", &|task, sample| {
            let filter = sample.filters.iter().find(|filter| filter.filter == task.entry.primary.filter)?;
            Some(filter.extracted.to_string())
        }),
        whole("tokens", &|_, sample| sample.tokens),
        whole("ensembled", &|_, sample| sample.ensembled),
        real("seconds", &|_, sample| sample.seconds),
        Column::new("truncated".into(), truncated),
        text("prompt", &|_, sample| sample.prompt.clone()),
        text("identity", &|_, sample| serde_json::to_value(&sample.identity).ok()?.as_str().map(str::to_owned)),
        text("doc_hash", &|_, sample| Some(sample.doc_hash.clone())),
        text("prompt_hash", &|_, sample| Some(sample.prompt_hash.clone())),
    ];
    let mut table = DataFrame::new(samples.len(), columns)?;
    ParquetWriter::new(writer).finish(&mut table)?;
    Ok(())
}

fn outcome(outcome: &Outcome) -> &'static str {
    match outcome {
        Outcome::Correct => "correct",
        Outcome::Wrong => "wrong",
        Outcome::NoAnswer => "no_answer",
        Outcome::Failed { .. } => "failed",
    }
}

fn response(response: &ResponseRecord) -> Option<String> {
    match response {
        ResponseRecord::Generated { text, .. } => Some(text.clone()),
        ResponseRecord::Choices(choices) => serde_json::to_string(choices).ok(),
        ResponseRecord::None => None,
    }
}
