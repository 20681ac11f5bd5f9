//! `samples_<task>_<time>.jsonl`.

use gac_systems::sha256;
use serde_json::{Map, Value, json};

use super::task_config::generation_kwargs;
use crate::export::asked::{AskedDocuments, AskedSystem};
use crate::export::sources::TaskSources;
use crate::python::repr;
use crate::results::{ChoiceRecord, ResponseRecord, SampleRecord, StoredRun, StoredTask};

/// A subtask's lines: those of the first filter, document by document, then those of the next one.
pub(super) fn lines(
    run: &StoredRun,
    asking: &AskedSystem<'_>,
    task: &StoredTask,
    source: &TaskSources,
    samples: &[&SampleRecord],
) -> Vec<Value> {
    let plan = run.manifest.plan.tasks.iter().find(|plan| plan.name == task.entry.name);
    let definition = source.outline.as_ref().map(|outline| &outline.definition);
    let kwargs =
        definition.and_then(|definition| generation_kwargs(definition, plan.and_then(|plan| plan.gen_kwargs.as_ref())));
    let documents = AskedDocuments::new(source);
    let parts: Vec<SampleHead<'_>> = samples
        .iter()
        .map(|sample| {
            let asked = documents.of(sample).and_then(|document| asking.texts(document));
            SampleHead::new(sample, asked, kwargs.as_ref(), source)
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
        source: &TaskSources,
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
        let continuation = |index: usize| -> Value { asked.get(index).and_then(|(_, text)| text.clone()).into() };
        let (responses, second): (Vec<Value>, Vec<Value>) = match &sample.response {
            // They keep what is left without reasoning.
            ResponseRecord::Generated { text, thinking, .. } => {
                let scored = thinking.as_ref().map_or(text, |thinking| &thinking.scored);
                let (mut responses, mut second) = (vec![json!([scored])], vec![kwargs.cloned().unwrap_or(json!({}))]);
                if let Some(no_answer) = &sample.no_answer {
                    responses.push(json!([score(no_answer)]));
                    second.push(continuation(1));
                }
                (responses, second)
            }
            ResponseRecord::Choices(choices) => {
                let responses = choices.iter().map(|choice| json!([score(choice)]));
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
            ResponseRecord::Generated { .. } | ResponseRecord::None => {
                std::iter::once(filter.extracted.clone()).chain(self.sample.no_answer.as_ref().map(score)).collect()
            }
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

/// A log-likelihood and whether it is the greedy one: texts in these files.
fn score(choice: &ChoiceRecord) -> Value {
    json!([repr::float(choice.sum), if choice.greedy { "True" } else { "False" }])
}
