//! From documents to prompts.

use std::ops::Range;

use minijinja::value::Value;
use serde_json::Value as Json;

use super::definition::TaskDefinition;
use super::error::TaskError;
use super::harness_file::HarnessTexts;
use super::rules::HarnessRules;
use super::template::{Template, ValueTemplate, context};
use crate::data::Row;
use crate::prompt_parts::{PromptParts, ShotParts};

/// A task's templates, compiled.
pub(super) struct PromptBuilder {
    description: Template,
    text: Template,
    target: ValueTemplate,
    shot_target: Option<ValueTemplate>,
    choices: Option<ValueTemplate>,
    continuation: Option<ValueTemplate>,
    right_choices: Option<ValueTemplate>,
    right_choice: Option<RightChoice>,
    target_delimiter: String,
    fewshot_delimiter: String,
    rules: HarnessRules,
}

/// Which choice of a row is right.
struct RightChoice {
    number: ValueTemplate,
    of: ValueTemplate,
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

/// A document with its answer, and what stands around it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shot {
    pub(super) text: String,
    /// Bytes of the question.
    pub(super) question: usize,
    /// Where the answer is; none for an empty one that leaves out both delimiters.
    pub(super) answer: Option<Range<usize>>,
}

/// A document through its task's templates.
pub(super) struct Rendered {
    pub(super) text: String,
    pub(super) target: Target,
    /// The choices' texts; empty where the task has none.
    pub(super) choices: Vec<String>,
    /// What follows each choice, where choices are parts of the question.
    pub(super) continuation: Option<String>,
    /// Whether each choice is right, where several are; empty elsewhere.
    pub(super) right_choices: Vec<bool>,
}

impl Rendered {
    /// The number of the right choice; none where the target is no choice.
    pub(super) fn right_choice(&self) -> Option<usize> {
        self.target.choice(&self.choices)
    }
}

impl PromptBuilder {
    /// Compiles a definition's templates; what was taken from a harness file goes before what the definition says.
    pub(super) fn new(definition: &TaskDefinition, texts: &HarnessTexts) -> Result<Self, TaskError> {
        let (prompt, rules) = (&definition.prompt, definition.rules);
        let wrong = |reason: String| TaskError::Definition { task: definition.name.clone(), reason };
        let template = |what: &str, source: &str, keep: bool| {
            Template::with_final_line_break(source, keep).map_err(|error| wrong(format!("`{what}`: {error}")))
        };
        let expression =
            |what: &str, source: &str| ValueTemplate::new(source).map_err(|error| wrong(format!("`{what}`: {error}")));
        let text = texts.text.as_ref().or(prompt.text.as_ref());
        let text = text.ok_or_else(|| wrong("`prompt` has no `text`, and no `harness_file` gives it".to_owned()))?;
        Ok(Self {
            // The commit puts the description in front as it is, and so keeps its final line break.
            description: template("description", texts.description.as_ref().unwrap_or(&prompt.description), true)?,
            text: template("text", text, rules.keeps_final_line_break())?,
            target: expression("target", &prompt.target)?,
            shot_target: prompt.shot_target.as_deref().map(|it| expression("shot_target", it)).transpose()?,
            choices: prompt.choices.as_deref().map(|it| expression("choices", it)).transpose()?,
            continuation: prompt.continuation.as_deref().map(|it| expression("continuation", it)).transpose()?,
            right_choices: prompt.right_choices.as_deref().map(|it| expression("right_choices", it)).transpose()?,
            right_choice: match &prompt.right_choice {
                Some(right) => Some(RightChoice {
                    number: expression("right_choice.number", &right.number)?,
                    of: expression("right_choice.of", &right.of)?,
                }),
                None => None,
            },
            target_delimiter: prompt.target_delimiter.clone(),
            fewshot_delimiter: prompt.fewshot_delimiter.clone(),
            rules,
        })
    }

    /// Puts a document through the templates; the error says what does not fit.
    pub(super) fn render(&self, document: &Row) -> Result<Rendered, String> {
        let document: Value = context(document);
        if let Some(right) = &self.right_choice {
            right.check(&document)?;
        }
        let choices = match &self.choices {
            Some(choices) => texts(choices.evaluate(&document).map_err(|error| error.to_string())?)
                .ok_or("its choices are no list of texts")?,
            None => Vec::new(),
        };
        let evaluate = |template: &ValueTemplate| template.evaluate(&document).map_err(|error| error.to_string());
        let text = self.text.render(&document).map_err(|error| error.to_string())?;
        let target = target(evaluate(&self.target)?)?;
        let continuation = match self.continuation.as_ref().map(evaluate).transpose()? {
            Some(Json::String(text)) => Some(text),
            Some(other) => return Err(format!("what follows its choices is {other}, not a text")),
            None => None,
        };
        let right_choices = self.right_choices.as_ref().map(evaluate).transpose()?;
        let right_choices = right_choices.map_or_else(|| Ok(Vec::new()), |labels| flags(&labels, choices.len()))?;
        Ok(Rendered { text, target, choices, continuation, right_choices })
    }

