//! `samples_<task>_<time>.jsonl`.

use std::collections::HashMap;

use gac_ensemble::Prompt;
use gac_inference::{ChatTemplate, UnixTime};
use gac_systems::{ChatPlan, sha256};
use serde_json::{Map, Value, json};

use super::sources::{LmEvalSources, LmEvalTask};
use super::task_config::generation_kwargs;
use crate::python::repr;
use crate::results::{ResponseRecord, SampleRecord, StoredRun, StoredSystem, StoredTask, prompt_hash};
use crate::task::Document;

/// How a system of a run was asked.
pub(super) struct AskedSystem<'a> {
    run: &'a StoredRun,
    /// How prompts became chats.
    chat: Option<&'a ChatPlan>,
    /// What wrote them down, where it was one template.
    template: Option<&'a ChatTemplate>,
}

impl<'a> AskedSystem<'a> {
    pub(super) fn new(run: &'a StoredRun, system: &StoredSystem, sources: &'a LmEvalSources) -> Self {
        let plan = run.manifest.plan.systems.iter().find(|plan| plan.name == system.name);
        let templates = sources.templates.get(&system.name).map_or(&[][..], Vec::as_slice);
        let template = if let [one] = templates { Some(one) } else { None };
        Self { run, chat: plan.and_then(|plan| plan.settings.chat.as_ref()), template }
    }

    /// What a document's requests are as a system reads them: prompts, and the continuations behind them where they are
    /// scored. None where members read different texts, or the template refuses.
    fn asked(&self, document: &Document) -> Option<Vec<(String, Option<String>)>> {
        let text = |prompt: Prompt| match prompt {
            Prompt::Text(text) => Some(text),
            // No task writes ids.
            Prompt::Tokens(_) => None,
            Prompt::Chat(chat) => {
                let time = self.chat.and_then(|chat| chat.time).unwrap_or_else(UnixTime::now);
                self.template?.render(&chat, time).ok()
            }
        };
        if let Some(request) = document.generation_request(self.chat, false) {
            return Some(vec![(text(request.prompt)?, None)]);
        }
        let requests = document.choice_requests(self.chat).into_iter();
        requests.map(|request| Some((text(request.context)?, Some(request.continuation)))).collect()
    }
}

/// A subtask's lines: those of the first filter, document by document, then those of the next one.
pub(super) fn lines(
    asking: &AskedSystem<'_>,
    task: &StoredTask,
    source: &LmEvalTask,
    samples: &[&SampleRecord],
) -> Vec<Value> {
    let plan = asking.run.manifest.plan.tasks.iter().find(|plan| plan.name == task.entry.name);
    let definition = source.outline.as_ref().map(|outline| &outline.definition);
    let kwargs =
        definition.and_then(|definition| generation_kwargs(definition, plan.and_then(|plan| plan.gen_kwargs.as_ref())));
    let loaded = source.loaded.iter().flat_map(|loaded| &loaded.documents);
    let documents: HashMap<(Option<&str>, usize), &Document> =
        loaded.map(|document| ((document.subject.as_deref(), document.id), document)).collect();
    let parts: Vec<SampleHead<'_>> = samples
        .iter()
        .map(|sample| {
            let document = documents.get(&(sample.subject.as_deref(), sample.doc_id));
            // Asked otherwise now: the data or the settings are not what they were.
            let document = document.filter(|document| prompt_hash(&document.request) == sample.prompt_hash);
            SampleHead::new(sample, document.and_then(|document| asking.asked(document)), kwargs.as_ref(), source)
        })
        .collect();
    let filters = parts.iter().map(|line| line.sample.filters.len()).max().unwrap_or(0);
    (0..filters).flat_map(|filter| parts.iter().filter_map(move |line| line.under(filter))).collect()
}

/// What the lines of a sample have in common.
struct SampleHead<'a> {
    sample: &'a SampleRecord,
    responses: Vec<Value>,
    common: Map<String, Value>,
}

