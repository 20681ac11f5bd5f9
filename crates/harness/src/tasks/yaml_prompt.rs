//! Templates as lm-evaluation-harness's YAML files have them: the name of a column, or Jinja2 whose text is read again as
//! a Python literal.
//!
//! Source: lm-evaluation-harness 0.4.13, `lm_eval/api/task.py` (`doc_to_text`, `doc_to_target`, `doc_to_choice`).

use serde_json::Value as Json;

use super::definition::{PromptDefinition, ScoredPart, TaskDefinition, TaskKind};
use super::rendered::{Rendered, Target, flags};
use super::yaml_template::YamlTemplate;
use crate::data::Row;
use crate::python::literal_eval;
use crate::python::repr::text as python_text;

/// A task's templates, compiled.
pub(super) struct YamlTemplates {
    kind: TaskKind,
    scored: ScoredPart,
    description: Field,
    text: Field,
    target: Field,
    choices: Option<Field>,
    answer_prefix: Option<Field>,
    /// The question and the answer as shots show them, where these are others.
    shot_text: Option<Field>,
    shot_target: Option<Field>,
    right_choices: Option<Field>,
    measured: Option<Field>,
    solution: Option<Field>,
}

/// A column's name, or a template.
struct Field {
    source: String,
    template: YamlTemplate,
}

/// What a field gives.
enum FieldValue<'r> {
    /// What stands in the column of that name.
    Column(&'r Json),
    /// What the template writes.
    Text(String),
}

impl YamlTemplates {
    /// Compiles a definition's templates; the error says which one is wrong.
    pub(super) fn new(definition: &TaskDefinition) -> Result<Self, String> {
        let PromptDefinition { description, text, target, scored, .. } = &definition.prompt;
        let prompt = &definition.prompt;
        let field = |what: &str, source: &str| Field::new(source).map_err(|error| format!("`{what}`: {error:#}"));
        let optional = |what: &str, source: &Option<String>| source.as_deref().map(|it| field(what, it)).transpose();
        let text = text.as_deref().ok_or("`prompt` has no `text`")?;
        Ok(Self {
            kind: definition.kind,
            scored: *scored,
            description: field("description", description)?,
            text: field("text", text)?,
            target: field("target", target)?,
            choices: optional("choices", &prompt.choices)?,
            answer_prefix: optional("answer_prefix", &prompt.answer_prefix)?,
            shot_text: optional("shot_text", &prompt.shot_text)?,
            shot_target: optional("shot_target", &prompt.shot_target)?,
            right_choices: optional("right_choices", &prompt.right_choices)?,
            measured: optional("measured", &prompt.measured)?,
            solution: optional("solution", &prompt.solution)?,
        })
    }

    /// The description in front of a document's prompt.
    pub(super) fn description(&self, document: &Row) -> Result<String, String> {
        self.description.text(document)
    }

    /// Puts a document through the templates; the error says what does not fit.
    pub(super) fn render(&self, document: &Row) -> Result<Rendered, String> {
        self.render_fields(document, &self.text, &self.target)
    }

    /// As [`render`](Self::render), with the question and the answer that shots show.
    pub(super) fn render_shot(&self, document: &Row) -> Result<Rendered, String> {
        let text = self.shot_text.as_ref().unwrap_or(&self.text);
        self.render_fields(document, text, self.shot_target.as_ref().unwrap_or(&self.target))
    }