    /// The description in front of a document's prompt.
    pub(super) fn description(&self, document: &Row) -> Result<String, String> {
        self.description.render(&context(document)).map_err(|error| error.to_string())
    }

    /// A document with its answer, as a shot. Whether an empty answer leaves out both delimiters depends on the rules.
    pub(super) fn shot(&self, document: &Row) -> Result<Shot, String> {
        let Rendered { mut text, target: own, choices, continuation, .. } = self.render(document)?;
        let target = match &self.shot_target {
            Some(shown) => target(shown.evaluate(&context(document)).map_err(|error| error.to_string())?)?,
            None => own,
        };
        if continuation.is_some() {
            let index = target.choice(&choices).ok_or("its answer is none of its choices")?;
            text.push_str(&choices[index]);
        }
        let target = continuation.map_or(target, Target::Text);
        let answer = match &target {
            Target::Index(index) => choices.get(*index).ok_or_else(|| outside(index, choices.len()))?,
            Target::Text(answer) if answer.is_empty() && self.rules.empty_answers_drop_delimiters() => {
                return Ok(Shot { question: text.len(), text, answer: None });
            }
            Target::Text(answer) => answer,
            Target::Texts(answers) => answers.first().ok_or("it has no answer")?,
        };
        let start = text.len() + self.target_delimiter.len();
        Ok(Shot {
            text: format!("{text}{}{answer}{}", self.target_delimiter, self.fewshot_delimiter),
            question: text.len(),
            answer: Some(start..start + answer.len()),
        })
    }

    /// A prompt of a description, shots and a question, with the places of its parts.
    pub(super) fn assemble<'s>(
        &self,
        description: String,
        shots: impl Iterator<Item = &'s Shot>,
        question: &str,
    ) -> (String, PromptParts) {
        let mut parts = PromptParts {
            description: description.len(),
            target_delimiter: self.target_delimiter.len(),
            fewshot_delimiter: self.fewshot_delimiter.clone(),
            ..PromptParts::default()
        };
        let mut text = description;
        for shot in shots {
            let at = text.len();
            parts.shots.push(ShotParts {
                question: at..at + shot.question,
                answer: shot.answer.as_ref().map(|answer| at + answer.start..at + answer.end),
            });
            text.push_str(&shot.text);
        }
        parts.question = text.len();
        text.push_str(question);
        (text, parts)
    }

    /// A choice, or what follows choices, as a continuation of the prompt.
    pub(super) fn continuation(&self, text: &str) -> String {
        format!("{}{text}", self.target_delimiter)
    }
}

impl RightChoice {
    /// Whether the number is that of a choice; the error says what it is instead.
    fn check(&self, document: &Value) -> Result<(), String> {
        let of = |template: &ValueTemplate| template.evaluate(document).map_err(|error| error.to_string());
        let number = of(&self.number)?;
        let choices = of(&self.of)?.as_array().map_or(0, Vec::len);
        match number.as_u64() {
            Some(index) if index < choices as u64 => Ok(()),
            _ if number.is_i64() || number.is_u64() => Err(outside(&number, choices)),
            _ => Err(format!("its answer is {number}, not the number of a choice")),
        }
    }
}

