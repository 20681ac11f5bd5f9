//! The record of one sample.

use gac_ensemble::{DraftCounts, Finish, Generation, LogLikelihood, Thinking};
use gac_systems::{StepRecord, sha256};
use serde::{Deserialize, Serialize};

use super::number;
use crate::identity::SampleIdentity;
use crate::task::{FilterScore, MetricKey, Outcome, Request, Score};

/// One document's prompt, answer and score under one system: a line of `samples.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SampleRecord {
    /// [`RECORD_VERSION`](super::RECORD_VERSION).
    pub version: u32,
    /// What the sample is a sample of; only one with the same identity is ever reused.
    pub identity: SampleIdentity,
    /// The system's name.
    pub system: String,
    /// The task's name.
    pub task: String,
    /// The version of the task's definition.
    pub task_version: String,
    /// MMLU's subject.
    pub subject: Option<String>,
    /// What it shares with documents that depend on it, where its task says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The document's row in its split.
    pub doc_id: usize,
    /// Which of several times that it was asked, from 0.
    #[serde(default, skip_serializing_if = "is_first")]
    pub repeat: usize,
    /// SHA-256 of the document's fields, hexadecimal.
    pub doc_hash: String,
    /// [`prompt_hash`] of what the system was asked.
    pub prompt_hash: String,
    /// The prompt or context itself, where the run logs them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prompt: Option<String>,
    /// The verdict under the task's primary metric.
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The reference answer.
    pub target: serde_json::Value,
    /// What the system answered.
    pub response: ResponseRecord,
    /// How likely it was to the system that there is no answer, where it was asked that too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<ChoiceRecord>,
    /// Every filter's extraction and metrics.
    pub filters: Vec<FilterRecord>,
    /// Union tokens emitted, the last one included; 0 where choices were scored.
    pub tokens: usize,
    /// Steps at which the members voted.
    pub ensembled: usize,
    /// The response's length in each member's own tokens; empty where choices were scored.
    pub member_tokens: Vec<usize>,
    /// What was drafted for it, where anything was to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drafts: Option<DraftCounts>,
    /// Whether some member's prompt was cut from the left.
    pub truncated: bool,
    /// Wall time from admission to the end, in seconds; absent where choices were scored.
    pub seconds: Option<f64>,
    /// Wall time that the task had taken when the sample finished, in seconds, over all sessions of the run.
    pub elapsed: f64,
    /// The steps, where the run traces them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<Vec<StepRecord>>,
    /// Whether the response is an earlier run's, from a cache of responses.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cached: bool,
}

/// What a system answered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponseRecord {
    /// A generated text.
    Generated {
        /// The text, without the stop string.
        text: String,
        /// Why it ended: `end`, `stop`, `length` or `context`.
        finish: String,
        /// What of it is scored, where it begins with reasoning; all of it when absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        thinking: Option<ThinkingRecord>,
    },
    /// One score per choice.
    Choices(Vec<ChoiceRecord>),
    /// Nothing: the system could not be asked.
    None,
}

/// What of a response that begins with reasoning is scored.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ThinkingRecord {
    /// Whether the reasoning ended; where it did not, there is no answer.
    pub closed: bool,
    /// The text behind it.
    pub scored: String,
}

/// The log-likelihood of one choice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ChoiceRecord {
    /// Sum of its tokens' natural log-probabilities; the string `-inf` where one of them is impossible.
    #[serde(with = "number")]
    pub sum: f64,
    /// Whether each token is the most probable one.
    pub greedy: bool,
    /// Its length in tokens.
    pub tokens: usize,
}

/// One filter's extraction from an answer, with its metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterRecord {
    /// lm-evaluation-harness's filter name; `none` where a task has none.
    pub filter: String,
    /// What was extracted; the chosen index for multiple choice.
    pub extracted: serde_json::Value,
    /// Metrics of this document.
    pub metrics: Vec<MetricRecord>,
}

/// One metric's value for one document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricRecord {
    /// The metric.
    pub metric: String,
    /// Its value.
    #[serde(with = "number")]
    pub value: f64,
}

