//! What a run asked, as far as its data and templates are on this machine.

use std::collections::HashMap;

use gac_ensemble::Prompt;
use gac_inference::{ChatTemplate, UnixTime};
use gac_systems::{ChatPlan, SystemPlan};

use super::sources::{ExportSources, TaskSources};
use crate::results::{SampleRecord, StoredRun, StoredSystem, prompt_hash};
use crate::task::Document;

/// How a system of a run was asked.
pub(super) struct AskedSystem<'a> {
    /// What it was; none where the run's plan does not tell.
    pub plan: Option<&'a SystemPlan>,
    /// What wrote chats down, where it was one template.
    template: Option<&'a ChatTemplate>,
}

impl<'a> AskedSystem<'a> {
    pub(super) fn new(run: &'a StoredRun, system: &StoredSystem, sources: &'a ExportSources) -> Self {
        let plan = run.manifest.plan.systems.iter().find(|plan| plan.name == system.name);
        let templates = sources.templates.get(&system.name).map_or(&[][..], Vec::as_slice);
        let template = if let [one] = templates { Some(one) } else { None };
        Self { plan, template }
    }

    /// How prompts became chats.
    pub(super) fn chat(&self) -> Option<&'a ChatPlan> {
        self.plan.and_then(|plan| plan.settings.chat.as_ref())
    }

    /// A document's requests: prompts, and the continuations behind them where they are scored.
    pub(super) fn requests(&self, document: &Document) -> Vec<(Prompt, Option<String>)> {
        if let Some(request) = document.generation_request(self.chat(), false) {
            let second = document.no_answer_request(self.chat());
            let second = second.map(|second| (second.context, Some(second.continuation)));
            return std::iter::once((request.prompt, None)).chain(second).collect();
        }
        let requests = document.choice_requests(self.chat()).into_iter();
        requests.map(|request| (request.context, Some(request.continuation))).collect()
    }

    /// A document's requests as a system reads them. None where members read different texts, or the template refuses.
    pub(super) fn texts(&self, document: &Document) -> Option<Vec<(String, Option<String>)>> {
        let text = |prompt: Prompt| match prompt {
            Prompt::Text(text) => Some(text),
            // No task writes ids.
            Prompt::Tokens(_) => None,
            Prompt::Chat(chat) => {
                let time = self.chat().and_then(|chat| chat.time).unwrap_or_else(UnixTime::now);
                self.template?.render(&chat, time).ok()
            }
        };
        self.requests(document).into_iter().map(|(prompt, continuation)| Some((text(prompt)?, continuation))).collect()
    }
}

/// A task's documents as the run asked them.
pub(super) struct AskedDocuments<'a>(HashMap<(Option<&'a str>, usize), &'a Document>);

impl<'a> AskedDocuments<'a> {
    pub(super) fn new(source: &'a TaskSources) -> Self {
        let loaded = source.loaded.iter().flat_map(|loaded| &loaded.documents);
        Self(loaded.map(|document| ((document.subject.as_deref(), document.id), document)).collect())
    }

    /// The document of a sample; none where it would be asked otherwise now: the data or the settings are not what they
    /// were.
    pub(super) fn of(&self, sample: &SampleRecord) -> Option<&'a Document> {
        let document = self.0.get(&(sample.subject.as_deref(), sample.doc_id)).copied();
        document.filter(|document| prompt_hash(&document.request) == sample.prompt_hash)
    }
}

/// How many samples of each task have a prompt that is not to be found: the run did not log it, and the data on this machine
/// are not what was asked.
pub fn unknown_prompts<'a>(run: &'a StoredRun, sources: &ExportSources) -> Vec<(&'a str, usize)> {
    let none = TaskSources::default();
    let mut unknown = Vec::new();
    for (index, entry) in run.manifest.tasks.iter().enumerate() {
        let documents = AskedDocuments::new(sources.tasks.get(&entry.name).unwrap_or(&none));
        let is_unknown = |sample: &&SampleRecord| sample.prompt.is_none() && documents.of(sample).is_none();
        let samples = run.systems.iter().filter_map(|system| system.tasks.get(index)).flat_map(|task| &task.samples);
        let count = samples.filter(is_unknown).count();
        if count > 0 {
            unknown.push((entry.name.as_str(), count));
        }
    }
    unknown
}
