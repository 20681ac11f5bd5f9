//! All samples of a run as one frame.

use polars::prelude::{Column, DataFrame};

use super::FrameError;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredSystem, StoredTask};
use crate::task::Outcome;

/// Every sample of a run, a row each.
///
/// Columns: `system`, `task`, `version`, `num_fewshot`, `subject`, `doc_id`, `repeat`, `outcome` (`correct`, `wrong`, `no_answer`,
/// `failed`), `value` (of the task's primary metric, 0 to 1; null where the document failed), `response` (a text, or JSON
/// of the choices' scores), `scored` (the text without reasoning in front of it), `finish`, `no_answer` (the log-likelihood of there
/// being none; null where that was not asked), `target` and `extracted` (JSON;
/// under the primary filter), `tokens`, `ensembled`, `seconds`, `truncated`, `prompt` (where the run logged it),
/// `identity`, `doc_hash`, `prompt_hash`.
///
/// # Errors
/// When polars fails.
pub fn samples(run: &StoredRun) -> Result<DataFrame, FrameError> {
    frame(run.systems.iter().flat_map(|system| &system.tasks))
}

/// [`samples`] of one system.
pub(super) fn of_system(system: &StoredSystem) -> Result<DataFrame, FrameError> {
    frame(system.tasks.iter())
}

fn frame<'a>(tasks: impl Iterator<Item = &'a StoredTask>) -> Result<DataFrame, FrameError> {
    let samples: Vec<(&StoredTask, &SampleRecord)> =
        tasks.flat_map(|task| task.samples.iter().map(move |sample| (task, sample))).collect();
    let texts = |name: &str, of: &dyn Fn(&StoredTask, &SampleRecord) -> Option<String>| {
        Column::new(name.into(), samples.iter().map(|(task, sample)| of(task, sample)).collect::<Vec<_>>())
    };
    let wholes = |name: &str, of: &dyn Fn(&StoredTask, &SampleRecord) -> usize| {
        Column::new(name.into(), samples.iter().map(|(task, sample)| of(task, sample) as i64).collect::<Vec<_>>())
    };
    let reals = |name: &str, of: &dyn Fn(&StoredTask, &SampleRecord) -> Option<f64>| {
        Column::new(name.into(), samples.iter().map(|(task, sample)| of(task, sample)).collect::<Vec<_>>())
    };
    let flags = |name: &str, of: &dyn Fn(&StoredTask, &SampleRecord) -> bool| {
        Column::new(name.into(), samples.iter().map(|(task, sample)| of(task, sample)).collect::<Vec<_>>())
    };
    Ok(DataFrame::new(
        samples.len(),
        vec![
            texts("system", &|_, sample| Some(sample.system.clone())),
            texts("task", &|_, sample| Some(sample.task.clone())),
            texts("version", &|_, sample| Some(sample.task_version.clone())),
            wholes("num_fewshot", &|task, _| task.entry.num_fewshot),
            texts("subject", &|_, sample| sample.subject.clone()),
            wholes("doc_id", &|_, sample| sample.doc_id),
            wholes("repeat", &|_, sample| sample.repeat),
            texts("outcome", &|_, sample| Some(outcome(&sample.outcome).to_owned())),
            reals("value", &|task, sample| sample.primary(&task.entry.primary)),
            texts("response", &|_, sample| response(&sample.response)),
            texts("scored", &|_, sample| scored(&sample.response)),
            texts("finish", &|_, sample| finish(&sample.response)),
            reals("no_answer", &|_, sample| Some(sample.no_answer.as_ref()?.sum)),
            texts("target", &|_, sample| Some(sample.target.to_string())),
            texts("extracted", &extracted),
            wholes("tokens", &|_, sample| sample.tokens),
            wholes("ensembled", &|_, sample| sample.ensembled),
            reals("seconds", &|_, sample| sample.seconds),
            flags("truncated", &|_, sample| sample.truncated),
            texts("prompt", &|_, sample| sample.prompt.clone()),
            texts("identity", &|_, sample| serde_json::to_value(&sample.identity).ok()?.as_str().map(str::to_owned)),
            texts("doc_hash", &|_, sample| Some(sample.doc_hash.clone())),
            texts("prompt_hash", &|_, sample| Some(sample.prompt_hash.clone())),
        ],
    )?)
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

fn scored(response: &ResponseRecord) -> Option<String> {
    match response {
        ResponseRecord::Generated { thinking: Some(thinking), .. } => Some(thinking.scored.clone()),
        ResponseRecord::Generated { text, thinking: None, .. } => Some(text.clone()),
        ResponseRecord::Choices(_) | ResponseRecord::None => None,
    }
}

fn finish(response: &ResponseRecord) -> Option<String> {
    match response {
        ResponseRecord::Generated { finish, .. } => Some(finish.clone()),
        ResponseRecord::Choices(_) | ResponseRecord::None => None,
    }
}

fn extracted(task: &StoredTask, sample: &SampleRecord) -> Option<String> {
    let filter = sample.filters.iter().find(|filter| filter.filter == task.entry.primary.filter)?;
    Some(filter.extracted.to_string())
}
