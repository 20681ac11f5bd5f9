//! The record of a document's answer.

use gac_ensemble::DraftCounts;
use gac_systems::StepRecord;

use super::task_folder::TaskFolder;
use crate::identity::SampleIdentity;
use crate::results::{ChoiceRecord, RECORD_VERSION, ResponseRecord, SampleRecord, prompt_hash};
use crate::task::{LoadedTask, Score};

/// What a system answered, as records have it.
pub(super) struct AnswerRecord {
    pub(super) response: ResponseRecord,
    /// The answer to the second question, where there was one.
    pub(super) no_answer: Option<ChoiceRecord>,
}

impl From<ResponseRecord> for AnswerRecord {
    fn from(response: ResponseRecord) -> Self {
        Self { response, no_answer: None }
    }
}

/// What an answer cost.
#[derive(Default)]
pub(super) struct AnswerCost {
    pub(super) tokens: usize,
    pub(super) ensembled: usize,
    pub(super) drafts: Option<DraftCounts>,
    pub(super) member_tokens: Vec<usize>,
    pub(super) truncated: bool,
    pub(super) seconds: Option<f64>,
    pub(super) trace: Option<Vec<StepRecord>>,
    /// Whether it was paid in another run.
    pub(super) cached: bool,
}

/// The record of the answer to a task's document `index`, `elapsed` seconds after the task began.
#[expect(clippy::too_many_arguments, reason = "each is a part of the record")]
pub(super) fn record(
    task: &LoadedTask,
    index: usize,
    place: &TaskFolder<'_>,
    identity: SampleIdentity,
    score: &Score,
    answer: AnswerRecord,
    cost: AnswerCost,
    elapsed: f64,
) -> SampleRecord {
    let document = &task.documents[index];
    SampleRecord {
        version: RECORD_VERSION,
        identity,
        system: place.system.to_owned(),
        task: task.name.clone(),
        task_version: task.version.clone(),
        subject: document.subject.clone(),
        group: document.group.clone(),
        doc_id: document.id,
        repeat: document.repeat,
        doc_hash: document.hash.clone(),
        prompt_hash: prompt_hash(&document.request),
        prompt: place.log_samples.then(|| document.request.prompt().to_owned()),
        outcome: score.outcome.clone(),
        target: document.target.clone(),
        response: answer.response,
        no_answer: answer.no_answer,
        filters: score.filters.iter().map(Into::into).collect(),
        tokens: cost.tokens,
        ensembled: cost.ensembled,
        drafts: cost.drafts,
        member_tokens: cost.member_tokens,
        truncated: cost.truncated,
        seconds: cost.seconds,
        elapsed,
        trace: cost.trace,
        cached: cost.cached,
    }
}
