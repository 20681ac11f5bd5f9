//! What a task is, as its TOML file says.

use serde::{Deserialize, Serialize};

use super::harness_file::HarnessFileDefinition;
use super::process::{RowFilter, RowProcess};
use super::rules::HarnessRules;
use crate::data::{Dataset, Row};
use crate::filters::{FilterDefinition, RobustKind};
use crate::metrics::{MetricDefinition, Over};
use crate::task::MetricKey;

/// A task's definition: which rows, which prompt, which shots, which score.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TaskDefinition {
    /// lm-evaluation-harness's name. A suffix `@...` names a protocol other than release 0.4.13's.
    pub name: String,
    /// One line for lists.
    pub title: String,
    /// lm-evaluation-harness's version of the task, or the commit for its unversioned past; samples of different
    /// versions are not compared.
    pub version: String,
    /// Which version of lm-evaluation-harness builds the prompts.
    #[serde(default)]
    pub rules: HarnessRules,
    /// Whether a system continues the prompt or scores choices.
    pub kind: TaskKind,
    /// The split that is evaluated.
    pub split: String,
    /// The columns that are read; together they are the document. All there are where none is named.
    pub columns: Vec<String>,
    /// Which rows there are documents and shots of; all without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub keep: Option<RowFilter>,
    /// Columns that are made of them before templates see a row.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process: Option<RowProcess>,
    /// The column whose value documents share that are no independent evidence: the passage that several questions are about.
    /// Gates count them as one group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group_by: Option<String>,
    /// What our own extraction looks for; reported as `exact_match` of the filter `robust` beside all others, for
    /// [`TaskKind::Generate`] only.
    pub robust: Option<RobustKind>,
    /// The metric that stands in leaderboards.
    pub primary: MetricKey,
    /// The data set.
    pub dataset: Dataset,
    /// How rows are cut into subtasks, where they are.
    pub subjects: Option<SubjectsDefinition>,
    /// What is read from lm-evaluation-harness's own task file.
    pub harness_file: Option<HarnessFileDefinition>,
    /// The prompt.
    pub prompt: PromptDefinition,
    /// The few-shot examples.
    pub fewshot: FewShotDefinition,
    /// Generation settings; for [`TaskKind::Generate`] only.
    pub generation: Option<GenerationDefinition>,
    /// Filters of responses; for [`TaskKind::Generate`] only. Multiple choice has the filter `none`.
    #[serde(default)]
    pub filters: Vec<FilterDefinition>,
    /// The metrics of every filter.
    pub metrics: Vec<MetricDefinition>,
}

impl TaskDefinition {
    /// The text that says that there is no answer, where a metric needs to know how likely that is.
    pub(super) fn no_answer(&self) -> Option<&str> {
        let needs = |metric: &MetricDefinition| metric.over() == Some(Over::DoubtedAnswers);
        self.prompt.no_answer.as_deref().filter(|_| self.metrics.iter().any(needs))
    }
}

/// What a system is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskKind {
    /// To continue a prompt.
    Generate,
    /// To score continuations.
    Choose,
}

/// Rows cut into subtasks, with groups of subtasks.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubjectsDefinition {
    /// The column with the subject, where all subjects are in the same files.
    pub column: Option<String>,
    /// The subjects: MMLU's unless given. Without a `column` each has its own configuration of the data set, whose
    /// `config` is then a template of `subject`.
    #[serde(default)]
    pub names: Vec<String>,
    /// Template of a subtask's name, of `subject`.
    pub subtask: String,
    /// Template of a group's name, of `category` (MMLU's four); no groups but the task as a whole without one.
    pub group: Option<String>,
    /// Template of lm-evaluation-harness's tag, of `category`: a name for the subtasks of a category, each on its own.
    pub tag: Option<String>,
    /// Other names of the task as a whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_names: Vec<String>,
    /// What tables of lm-evaluation-harness's call the task as a whole, where that is not its name.
    pub alias: Option<String>,
    /// Template of what they call a group, of `category`; its name without one.
    pub group_alias: Option<String>,
    /// Template of what they call a subtask, of `subject`; its name without one.
    pub subtask_alias: Option<String>,
    /// lm-evaluation-harness's version of the groups' figures.
    pub group_version: Option<String>,
    /// Whether lm-evaluation-harness itself reports figures for the task as a whole and its groups. Ours always are.
    pub harness_reports_groups: bool,
}

