//! From documents to prompts.

use std::ops::Range;

use super::definition::{ScoredPart, TaskDefinition, TemplateLanguage};
use super::error::TaskError;
use super::harness_file::HarnessTexts;
use super::rendered::{Rendered, Target, outside};
use super::rules::HarnessRules;
use super::toml_prompt::TomlTemplates;
use super::yaml_prompt::YamlTemplates;
use crate::data::Row;
use crate::prompt_parts::{PromptParts, ShotParts};
use crate::python::is_space;

/// A task's templates, compiled.
pub(super) struct PromptBuilder {
    templates: Templates,
    scored: ScoredPart,
    target_delimiter: String,
    fewshot_delimiter: String,
    rules: HarnessRules,
}

enum Templates {
    Toml(Box<TomlTemplates>),
    Yaml(Box<YamlTemplates>),
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

impl PromptBuilder {
    /// Compiles a definition's templates; what was taken from a harness file goes before what the definition says.
    pub(super) fn new(definition: &TaskDefinition, texts: &HarnessTexts) -> Result<Self, TaskError> {
        let prompt = &definition.prompt;
        let templates = match prompt.language {
            TemplateLanguage::Toml => TomlTemplates::new(definition, texts).map(|own| Templates::Toml(Box::new(own))),
            TemplateLanguage::Yaml => YamlTemplates::new(definition).map(|own| Templates::Yaml(Box::new(own))),
        };
        Ok(Self {
            templates: templates.map_err(|reason| TaskError::Definition { task: definition.name.clone(), reason })?,
            scored: prompt.scored,
            target_delimiter: prompt.target_delimiter.clone(),
            fewshot_delimiter: prompt.fewshot_delimiter.clone(),
            rules: definition.rules,
        })
    }

    /// Puts a document through the templates; the error says what does not fit.
    pub(super) fn render(&self, document: &Row) -> Result<Rendered, String> {
        match &self.templates {
            Templates::Toml(templates) => templates.render(document),
            Templates::Yaml(templates) => templates.render(document),
        }
    }

    /// The description in front of a document's prompt.
    pub(super) fn description(&self, document: &Row) -> Result<String, String> {
        match &self.templates {
            Templates::Toml(templates) => templates.description(document),
            Templates::Yaml(templates) => templates.description(document),
        }
    }

    /// A document with its answer, as a shot. Whether an empty answer leaves out both delimiters depends on the rules.
    pub(super) fn shot(&self, document: &Row) -> Result<Shot, String> {
        let (rendered, shown) = match &self.templates {
            Templates::Toml(templates) => (templates.render(document)?, templates.shown_target(document)?),
            Templates::Yaml(templates) => (templates.render_shot(document)?, None),
        };
        let Rendered { mut text, target: own, choices, continuation, answer_prefix, .. } = rendered;
        let target = shown.unwrap_or(own);
        if continuation.is_some() {
            let index = target.choice(&choices).ok_or("its answer is none of its choices")?;
            text.push_str(&choices[index]);
        }
        let target = continuation.map_or(target, Target::Text);
        let choice = |index: &usize| choices.get(*index).ok_or_else(|| outside(index, choices.len()));
        let answer = match &target {
            Target::Index(index) => choice(index)?,
            Target::Indices(indices) => choice(indices.first().ok_or("it has no answer")?)?,
            Target::Text(answer) if answer.is_empty() && self.rules.empty_answers_drop_delimiters() => {
                let question = text.len();
                return Ok(Shot { text: self.question(&text, answer_prefix.as_deref()), question, answer: None });
            }
            Target::Text(answer) => answer,
            Target::Texts(answers) => answers.first().ok_or("it has no answer")?,
        };
        let question = text.len();
        let (start, answer) = match &answer_prefix {
            None => (question + self.target_delimiter.len(), answer.clone()),
            Some(prefix) => (self.question(&text, Some(prefix)).len() - prefix.len(), joined(prefix, answer, " ")),
        };
        if answer_prefix.is_none() || start > question {
            text.push_str(&self.target_delimiter);
        }
        let end = start + answer.len();
        Ok(Shot { text: text + &answer + &self.fewshot_delimiter, question, answer: Some(start..end) })
    }

    /// A question with what its answer begins with, and a delimiter between them where there is no white space.
    pub(super) fn question(&self, text: &str, answer_prefix: Option<&str>) -> String {
        match answer_prefix {
            Some(prefix) if text.is_empty() => prefix.to_owned(),
            Some(prefix) => joined(text, prefix, &self.target_delimiter),
            None => text.to_owned(),
        }
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
            target_delimiter: match self.scored {
                ScoredPart::Choices => self.target_delimiter.len(),
                ScoredPart::Target | ScoredPart::Whole => 0,
            },
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
        match self.scored {
            ScoredPart::Choices => format!("{}{text}", self.target_delimiter),
            ScoredPart::Target | ScoredPart::Whole => text.to_owned(),
        }
    }
}

/// Both texts, with a delimiter between them unless there is white space, or one is empty.
fn joined(before: &str, behind: &str, delimiter: &str) -> String {
    let spaced = before.ends_with(is_space) || behind.starts_with(is_space);
    let delimiter = if before.is_empty() || behind.is_empty() || spaced { "" } else { delimiter };
    [before, delimiter, behind].concat()
}

#[cfg(test)]
mod tests {
    use super::super::task_definition;
    use super::*;
    use serde_json::{Value as Json, json};

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