impl SampleRecord {
    /// `12`, or `anatomy/12` where there are subjects; `12 (repeat 3)` when it is asked again.
    pub fn label(&self) -> String {
        let subject = self.subject.as_ref().map(|subject| format!("{subject}/")).unwrap_or_default();
        let repeat = if self.repeat == 0 { String::new() } else { format!(" (repeat {})", self.repeat) };
        format!("{subject}{}{repeat}", self.doc_id)
    }

    /// The document's value of a metric, 0 to 1, if the metric was computed.
    pub fn value(&self, key: &MetricKey) -> Option<f64> {
        let filter = self.filters.iter().find(|filter| filter.filter == key.filter)?;
        filter.metrics.iter().find(|metric| metric.metric == key.metric).map(|metric| metric.value)
    }

    /// The document's value of a task's primary metric; none where it failed. Where a document lacks the metric, the
    /// verdict, which is the primary metric's, stands for it.
    pub fn primary(&self, key: &MetricKey) -> Option<f64> {
        let verdict = || f64::from(u8::from(self.outcome == Outcome::Correct));
        (!self.outcome.is_failed()).then(|| self.value(key).unwrap_or_else(verdict))
    }

    /// Whether the system could not be asked: asked again, it may answer.
    pub fn is_unasked(&self) -> bool {
        self.response == ResponseRecord::None
    }

    /// The score as it was when the sample finished.
    pub fn score(&self) -> Score {
        let filters = self.filters.iter().map(|filter| FilterScore {
            filter: filter.filter.clone(),
            extracted: filter.extracted.clone(),
            metrics: filter.metrics.iter().map(|metric| (metric.metric.clone(), metric.value)).collect(),
        });
        let no_answer = self.no_answer.as_ref().map(|no_answer| no_answer.sum);
        Score { outcome: self.outcome.clone(), filters: filters.collect(), no_answer }
    }
}

impl ResponseRecord {
    /// Whether it begins with reasoning that never ended.
    pub fn is_unclosed(&self) -> bool {
        matches!(self, Self::Generated { thinking: Some(ThinkingRecord { closed: false, .. }), .. })
    }
}

impl From<&FilterScore> for FilterRecord {
    fn from(score: &FilterScore) -> Self {
        let metrics = score.metrics.iter();
        Self {
            filter: score.filter.clone(),
            extracted: score.extracted.clone(),
            metrics: metrics.map(|(metric, value)| MetricRecord { metric: metric.clone(), value: *value }).collect(),
        }
    }
}

impl From<&Generation> for ResponseRecord {
    fn from(generation: &Generation) -> Self {
        let finish = match generation.finish {
            Finish::End => "end",
            Finish::Stop => "stop",
            Finish::Length => "length",
            Finish::Context => "context",
        };
        let thinking = generation
            .thinking
            .map(|thinking| ThinkingRecord { closed: thinking != Thinking::Unclosed, scored: generation.answer() });
        Self::Generated { text: generation.text(), finish: finish.to_owned(), thinking }
    }
}

impl From<&LogLikelihood> for ChoiceRecord {
    fn from(score: &LogLikelihood) -> Self {
        Self { sum: score.sum, greedy: score.greedy, tokens: score.tokens.len() }
    }
}