/// How a document becomes text. `text` and `description` are minijinja templates, `target`, `shot_target` and
/// `choices` minijinja expressions, all over the document's columns; but see [`TemplateLanguage::Yaml`].
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromptDefinition {
    /// How templates are written.
    #[serde(default, skip_serializing_if = "is_default")]
    pub language: TemplateLanguage,
    /// What of a document is scored, for [`TaskKind::Choose`].
    #[serde(default, skip_serializing_if = "is_default")]
    pub scored: ScoredPart,
    /// What stands in front of everything, shots included.
    #[serde(default)]
    pub description: String,
    /// The question; absent where the harness file has it.
    pub text: Option<String>,
    /// The reference answer: a text, a list of accepted texts, or for multiple choice the right choice or its index.
    pub target: String,
    /// The question that shots show, where it is another than `text`; for [`TemplateLanguage::Yaml`] only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shot_text: Option<String>,
    /// The answer that shots show, where it is another than `target`.
    pub shot_target: Option<String>,
    /// The choices' texts.
    pub choices: Option<String>,
    /// What follows each choice, where choices are parts of the question (partial evaluation): then each is scored by how
    /// likely this is behind it. Choices stand behind `text`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub continuation: Option<String>,
    /// Whether each choice is right (1) or not (0), where several are; `target` is what shots show.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub right_choices: Option<String>,
    /// The number of the right choice and what it numbers, where rows have both: a row whose number is none of its
    /// choices is refused.
    pub right_choice: Option<RightChoiceDefinition>,
    /// The text whose words and bytes perplexities are per, where it is another than `target`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measured: Option<String>,
    /// The text that says that a question has no answer. Where a metric needs to know how likely that is, it is a second question
    /// about each document, behind the same prompt and the target delimiter. For [`TaskKind::Generate`] only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_answer: Option<String>,
    /// The text that says how the target comes about, where a metric looks for the answer in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub solution: Option<String>,
    /// What every answer begins with; it stands at the end of prompts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer_prefix: Option<String>,
    /// What stands between a question and its answer.
    #[serde(default = "space")]
    pub target_delimiter: String,
    /// What stands after a shot.
    #[serde(default = "blank_line")]
    pub fewshot_delimiter: String,
}

/// How a task's templates are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TemplateLanguage {
    /// As the tasks that ship.
    #[default]
    Toml,
    /// As lm-evaluation-harness's YAML files: each field is the name of a column, or else a Jinja2 template. Choices and
    /// answers are then what a Python literal says that the template writes.
    Yaml,
}

/// What of a document is scored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredPart {
    /// Each choice, behind the target delimiter.
    #[default]
    Choices,
    /// The target as it is: lm-evaluation-harness's output type `loglikelihood`.
    Target,
    /// The target from its first token on, without any prompt: lm-evaluation-harness's `loglikelihood_rolling`. A text that
    /// does not fit a member's context is scored in windows that do.
    Whole,
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// Which choice of a row is right: minijinja expressions over the document's columns.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RightChoiceDefinition {
    /// Its number, from 0.
    pub number: String,
    /// The choices.
    pub of: String,
}

fn space() -> String {
    " ".to_owned()
}

fn blank_line() -> String {
    "\n\n".to_owned()
}

/// Where few-shot examples come from.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FewShotDefinition {
    /// The split; absent where the harness file has them, or `samples` are.
    pub split: Option<String>,
    /// The rows that examples are made of, where no split has them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub samples: Vec<Row>,
    /// How they are chosen.
    pub sampler: SamplerKind,
    /// How many there are unless asked otherwise.
    pub default: usize,
    /// Shots that are part of the prompt's text, or 0 of a task that takes none. Then there are no others, and another
    /// number cannot be had (lm-evaluation-harness passes over a wish for one).
    pub built_in: Option<usize>,
    /// Draws one more example than needed and drops the evaluated document if it is among them.
    /// lm-evaluation-harness does so when the few-shot split and the test split have the same name, and also when the
    /// task names neither.
    #[serde(default)]
    pub exclude_document: bool,
}

/// How few-shot examples are chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SamplerKind {
    /// Drawn with Python's `random.Random(1234)`, one generator per (sub)task, document after document.
    Random,
    /// The first ones of the split, the same for every document.
    FirstN,
}

/// How a system generates.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GenerationDefinition {
    /// Where generation ends: at the first of these texts.
    pub until: Vec<String>,
    /// Most tokens to generate; 256, lm-evaluation-harness's default, unless given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_gen_toks: Option<usize>,
    /// Whether to sample. It counts where a user asks for generation settings; otherwise the system decides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub do_sample: Option<bool>,
    /// Sampling temperature; as `do_sample`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temperature: Option<f64>,
    /// Share of probability to draw from; as `do_sample`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub top_p: Option<f64>,
}

/// Most tokens to generate where a task does not say.
pub(super) const DEFAULT_MAX_NEW_TOKENS: usize = 256;
