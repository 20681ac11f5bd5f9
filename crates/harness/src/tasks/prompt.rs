//! From documents to prompts.

use minijinja::value::Value;
use serde_json::Value as Json;

use super::definition::TaskDefinition;
use super::error::TaskError;
use super::template::{Template, ValueTemplate, context};
use crate::data::Row;

/// A task's templates, compiled.
pub(super) struct PromptBuilder {
    description: Template,
    text: Template,
    target: ValueTemplate,
    choices: Option<ValueTemplate>,
    target_delimiter: String,
    fewshot_delimiter: String,
}

/// A reference answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    /// The index of the right choice.
    Index(usize),
    /// A text.
    Text(String),
    /// Texts of which any will do.
    Texts(Vec<String>),
}

/// A document through its task's templates.
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) target: Target,
    /// The choices' texts; empty where the task has none.
    pub(super) choices: Vec<String>,
}

impl PromptBuilder {
    pub(super) fn new(definition: &TaskDefinition) -> Result<Self, TaskError> {
        let prompt = &definition.prompt;
        let wrong = |what: &str, error: &minijinja::Error| TaskError::Definition {
            task: definition.name.clone(),
            reason: format!("`{what}`: {error}"),
        };
        Ok(Self {
            description: Template::new(&prompt.description).map_err(|error| wrong("description", &error))?,
            text: Template::new(&prompt.text).map_err(|error| wrong("text", &error))?,
            target: ValueTemplate::new(&prompt.target).map_err(|error| wrong("target", &error))?,
            choices: prompt
                .choices
                .as_deref()
                .map(ValueTemplate::new)
                .transpose()
                .map_err(|error| wrong("choices", &error))?,
            target_delimiter: prompt.target_delimiter.clone(),
            fewshot_delimiter: prompt.fewshot_delimiter.clone(),
        })
    }

    /// Puts a document through the templates; the error says what does not fit.
    pub(super) fn render(&self, document: &Row) -> Result<Rendered, String> {
        let document: Value = context(document);
        let choices = match &self.choices {
            Some(choices) => texts(choices.evaluate(&document).map_err(|error| error.to_string())?)
                .ok_or("its choices are no list of texts")?,
            None => Vec::new(),
        };
        let text = self.text.render(&document).map_err(|error| error.to_string())?;
        let target = target(self.target.evaluate(&document).map_err(|error| error.to_string())?)?;
        Ok(Rendered { text, target, choices })
    }

    /// The description in front of a document's prompt.
    pub(super) fn description(&self, document: &Row) -> Result<String, String> {
        self.description.render(&context(document)).map_err(|error| error.to_string())
    }

    /// A document with its answer, as a shot. An empty answer leaves out both delimiters.
    pub(super) fn shot(&self, document: &Row) -> Result<String, String> {
        let Rendered { text, target, choices } = self.render(document)?;
        let answer = match &target {
            Target::Index(index) => choices
                .get(*index)
                .ok_or_else(|| format!("its right choice is number {index}, but it has {} choices", choices.len()))?,
            Target::Text(answer) if answer.is_empty() => return Ok(text),
            Target::Text(answer) => answer,
            Target::Texts(answers) => answers.first().ok_or("it has no answer")?,
        };
        Ok(format!("{text}{}{answer}{}", self.target_delimiter, self.fewshot_delimiter))
    }

    /// The choices as continuations of the prompt.
    pub(super) fn continuations(&self, choices: &[String]) -> Vec<String> {
        choices.iter().map(|choice| format!("{}{choice}", self.target_delimiter)).collect()
    }
}

impl Target {
    /// As results show it.
    pub(super) fn to_json(&self) -> Json {
        match self {
            Self::Index(index) => (*index).into(),
            Self::Text(text) => text.clone().into(),
            Self::Texts(texts) => texts.clone().into(),
        }
    }

    /// The accepted texts; none for an index.
    pub(super) fn texts(&self) -> Vec<&str> {
        match self {
            Self::Index(_) => Vec::new(),
            Self::Text(text) => vec![text],
            Self::Texts(texts) => texts.iter().map(String::as_str).collect(),
        }
    }
}

fn target(value: Json) -> Result<Target, String> {
    match value {
        Json::String(text) => Ok(Target::Text(text)),
        Json::Number(number) => number
            .as_u64()
            .map(|index| Target::Index(index as usize))
            .ok_or_else(|| format!("its answer is {number}, not the number of a choice")),
        Json::Array(_) => texts(value).map(Target::Texts).ok_or_else(|| "its answers are no list of texts".to_owned()),
        other => Err(format!("its answer is {other}, which is neither a text nor a number")),
    }
}

fn texts(value: Json) -> Option<Vec<String>> {
    serde_json::from_value(value).ok()
}

#[cfg(test)]
mod tests {
    use super::super::task_definition;
    use super::*;
    use serde_json::json;

    fn row(value: &Json) -> Row {
        value.as_object().unwrap().clone()
    }

    fn builder(task: &str) -> PromptBuilder {
        PromptBuilder::new(task_definition(task).unwrap()).unwrap()
    }

    #[test]
    fn a_multiple_choice_shot_ends_with_the_right_choice() {
        let builder = builder("arc_easy");
        let row = row(&json!({
            "question": "what floats?",
            "choices": {"text": ["stone", "cork"], "label": ["1", "2"]},
            "answerKey": "2"
        }));
        assert_eq!(builder.shot(&row).unwrap(), "Question: what floats?\nAnswer: cork\n\n");
        let rendered = builder.render(&row).unwrap();
        assert_eq!(rendered.target, Target::Index(1));
        assert_eq!(builder.continuations(&rendered.choices), [" stone", " cork"]);
    }

    #[test]
    fn a_shot_with_several_answers_shows_the_first() {
        let row = row(&json!({"question": "who rules zorb", "answer": ["Quil", "Lord Quil"]}));
        assert_eq!(builder("nq_open").shot(&row).unwrap(), "Q: who rules zorb?\nA: Quil\n");
        assert_eq!(builder("nq_open").description(&row).unwrap(), "Answer these questions:\n\n");
    }

    #[test]
    fn an_empty_answer_leaves_out_both_delimiters() {
        let row = row(&json!({"question": "1 + 1?", "answer": ""}));
        assert_eq!(builder("gsm8k").shot(&row).unwrap(), "Question: 1 + 1?\nAnswer:");
    }

    #[test]
    fn a_subject_is_named_without_underscores() {
        let row =
            row(&json!({"question": " why? ", "subject": "zorb_law", "choices": ["a", "b", "c", "d"], "answer": 3}));
        let builder = builder("mmlu");
        assert!(builder.description(&row).unwrap().ends_with(" about zorb law.\n\n"));
        assert_eq!(builder.shot(&row).unwrap(), "why?\nA. a\nB. b\nC. c\nD. d\nAnswer: D\n\n");
    }

    #[test]
    fn rows_that_do_not_fit_are_explained() {
        let unlabelled = row(&json!({"goal": "g", "sol1": "x", "sol2": "y", "label": -1}));
        assert_eq!(builder("piqa").render(&unlabelled).err().unwrap(), "its answer is -1, not the number of a choice");
        let outside = row(&json!({"goal": "g", "sol1": "x", "sol2": "y", "label": 2}));
        assert_eq!(builder("piqa").shot(&outside).unwrap_err(), "its right choice is number 2, but it has 2 choices");
    }
}