    fn render_fields(&self, document: &Row, text: &Field, target: &Field) -> Result<Rendered, String> {
        let choices = self.choices.as_ref().map(|choices| choices.list(document)).transpose()?;
        let text = text.text(document)?;
        let answer_prefix = self.answer_prefix.as_ref().map(|prefix| prefix.text(document)).transpose()?;
        let answer_prefix = answer_prefix.filter(|prefix| !prefix.is_empty());
        // Filters and metrics of texts look for choices in a column of that name.
        let listed = document.get("choices").filter(|_| self.kind == TaskKind::Generate).cloned();
        let listed: Vec<String> = listed.and_then(|listed| serde_json::from_value(listed).ok()).unwrap_or_default();
        let right_choices = match &self.right_choices {
            Some(flags) => flags.flags(document, choices.as_ref().map_or(listed.len(), Vec::len))?,
            None => Vec::new(),
        };
        let measured = self.measured.as_ref().map(|measured| measured.text(document)).transpose()?;
        let solution = self.solution.as_ref().map(|solution| solution.text(document)).transpose()?;
        let rendered = |text, target, choices, continuation| Rendered {
            text,
            target,
            choices,
            continuation,
            right_choices,
            measured,
            solution,
            answer_prefix,
        };
        let target = target.target(document, choices.as_deref())?;
        match (self.kind, self.scored) {
            (TaskKind::Choose, ScoredPart::Choices) => {
                let choices = choices.ok_or("the task has no choices")?;
                // A number in place of the question: choices are parts of the question, and the target follows them.
                if is_number(&text) {
                    let right =
                        text.parse().map_err(|_| format!("its question is {text}, not the number of a choice"))?;
                    let following = match target {
                        Target::Index(number) => number.to_string(),
                        Target::Text(text) => text,
                        Target::Texts(_) | Target::Indices(_) => return Err("it has several answers".to_owned()),
                    };
                    return Ok(rendered(String::new(), Target::Index(right), choices, Some(following)));
                }
                Ok(rendered(text, target, choices, None))
            }
            (TaskKind::Choose, ScoredPart::Target | ScoredPart::Whole) => {
                let Target::Text(scored) = target else { return Err("its answer is no text".to_owned()) };
                Ok(rendered(text, Target::Text(scored.clone()), vec![scored], None))
            }
            (TaskKind::Generate, _) => {
                let target = match (target, choices) {
                    (Target::Index(number), Some(choices)) => Target::Text(
                        choices.get(number).ok_or_else(|| super::rendered::outside(&number, choices.len()))?.clone(),
                    ),
                    (Target::Index(number), None) => Target::Text(number.to_string()),
                    (target, _) => target,
                };
                Ok(rendered(text, target, listed, None))
            }
        }
    }
}

impl Field {
    fn new(source: &str) -> Result<Self, minijinja::Error> {
        Ok(Self { source: source.to_owned(), template: YamlTemplate::new(source)? })
    }

    fn of<'r>(&self, document: &'r Row) -> Result<FieldValue<'r>, String> {
        if let Some(value) = document.get(&self.source) {
            return Ok(FieldValue::Column(value));
        }
        self.template.render(document).map(FieldValue::Text)
    }

    fn target(&self, document: &Row, choices: Option<&[String]>) -> Result<Target, String> {
        match self.of(document)? {
            FieldValue::Column(Json::String(text)) => Ok(Target::Text(text.clone())),
            FieldValue::Column(value) => read_target(value, choices.is_some()),
            FieldValue::Text(text) if is_number(&text) && choices.is_some() => {
                text.parse().map(Target::Index).map_err(|_| format!("its answer is {text}, not the number of a choice"))
            }
            FieldValue::Text(text) if text.len() >= 2 && text.starts_with('[') && text.ends_with(']') => {
                match literal_eval(&text) {
                    Some(value) => read_target(&value, choices.is_some()),
                    None => Ok(Target::Text(text)),
                }
            }
            FieldValue::Text(text) => Ok(Target::Text(text)),
        }
    }

    /// Ones and zeros, as many as there are choices.
    fn flags(&self, document: &Row, choices: usize) -> Result<Vec<bool>, String> {
        let labels = match self.of(document)? {
            FieldValue::Column(value) => value.clone(),
            FieldValue::Text(text) => literal_eval(&text).ok_or_else(|| format!("its labels are {text}, no list"))?,
        };
        flags(&labels, choices)
    }

    fn text(&self, document: &Row) -> Result<String, String> {
        match self.of(document)? {
            FieldValue::Text(text) => Ok(text),
            FieldValue::Column(Json::String(text)) => Ok(text.clone()),
            FieldValue::Column(Json::Number(number)) => Ok(number.to_string()),
            FieldValue::Column(other) => Err(format!("its column `{}` holds {other}, not a text", self.source)),
        }
    }

    fn list(&self, document: &Row) -> Result<Vec<String>, String> {
        let value = match self.of(document)? {
            FieldValue::Column(value) => value.clone(),
            FieldValue::Text(text) => {
                literal_eval(&text).ok_or_else(|| format!("its choices are no Python list: {text}"))?
            }
        };
        serde_json::from_value(value.clone()).map_err(|_| format!("its choices are {value}, not a list of texts"))
    }
}

