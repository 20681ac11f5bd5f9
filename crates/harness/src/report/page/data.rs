//! The samples of a run as the page's script reads them.

use std::collections::BTreeMap;

use gac_systems::{Decider, StepRecord};
use serde::Serialize;
use serde_json::Value;

use crate::results::{ResponseRecord, SampleRecord, StoredRun};
use crate::task::Outcome;

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
    #[serde(rename = "t")]
    task: usize,
    #[serde(rename = "j")]
    subject: Option<&'a str>,
    /// Its row in the split.
    #[serde(rename = "d")]
    row: usize,
    #[serde(rename = "g")]
    gold: &'a Value,
    /// Its prompt's place, where it was recorded.
    #[serde(rename = "p")]
    prompt: Option<usize>,
}

#[derive(Debug, Serialize)]
struct PageSample<'a> {
    #[serde(rename = "s")]
    system: usize,
    /// Its place among the documents.
    #[serde(rename = "c")]
    document: usize,
    #[serde(rename = "o")]
    outcome: &'static str,
    /// A text, or per choice log-likelihood, greedy, tokens.
    #[serde(rename = "r")]
    response: PageResponse<'a>,
    /// What of the response is scored, where it begins with reasoning.
    #[serde(rename = "a", skip_serializing_if = "Option::is_none")]
    answer: Option<&'a str>,
    /// Whether it begins with reasoning that never ended.
    #[serde(rename = "u", skip_serializing_if = "std::ops::Not::not")]
    unclosed: bool,
    /// What ended it.
    #[serde(rename = "f", skip_serializing_if = "Option::is_none")]
    finish: Option<&'a str>,
    /// How probable it was that there is no answer, where that was asked.
    #[serde(rename = "n", skip_serializing_if = "Option::is_none")]
    no_answer: Option<f64>,
    #[serde(rename = "x")]
    extractions: Vec<PageExtraction<'a>>,
    /// Why it failed.
    #[serde(rename = "e", skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    #[serde(rename = "k", skip_serializing_if = "Option::is_none")]
    steps: Option<Vec<PageStep<'a>>>,
}

/// Filter, what it extracted, metrics with their values.
type PageExtraction<'a> = (&'a str, &'a Value, Vec<(&'a str, f64)>);

#[derive(Debug, Serialize)]
#[serde(untagged)]
enum PageResponse<'a> {
    Text(&'a str),
    Choices(Vec<(Value, bool, usize)>),
}

#[derive(Debug, Serialize)]
struct PageStep<'a> {
    #[serde(rename = "t")]
    text: &'a str,
    /// Who decided.
    #[serde(rename = "w")]
    decider: Decider,
    #[serde(rename = "p")]
    probability: f64,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    end: bool,
    /// What the gate proposed, where that was another token.
    #[serde(rename = "g", skip_serializing_if = "Option::is_none")]
    proposed: Option<&'a str>,
    /// Members' most probable tokens, and their share.
    #[serde(rename = "m", skip_serializing_if = "Vec::is_empty")]
    members: Vec<Option<PageView<'a>>>,
}

/// A member's most probable tokens, and its share.
type PageView<'a> = (&'a [(String, f64)], f64);

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
        for (system, stored) in run.systems.iter().enumerate() {
            for (task, stored) in stored.tasks.iter().enumerate() {
                for sample in &stored.samples {
                    let (subject, row) = (sample.subject.as_deref(), sample.doc_id);
                    let document = *places.entry((task, subject, row)).or_insert_with(|| {
                        data.documents.push(PageDocument { task, subject, row, gold: &sample.target, prompt: None });
                        data.documents.len() - 1
                    });
                    if let (Some(prompt), None) = (&sample.prompt, data.documents[document].prompt) {
                        let place = *prompts.entry(prompt.as_str()).or_insert_with(|| {
                            data.prompts.push(prompt);
                            data.prompts.len() - 1
                        });
                        data.documents[document].prompt = Some(place);
                    }
                    data.samples.push(PageSample::new(system, document, sample));
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
    fn new(system: usize, document: usize, sample: &'a SampleRecord) -> Self {
        let (response, finish) = match &sample.response {
            ResponseRecord::Generated { text, finish, .. } => (PageResponse::Text(text), Some(finish.as_str())),
            ResponseRecord::Choices(choices) => {
                let sum = |sum: f64| if sum.is_finite() { sum.into() } else { sum.to_string().into() };
                let choices = choices.iter().map(|choice| (sum(choice.sum), choice.greedy, choice.tokens));
                (PageResponse::Choices(choices.collect()), None)
            }
            ResponseRecord::None => (PageResponse::Text(""), None),
        };
        let answer = match &sample.response {
            ResponseRecord::Generated { thinking: Some(thinking), .. } => {
                thinking.closed.then_some(thinking.scored.as_str())
            }
            ResponseRecord::Generated { thinking: None, .. } | ResponseRecord::Choices(_) | ResponseRecord::None => {
                None
            }
        };
        let unclosed = sample.response.is_unclosed();
        let extractions = sample.filters.iter().map(|filter| {
            let metrics = filter.metrics.iter().map(|metric| (metric.metric.as_str(), metric.value));
            (filter.filter.as_str(), &filter.extracted, metrics.collect())
        });
        let (outcome, error) = match &sample.outcome {
            Outcome::Correct => ("correct", None),
            Outcome::Wrong => ("wrong", None),
            Outcome::NoAnswer => ("no_answer", None),
            Outcome::Failed { error } => ("failed", Some(error.as_str())),
        };
        let steps = sample.trace.as_ref().map(|steps| steps.iter().map(PageStep::new).collect());
        Self {
            system,
            document,
            outcome,
            response,
            answer,
            unclosed,
            finish,
            no_answer: sample.no_answer.as_ref().map(|score| score.sum.exp()),
            extractions: extractions.collect(),
            error,
            steps,
        }
    }
}

impl<'a> PageStep<'a> {
    fn new(step: &'a StepRecord) -> Self {
        let views = step.members.iter().map(|view| view.as_ref().map(|view| (&view.top[..], view.share)));
        Self {
            text: &step.text,
            decider: step.decider(),
            probability: step.probability,
            end: step.end,
            proposed: step.proposed.as_deref().filter(|proposed| *proposed != step.text),
            members: views.collect(),
        }
    }
}