impl ChoiceRecord {
    /// The score, without those of its tokens.
    pub(crate) fn log_likelihood(&self) -> LogLikelihood {
        LogLikelihood { sum: self.sum, greedy: self.greedy, tokens: Vec::new(), truncated: false }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_first(repeat: &usize) -> bool {
    *repeat == 0
}

/// SHA-256, hexadecimal, of what a system is asked: of a prompt's UTF-8 bytes, whether or not there is a second question behind it;
/// of a context and its choices, each choice after a zero byte; of several contexts and what follows them, each context before a zero byte.
pub fn prompt_hash(request: &Request) -> String {
    match request {
        Request::Generate { prompt, .. } => sha256::of_bytes(prompt),
        Request::Choose { context, continuations } => {
            let mut asked = context.clone();
            for continuation in continuations {
                asked.push('\0');
                asked.push_str(continuation);
            }
            sha256::of_bytes(asked)
        }
        Request::Fill { contexts, continuation } => {
            let mut asked = String::new();
            for context in contexts {
                asked.push_str(context);
                asked.push('\0');
            }
            sha256::of_bytes(asked + continuation)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> SampleRecord {
        SampleRecord {
            version: super::super::RECORD_VERSION,
            identity: serde_json::from_value("i".into()).unwrap(),
            system: "a".into(),
            task: "t".into(),
            task_version: "1".into(),
            subject: None,
            group: None,
            doc_id: 3,
            repeat: 0,
            doc_hash: "d".into(),
            prompt_hash: "p".into(),
            prompt: None,
            outcome: Outcome::Failed { error: "out of memory".into() },
            target: serde_json::json!(["x", 1]),
            response: ResponseRecord::Choices(vec![
                ChoiceRecord { sum: f64::NEG_INFINITY, greedy: false, tokens: 2 },
                ChoiceRecord { sum: -0.1, greedy: true, tokens: 1 },
            ]),
            no_answer: None,
            filters: vec![FilterRecord {
                filter: "none".into(),
                extracted: 1.into(),
                metrics: vec![MetricRecord { metric: "acc".into(), value: 1.0 }],
            }],
            tokens: 0,
            ensembled: 0,
            drafts: None,
            member_tokens: vec![],
            truncated: true,
            seconds: None,
            elapsed: 1.5,
            trace: None,
            cached: false,
        }
    }

    #[test]
    fn a_record_survives_the_round_trip_impossible_choices_included() {
        let line = serde_json::to_string(&record()).unwrap();
        assert!(line.contains(r#""outcome":"failed","error":"out of memory""#), "{line}");
        assert!(line.contains(r#""sum":"-inf""#), "{line}");
        assert_eq!(serde_json::from_str::<SampleRecord>(&line).unwrap(), record());
    }

    #[test]
    fn the_answer_to_a_second_question_is_read_back_and_lines_without_one_are_as_they_were() {
        assert!(!serde_json::to_string(&record()).unwrap().contains("no_answer"));
        let asked = SampleRecord {
            no_answer: Some(ChoiceRecord { sum: f64::NEG_INFINITY, greedy: false, tokens: 3 }),
            ..record()
        };
        let line = serde_json::to_string(&asked).unwrap();
        assert!(line.contains(r#""no_answer":{"sum":"-inf","greedy":false,"tokens":3}"#), "{line}");
        let read: SampleRecord = serde_json::from_str(&line).unwrap();
        assert_eq!((read.score().no_answer, &read), (Some(f64::NEG_INFINITY), &asked));
    }

    #[test]
    fn a_metric_is_looked_up_under_its_filter() {
        let key = |metric: &str, filter: &str| MetricKey { metric: metric.into(), filter: filter.into() };
        assert_eq!(record().value(&key("acc", "none")), Some(1.0));
        assert_eq!(record().value(&key("acc", "strict-match")), None);
        assert_eq!(record().value(&key("f1", "none")), None);
    }

    #[test]
    fn a_prompt_hash_depends_on_the_choices_and_their_borders() {
        let generate = Request::Generate {
            prompt: "abc".into(),
            stop: vec![],
            max_new_tokens: 1,
            decoding: None,
            no_answer: Some(" none".into()),
        };
        // The known SHA-256 of "abc" (FIPS 180-2, appendix B.1).
        assert_eq!(prompt_hash(&generate), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let choose = |choices: &[&str]| {
            let continuations = choices.iter().map(ToString::to_string).collect();
            prompt_hash(&Request::Choose { context: "abc".into(), continuations })
        };
        assert_ne!(choose(&["ab", "c"]), choose(&["a", "bc"]));
        assert_ne!(choose(&["a", "b"]), choose(&["b", "a"]));
    }
}