/// `str.isdigit`, for digits that numbers are written with.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// What is right, by what a column or a literal holds.
fn read_target(value: &Json, has_choices: bool) -> Result<Target, String> {
    let number = |value: &Json| match value {
        Json::Bool(is_true) => Some(usize::from(*is_true)),
        other => other.as_u64().and_then(|number| usize::try_from(number).ok()),
    };
    match value {
        Json::Array(items) if has_choices => {
            let numbers: Option<Vec<usize>> = items.iter().map(number).collect();
            numbers.map(Target::Indices).ok_or_else(|| format!("its answers are {value}, not numbers of choices"))
        }
        Json::Array(_) => serde_json::from_value(value.clone())
            .map(Target::Texts)
            .map_err(|_| format!("its answers are {value}, not a list of texts")),
        Json::String(text) => Ok(Target::Text(text.clone())),
        Json::Object(_) => Err(format!("its answer is {value}")),
        other if has_choices => {
            number(other).map(Target::Index).ok_or_else(|| format!("its answer is {other}, not the number of a choice"))
        }
        other => Ok(Target::Text(python_text(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tasks::definition::TemplateLanguage;
    use crate::tasks::task_definition;
    use serde_json::json;

    fn templates(kind: TaskKind, text: &str, target: &str, choices: Option<&str>) -> YamlTemplates {
        let mut definition = task_definition("boolq").unwrap().clone();
        definition.kind = kind;
        definition.prompt.language = TemplateLanguage::Yaml;
        definition.prompt.text = Some(text.to_owned());
        definition.prompt.target = target.to_owned();
        definition.prompt.choices = choices.map(str::to_owned);
        YamlTemplates::new(&definition).unwrap()
    }

    fn row(value: &Json) -> Row {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn a_field_is_a_column_where_there_is_one_of_its_name() {
        let templates = templates(TaskKind::Choose, "question", "label", Some("options"));
        let rendered = templates.render(&row(&json!({"question": "q?", "label": 1, "options": ["a", "b"]}))).unwrap();
        assert_eq!((rendered.text.as_str(), rendered.target), ("q?", Target::Index(1)));
        assert_eq!(rendered.choices, ["a", "b"]);
    }

    #[test]
    fn choices_and_targets_are_read_as_python_literals() {
        let templates = templates(TaskKind::Choose, "{{q}}", "{{['B', 'A'].index(key)}}", Some("{{[x, 'it\\'s']}}"));
        let rendered = templates.render(&row(&json!({"q": "?", "key": "A", "x": "\"\n"}))).unwrap();
        assert_eq!(rendered.choices, ["\"\n", "it's"]);
        assert_eq!(rendered.target, Target::Index(1));
    }

    #[test]
    fn several_answers_are_numbers_of_choices_or_texts() {
        let row = row(&json!({"q": "?", "answers": ["x", "y"]}));
        let several = |kind, choices| templates(kind, "{{q}}", "{{answers}}", choices).render(&row).map(|it| it.target);
        assert_eq!(several(TaskKind::Generate, None), Ok(Target::Texts(vec!["x".into(), "y".into()])));
        assert!(several(TaskKind::Choose, Some("answers")).is_err());
        let numbers = templates(TaskKind::Choose, "{{q}}", "[0, 1]", Some("answers")).render(&row).unwrap();
        assert_eq!(numbers.target, Target::Indices(vec![0, 1]));
    }

    #[test]
    fn a_number_for_a_question_makes_choices_parts_of_it() {
        let templates = templates(TaskKind::Choose, "{{n}}", "end", Some("{{[a, b]}}"));
        let rendered = templates.render(&row(&json!({"n": 1, "a": "p", "b": "q", "end": "so."}))).unwrap();
        assert_eq!(
            (rendered.text.as_str(), rendered.target, rendered.continuation.as_deref()),
            ("", Target::Index(1), Some("so."))
        );
    }

    #[test]
    fn an_answer_that_is_no_text_is_written_as_python_writes_it() {
        for (value, text) in [(json!(5), "5"), (json!(true), "True"), (json!(0.5), "0.5"), (json!("x"), "x")] {
            let rendered =
                templates(TaskKind::Generate, "q", "y", None).render(&row(&json!({"q": "?", "y": value}))).unwrap();
            assert_eq!(rendered.target, Target::Text(text.into()));
        }
    }
}
