//! A task that is ready to run: documents turned into requests, and the rule that scores the answers.

use gac_ensemble::{Decoding, LogLikelihood};
use serde::{Deserialize, Serialize};

use crate::prompt_parts::PromptParts;

/// A task with its documents loaded and its prompts built.
pub struct LoadedTask {
    /// lm-evaluation-harness's name.
    pub name: String,
    /// Version of the task's definition; samples of different versions are not compared.
    pub version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// The metric that stands in leaderboards.
    pub primary: MetricKey,
    /// What is evaluated, in the order of the data; subject by subject where the task has subjects.
    pub documents: Vec<Document>,
    /// How answers are scored.
    pub scorer: Box<dyn Scorer>,
    /// The groups that it was asked for as a part of, the outermost first.
    pub groups: Vec<TaskGroup>,
}

/// A group of tasks that has a figure of its own: lm-evaluation-harness's `aggregate_metric_list`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskGroup {
    /// Its name.
    pub name: String,
    /// How the figure is made of its tasks'.
    pub weighting: GroupWeighting,
}

/// What a task counts in the figure of its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GroupWeighting {
    /// Its number of documents.
    BySize,
    /// As much as any other task.
    Equal,
}

impl LoadedTask {
    /// Has everything that is to be continued asked `times` times. Scores of choices are the same every time: they are asked
    /// for once.
    pub fn repeat(&mut self, times: usize) {
        let of = |document: Document| {
            let is_open = matches!(document.request, Request::Generate { .. });
            (0..if is_open { times } else { 1 }).map(move |repeat| Document { repeat, ..document.clone() })
        };
        self.documents = std::mem::take(&mut self.documents).into_iter().flat_map(of).collect();
    }

    /// How many times each document is asked, at most.
    pub fn repeats(&self) -> usize {
        self.documents.iter().map(|document| document.repeat + 1).max().unwrap_or(1)
    }
}

/// One document of a task with its prompt.
#[derive(Clone, Debug)]
pub struct Document {
    /// Row in the evaluated split (within the subject, where the task has subjects), as lm-evaluation-harness counts.
    pub id: usize,
    /// MMLU's subject.
    pub subject: Option<String>,
    /// What it shares with documents that depend on it (a passage that several questions are about), where its task says
    /// so.
    pub group: Option<String>,
    /// Which of several times that it is asked, from 0.
    pub repeat: usize,
    /// SHA-256 of the document's fields, hexadecimal.
    pub hash: String,
    /// What a system is asked.
    pub request: Request,
    /// Where the parts of its prompt are.
    pub parts: PromptParts,
    /// The reference answer, as results show it.
    pub target: serde_json::Value,
}

/// What a system is asked about a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// To continue a prompt.
    Generate {
        /// The prompt, shots included.
        prompt: String,
        /// Where generation ends.
        stop: Vec<String>,
        /// Most tokens to generate.
        max_new_tokens: usize,
        /// How tokens are picked; as the system does when absent.
        decoding: Option<Decoding>,
        /// What says that there is no answer, with its leading space, where the task wants to know how likely that is: a second
        /// question, which is scored behind the same prompt.
        no_answer: Option<String>,
    },
    /// To score each continuation.
    Choose {
        /// The prompt, shots included.
        context: String,
        /// The choices, each with its leading space.
        continuations: Vec<String>,
    },
    /// To score one continuation behind each of several prompts, which end in a choice each.
    Fill {
        /// The prompts, shots included.
        contexts: Vec<String>,
        /// What follows, with its leading space.
        continuation: String,
    },
}

impl Request {
    /// The prompt; of several the first.
    pub fn prompt(&self) -> &str {
        match self {
            Self::Generate { prompt, .. } | Self::Choose { context: prompt, .. } => prompt,
            Self::Fill { contexts, .. } => contexts.first().map_or("", String::as_str),
        }
    }

    /// What says that there is no answer, where it is asked how likely that is.
    pub fn no_answer(&self) -> Option<&str> {
        match self {
            Self::Generate { no_answer, .. } => no_answer.as_deref(),
            Self::Choose { .. } | Self::Fill { .. } => None,
        }
    }

    /// Contexts and continuations whose log-likelihoods are asked for, in order; none where a text is to be generated.
    pub fn choices(&self) -> Vec<(&str, &str)> {
        match self {
            Self::Generate { .. } => Vec::new(),
            Self::Choose { context, continuations } => {
                continuations.iter().map(|continuation| (context.as_str(), continuation.as_str())).collect()
            }
            Self::Fill { contexts, continuation } => {
                contexts.iter().map(|context| (context.as_str(), continuation.as_str())).collect()
            }
        }
    }
}

/// What a system answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// The generated text, without reasoning in front of it; empty where that never ended.
    Text(String),
    /// The same, and the score of what says that there is no answer ([`Request::no_answer`]).
    TextOrNone {
        /// The generated text.
        text: String,
        /// How likely it is that there is no answer.
        no_answer: LogLikelihood,
    },
    /// One score per continuation.
    Scores(Vec<LogLikelihood>),
}

impl Answer {
    /// A generated text, with the answer to the second question where there was one.
    pub fn of_text(text: String, no_answer: Option<LogLikelihood>) -> Self {
        match no_answer {
            Some(no_answer) => Self::TextOrNone { text, no_answer },
            None => Self::Text(text),
        }
    }
}

/// How an answer did.
#[derive(Clone, Debug, PartialEq)]
pub struct Score {
    /// The verdict under the task's primary metric.
    pub outcome: Outcome,
    /// Every filter's extraction and metrics.
    pub filters: Vec<FilterScore>,
    /// The log-likelihood of there being no answer, where that was asked.
    pub no_answer: Option<f64>,
}

/// One filter's extraction from an answer, with its metrics.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FilterScore {
    /// lm-evaluation-harness's filter name; `none` where a task has none.
    pub filter: String,
    /// What was extracted; the chosen index for multiple choice.
    pub extracted: serde_json::Value,
    /// Metric names and values of this document.
    pub metrics: Vec<(String, f64)>,
}

/// Wrong, unanswered and failed are different things.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "snake_case")]
pub enum Outcome {
    /// The right answer.
    Correct,
    /// Another answer.
    Wrong,
    /// Nothing could be extracted.
    NoAnswer,
    /// The system could not be asked.
    Failed {
        /// Why.
        error: String,
    },
}

impl Outcome {
    /// Whether there is no verdict.
    pub fn is_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// A metric under a filter: lm-evaluation-harness's `exact_match,strict-match`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MetricKey {
    /// The metric.
    pub metric: String,
    /// The filter.
    pub filter: String,
}

/// A metric over many documents.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Aggregate {
    /// Task, subtask (`mmlu_anatomy`) or group (`mmlu_stem`).
    pub name: String,
    /// What is reported.
    pub key: MetricKey,
    /// Its value: 0 to 1, but for perplexities.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
    /// Documents it is over.
    pub documents: usize,
    /// Whether it is a group of subtasks, inside of its task, for which lm-evaluation-harness reports figures.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_group: bool,
}

/// The rule that scores a task's answers.
pub trait Scorer: Send + Sync {
    /// Scores one document's answer.
    fn score(&self, document: &Document, answer: &Answer) -> Score;

    /// Whether a metric asks if greedy decoding gives a choice.
    fn needs_greedy(&self) -> bool {
        false
    }

    /// Aggregates scored documents: the task itself first, then its groups and subtasks.
    fn aggregate(&self, scored: &[(&Document, &Score)]) -> Vec<Aggregate>;
}

impl std::fmt::Display for MetricKey {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{},{}", self.metric, self.filter)
    }
}