/// What is wrong with the number of a choice that is not there.
pub(super) fn outside(number: &impl std::fmt::Display, choices: usize) -> String {
    match choices.checked_sub(1) {
        Some(last) => format!("its answer is {number}, but its choices are numbered 0 to {last}"),
        None => format!("its answer is {number}, but it has no choices"),
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

    /// The number of the choice that it is; none where it is none of `choices`.
    pub(super) fn choice(&self, choices: &[String]) -> Option<usize> {
        match self {
            Self::Index(index) => Some(*index).filter(|index| *index < choices.len()),
            Self::Text(text) => choices.iter().position(|choice| choice == text),
            Self::Texts(_) => None,
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

/// Ones and zeros, as many as there are choices.
fn flags(labels: &Json, choices: usize) -> Result<Vec<bool>, String> {
    let flag = |label: &Json| label.as_u64().filter(|label| *label < 2).map(|label| label == 1);
    let flags: Option<Vec<bool>> = labels.as_array().and_then(|labels| labels.iter().map(flag).collect());
    flags
        .filter(|flags| flags.len() == choices)
        .ok_or_else(|| format!("its labels are {labels}, not one of 0 and 1 for each of its {choices} choices"))
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
        PromptBuilder::new(task_definition(task).unwrap(), &HarnessTexts::default()).unwrap()
    }

    #[test]
    fn a_multiple_choice_shot_ends_with_the_right_choice() {
        let builder = builder("arc_easy");
        let row = row(&json!({
            "question": "what floats?",
            "choices": {"text": ["stone", "cork"], "label": ["1", "2"]},
            "answerKey": "2"
        }));
        assert_eq!(builder.shot(&row).unwrap().text, "Question: what floats?\nAnswer: cork\n\n");
        let rendered = builder.render(&row).unwrap();
        assert_eq!(rendered.target, Target::Index(1));
        assert_eq!(
            rendered.choices.iter().map(|choice| builder.continuation(choice)).collect::<Vec<_>>(),
            [" stone", " cork"]
        );
    }

    #[test]
    fn a_shot_with_several_answers_shows_the_first() {
        let row = row(&json!({"question": "who rules zorb", "answer": ["Quil", "Lord Quil"]}));
        assert_eq!(builder("nq_open").shot(&row).unwrap().text, "Q: who rules zorb?\nA: Quil\n");
        assert_eq!(builder("nq_open").description(&row).unwrap(), "Answer these questions:\n\n");
    }

    #[test]
    fn the_parts_of_a_prompt_are_where_it_says() {
        let builder = builder("nq_open");
        let row = row(&json!({"question": "who rules zorb", "answer": ["Quil"]}));
        let shot = builder.shot(&row).unwrap();
        let (text, parts) = builder.assemble("Answer.\n".to_owned(), [&shot, &shot].into_iter(), "Q: why?\nA:");
        assert_eq!(&text[..parts.description], "Answer.\n");
        for shot in &parts.shots {
            assert_eq!(&text[shot.question.clone()], "Q: who rules zorb?\nA:");
            assert_eq!(&text[shot.answer.clone().unwrap()], "Quil");
        }
        assert_eq!(&text[parts.question..], "Q: why?\nA:");
        assert_eq!((parts.shots.len(), parts.target_delimiter, &*parts.fewshot_delimiter), (2, 1, "\n"));
    }

    #[test]
    fn an_empty_answer_leaves_out_both_delimiters() {
        let row = row(&json!({"question": "1 + 1?", "answer": ""}));
        assert_eq!(builder("gsm8k").shot(&row).unwrap().text, "Question: 1 + 1?\nAnswer:");
        assert_eq!(builder("gsm8k@9e6e240").shot(&row).unwrap().text, "Question: 1 + 1?\nAnswer: \n\n");
    }

    #[test]
    fn what_a_harness_file_gives_goes_before_the_definition() {
        let texts = HarnessTexts {
            description: Some("Sort.\n\n".to_owned()),
            text: Some("Q: a\nA: b\n\nQ: {{question}}\nA: so\n".to_owned()),
            shots: None,
        };
        let row = row(&json!({"question": "c", "answer": "d"}));
        let render = |task| {
            let builder = PromptBuilder::new(task_definition(task).unwrap(), &texts).unwrap();
            builder.description(&row).unwrap() + &builder.render(&row).unwrap().text
        };
        assert_eq!(render("gsm8k"), "Sort.\n\nQ: a\nA: b\n\nQ: c\nA: so\n");
        assert_eq!(render("gsm8k@9e6e240"), "Sort.\n\nQ: a\nA: b\n\nQ: c\nA: so", "one line break less");
    }

    #[test]
    fn a_subject_is_named_without_underscores() {
        let row =
            row(&json!({"question": " why? ", "subject": "zorb_law", "choices": ["a", "b", "c", "d"], "answer": 3}));
        let builder = builder("mmlu");
        assert!(builder.description(&row).unwrap().ends_with(" about zorb law.\n\n"));
        assert_eq!(builder.shot(&row).unwrap().text, "why?\nA. a\nB. b\nC. c\nD. d\nAnswer: D\n\n");
    }

    #[test]
    fn rows_that_do_not_fit_are_explained() {
        for task in ["mmlu", "mmlu_flan_n_shot_generative", "mmlu@9e6e240", "mmlu@deepen", "mmlu@unite"] {
            let refused = |answer: Json, choices: &[&str]| {
                let row = row(&json!({"question": "q", "subject": "s", "choices": choices, "answer": answer}));
                builder(task).render(&row).err().unwrap()
            };
            let four = ["a", "b", "c", "d"];
            assert_eq!(refused(json!(4), &four), "its answer is 4, but its choices are numbered 0 to 3");
            assert_eq!(refused(json!(-1), &four), "its answer is -1, but its choices are numbered 0 to 3");
            assert_eq!(refused(json!(3), &four[..3]), "its answer is 3, but its choices are numbered 0 to 2");
            assert_eq!(refused(json!(0), &[]), "its answer is 0, but it has no choices");
            assert_eq!(refused(json!("B"), &four), "its answer is \"B\", not the number of a choice");
            assert_eq!(refused(json!(1.0), &four), "its answer is 1.0, not the number of a choice");
            assert_eq!(refused(json!(null), &four), "its answer is null, not the number of a choice");
        }
        let unlabelled = row(&json!({"goal": "g", "sol1": "x", "sol2": "y", "label": -1}));
        assert_eq!(builder("piqa").render(&unlabelled).err().unwrap(), "its answer is -1, not the number of a choice");
        let outside = row(&json!({"goal": "g", "sol1": "x", "sol2": "y", "label": 2}));
        assert_eq!(builder("piqa").shot(&outside).unwrap_err(), "its answer is 2, but its choices are numbered 0 to 1");
    }
}