impl<'a> SampleHead<'a> {
    fn new(
        sample: &'a SampleRecord,
        asked: Option<Vec<(String, Option<String>)>>,
        kwargs: Option<&Value>,
        source: &LmEvalTask,
    ) -> Self {
        let target = repr::text(&sample.target);
        let row = source.rows.row(sample.subject.as_deref(), sample.doc_id, &sample.doc_hash);
        let (document, doc_hash) = match row {
            // They hash a document as indented JSON.
            Some(row) => {
                let text = serde_json::to_string_pretty(row).unwrap_or_default();
                (Value::Object(row.clone()), sha256::of_bytes(text))
            }
            None => (json!({ "doc_id": sample.doc_id, "subject": sample.subject }), sample.doc_hash.clone()),
        };
        let asked = asked.unwrap_or_default();
        let prompt = asked.first().map(|(prompt, _)| prompt.clone()).or_else(|| sample.prompt.clone());
        let prompt_hash = prompt.as_ref().map_or_else(|| sample.prompt_hash.clone(), sha256::of_bytes);
        let (responses, second): (Vec<Value>, Vec<Value>) = match &sample.response {
            // They keep what is left without reasoning.
            ResponseRecord::Generated { text, thinking, .. } => {
                let scored = thinking.as_ref().map_or(text, |thinking| &thinking.scored);
                (vec![json!([scored])], vec![kwargs.cloned().unwrap_or_else(|| json!({}))])
            }
            ResponseRecord::Choices(choices) => {
                // Their log-likelihoods are texts in these files.
                let greedy = |greedy: bool| if greedy { "True" } else { "False" };
                let responses = choices.iter().map(|choice| json!([[repr::float(choice.sum), greedy(choice.greedy)]]));
                let continuation = |index: usize| asked.get(index).and_then(|(_, text)| text.clone()).into();
                (responses.collect(), (0..choices.len()).map(continuation).collect())
            }
            ResponseRecord::None => (Vec::new(), Vec::new()),
        };
        let arguments = second.into_iter().enumerate().map(|(index, second)| {
            let prompt = asked.get(index).map(|(prompt, _)| prompt).or(prompt.as_ref());
            (format!("gen_args_{index}"), json!({ "arg_0": prompt, "arg_1": second }))
        });
        let arguments: Map<String, Value> = arguments.collect();
        let fields = [
            ("doc_id", sample.doc_id.into()),
            ("doc", document),
            ("target", target.as_str().into()),
            ("arguments", arguments.into()),
            ("resps", responses.clone().into()),
            ("filtered_resps", Value::Null),
            ("filter", Value::Null),
            ("metrics", Value::Null),
            ("doc_hash", doc_hash.into()),
            ("prompt_hash", prompt_hash.into()),
            ("target_hash", sha256::of_bytes(&target).into()),
        ];
        let common = fields.into_iter().map(|(name, value): (&str, Value)| (name.to_owned(), value)).collect();
        Self { sample, responses, common }
    }

    /// The line of a filter, by its place.
    fn under(&self, filter: usize) -> Option<Value> {
        let filter = self.sample.filters.get(filter)?;
        let metrics: Vec<&str> = filter.metrics.iter().map(|metric| metric.metric.as_str()).collect();
        let filtered = match &self.sample.response {
            ResponseRecord::Generated { .. } | ResponseRecord::None => json!([filter.extracted]),
            ResponseRecord::Choices(_) => self.responses.iter().map(|response| response[0].clone()).collect(),
        };
        let mut line = Value::Object(self.common.clone());
        line["filtered_resps"] = filtered;
        line["filter"] = filter.filter.as_str().into();
        line["metrics"] = metrics.into();
        for metric in &filter.metrics {
            line[metric.metric.as_str()] = metric.value.into();
        }
        Some(line)
    }
}
