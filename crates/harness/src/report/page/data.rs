//! The samples of a run as the page's script reads them.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use crate::Outcome;
use crate::results::{Decider, ResponseRecord, SampleRecord, StepRecord, StoredRun};

/// Everything the script shows. Field names are short: there may be tens of thousands of samples.
#[derive(Debug, Serialize)]
pub(super) struct PageData<'a> {
    systems: Vec<&'a str>,
    /// The members of each system.
    members: Vec<&'a [String]>,
    tasks: Vec<&'a str>,
    documents: Vec<PageDocument<'a>>,
    /// Each prompt once, whichever systems were asked.
    prompts: Vec<&'a str>,
    samples: Vec<PageSample<'a>>,
}

#[derive(Debug, Serialize)]
struct PageDocument<'a> {
    /// Task.
    t: usize,
    /// Subject.
    j: Option<&'a str>,
    /// Row in the split.
    d: usize,
    /// Gold.
    g: &'a Value,
    /// Prompt, where it was recorded.
    p: Option<usize>,
}

#[derive(Debug, Serialize)]
struct PageSample<'a> {
    /// System.
    s: usize,
    /// Document.
    c: usize,
    /// Outcome.
    o: &'static str,
    /// Response: a text, or per choice log-likelihood, greedy, tokens.
    r: PageResponse<'a>,
    /// What ended it.
    #[serde(skip_serializing_if = "Option::is_none")]
    f: Option<&'a str>,
    /// Extractions: filter, extracted, metrics.
    x: Vec<(&'a str, &'a Value, Vec<(&'a str, f64)>)>,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    e: Option<&'a str>,
    /// Steps.
    #[serde(skip_serializing_if = "Option::is_none")]
    k: Option<Vec<PageStep<'a>>>,
}

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PageResponse<'a> {
    Text(&'a str),
    Choices(Vec<(Value, bool, usize)>),
}

#[derive(Debug, Serialize)]
struct PageStep<'a> {
    /// Text.
    t: &'a str,
    /// Who decided.
    w: Decider,
    /// Probability.
    p: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    end: bool,
    /// What the gate proposed, where that was another token.
    #[serde(skip_serializing_if = "Option::is_none")]
    g: Option<&'a str>,
    /// Members' views: most probable tokens, share.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    m: Vec<Option<(&'a [(String, f64)], f64)>>,
}

impl<'a> PageData<'a> {
    pub(super) fn new(run: &'a StoredRun) -> Self {
        let mut data = Self {
            systems: run.systems.iter().map(|system| system.name.as_str()).collect(),
            members: run.systems.iter().map(|system| &system.members[..]).collect(),
            tasks: run.manifest.tasks.iter().map(|task| task.name.as_str()).collect(),
            documents: Vec::new(),
            prompts: Vec::new(),
            samples: Vec::new(),
        };
        let mut places = BTreeMap::new();
        let mut prompts = BTreeMap::new();
        for (s, system) in run.systems.iter().enumerate() {
            for (t, task) in system.tasks.iter().enumerate() {
                for sample in &task.samples {
                    let key = (t, sample.subject.as_deref(), sample.doc_id);
                    let c = *places.entry(key).or_insert_with(|| {
                        let (_, j, d) = key;
                        data.documents.push(PageDocument { t, j, d, g: &sample.target, p: None });
                        data.documents.len() - 1
                    });
                    if let (Some(prompt), None) = (&sample.prompt, data.documents[c].p) {
                        let place = *prompts.entry(prompt.as_str()).or_insert_with(|| {
                            data.prompts.push(prompt);
                            data.prompts.len() - 1
                        });
                        data.documents[c].p = Some(place);
                    }
                    data.samples.push(PageSample::new(s, c, sample));
                }
            }
        }
        data
    }

    pub(super) fn samples(&self) -> usize {
        self.samples.len()
    }

    /// JSON that can stand inside a `<script>` element: no `<`, `>` or `&` and no line separator in it.
    pub(super) fn json(&self) -> serde_json::Result<String> {
        let json = serde_json::to_string(self)?;
        let mut safe = String::with_capacity(json.len() + json.len() / 16);
        for character in json.chars() {
            match character {
                // Outside of strings JSON has none of these.
                '<' => safe.push_str("\\u003c"),
                '>' => safe.push_str("\\u003e"),
                '&' => safe.push_str("\\u0026"),
                '\u{2028}' => safe.push_str("\\u2028"),
                '\u{2029}' => safe.push_str("\\u2029"),
                other => safe.push(other),
            }
        }
        Ok(safe)
    }
}

impl<'a> PageSample<'a> {
    fn new(s: usize, c: usize, sample: &'a SampleRecord) -> Self {
        let (r, f) = match &sample.response {
            ResponseRecord::Generated { text, finish } => (PageResponse::Text(text), Some(finish.as_str())),
            ResponseRecord::Choices(choices) => {
                let sum = |sum: f64| if sum.is_finite() { sum.into() } else { sum.to_string().into() };
                let choices = choices.iter().map(|choice| (sum(choice.sum), choice.greedy, choice.tokens));
                (PageResponse::Choices(choices.collect()), None)
            }
        };
        let filters = sample.filters.iter().map(|filter| {
            let metrics = filter.metrics.iter().map(|metric| (metric.metric.as_str(), metric.value));
            (filter.filter.as_str(), &filter.extracted, metrics.collect())
        });
        let (o, e) = match &sample.outcome {
            Outcome::Correct => ("correct", None),
            Outcome::Wrong => ("wrong", None),
            Outcome::NoAnswer => ("no_answer", None),
            Outcome::Failed { error } => ("failed", Some(error.as_str())),
        };
        let k = sample.trace.as_ref().map(|steps| steps.iter().map(PageStep::new).collect());
        Self { s, c, o, r, f, x: filters.collect(), e, k }
    }
}

impl<'a> PageStep<'a> {
    fn new(step: &'a StepRecord) -> Self {
        let views = step.members.iter().map(|view| view.as_ref().map(|view| (&view.top[..], view.share)));
        Self {
            t: &step.text,
            w: step.decider(),
            p: step.probability,
            end: step.end,
            g: step.proposed.as_deref().filter(|proposed| *proposed != step.text),
            m: views.collect(),
        }
    }
}
