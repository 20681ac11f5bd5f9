//! Templates as the tasks that ship have them: minijinja templates and expressions.

use minijinja::value::Value;
use serde_json::Value as Json;

use super::definition::TaskDefinition;
use super::harness_file::HarnessTexts;
use super::rendered::{Rendered, Target, flags, outside};
use super::template::{Template, ValueTemplate, context};
use crate::data::Row;

/// A task's templates, compiled.
pub(super) struct TomlTemplates {
    description: Template,
    text: Template,
    target: ValueTemplate,
    shot_target: Option<ValueTemplate>,
    choices: Option<ValueTemplate>,
    continuation: Option<ValueTemplate>,
    right_choices: Option<ValueTemplate>,
    right_choice: Option<RightChoice>,
    measured: Option<ValueTemplate>,
    solution: Option<ValueTemplate>,
    answer_prefix: Option<Template>,
}

/// Which choice of a row is right.
struct RightChoice {
    number: ValueTemplate,
    of: ValueTemplate,
}

impl TomlTemplates {
    /// Compiles a definition's templates; what was taken from a harness file goes before what the definition says. The
    /// error says which one is wrong.
    pub(super) fn new(definition: &TaskDefinition, texts: &HarnessTexts) -> Result<Self, String> {
        let (prompt, rules) = (&definition.prompt, definition.rules);
        let template = |what: &str, source: &str, keep: bool| {
            Template::with_final_line_break(source, keep).map_err(|error| format!("`{what}`: {error}"))
        };
        let expression =
            |what: &str, source: &str| ValueTemplate::new(source).map_err(|error| format!("`{what}`: {error}"));
        let text = texts.text.as_ref().or(prompt.text.as_ref());
        let text = text.ok_or("`prompt` has no `text`, and no `harness_file` gives it")?;
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
            measured: prompt.measured.as_deref().map(|it| expression("measured", it)).transpose()?,
            solution: prompt.solution.as_deref().map(|it| expression("solution", it)).transpose()?,
            answer_prefix: prompt.answer_prefix.as_deref().map(|it| template("answer_prefix", it, true)).transpose()?,
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
        let render = |template: &Template| template.render(&document).map_err(|error| error.to_string());
        let text = render(&self.text)?;
        let target = target(evaluate(&self.target)?)?;
        let one = |template: &Option<ValueTemplate>, what: &str| match template.as_ref().map(evaluate).transpose()? {
            Some(Json::String(text)) => Ok(Some(text)),
            Some(other) => Err(format!("{what} is {other}, not a text")),
            None => Ok(None),
        };
        let continuation = one(&self.continuation, "what follows its choices")?;
        let measured = one(&self.measured, "what is measured")?;
        let solution = one(&self.solution, "its solution")?;
        let right_choices = self.right_choices.as_ref().map(evaluate).transpose()?;
        let right_choices = right_choices.map_or_else(|| Ok(Vec::new()), |labels| flags(&labels, choices.len()))?;
        let answer_prefix = self.answer_prefix.as_ref().map(render).transpose()?;
        Ok(Rendered { text, target, choices, continuation, right_choices, measured, solution, answer_prefix })
    }

    /// The description in front of a document's prompt.
    pub(super) fn description(&self, document: &Row) -> Result<String, String> {
        self.description.render(&context(document)).map_err(|error| error.to_string())
    }

    /// The answer that a shot shows, where it is another than the target.
    pub(super) fn shown_target(&self, document: &Row) -> Result<Option<Target>, String> {
        let Some(shown) = &self.shot_target else { return Ok(None) };
        target(shown.evaluate(&context(document)).map_err(|error| error.to_string())?).map(Some)
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
