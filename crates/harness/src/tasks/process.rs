//! What is made of rows before templates see them, where it takes more than a template.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wikitext::running_text;
use super::yaml_template::YamlTemplate;
use crate::data::Row;
use crate::metrics::{Instruction, boxed_answer, written_in_one_way};
use crate::python::{PythonRandom, PythonRegex, capitalize, literal_eval, strip};

/// Columns that are added to a task's rows: lm-evaluation-harness's `process_docs` of that task.
///
/// Source: lm-evaluation-harness 0.4.13, the task's `utils.py`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowProcess {
    /// Columns by their names, each made of the row as it was.
    Columns(BTreeMap<String, ColumnTemplate>),
    /// `HellaSwag`: `query` and `choices`, without what is left of `WikiHow`'s markup.
    Hellaswag,
    /// GPQA: `choices` (and `choice1` to `choice4`) in an order drawn row after row with Python's `random.Random(0)`, and the letter of the right one as
    /// `answer`: `(A)`. That is what lm-evaluation-harness does in the first run on a machine with its default seed, when
    /// the task is the first that draws; later runs find it in the cache of `datasets`.
    Gpqa,
    /// MATH: what the last `\boxed` of `solution` holds, as `answer`.
    Math,
    /// MATH under Minerva's protocol: as `math`, and the answer in one way.
    Minerva,
    /// `TruthfulQA` in words: `question` without white space around it, `choices`, all true answers before all false ones, each
    /// with a point at its end, and `labels`, 1 for each true one. That one has no comment is always true.
    Truthful,
    /// `IFEval`: `instructions`, each with its settings.
    Ifeval,
    /// `WikiText`: `text`, the `page` as running text.
    Wikitext,
}

/// What is made of a row: a Jinja2 template over its columns (and the row itself, `doc`), as [`TemplateLanguage::Yaml`] has
/// them.
///
/// [`TemplateLanguage::Yaml`]: super::TemplateLanguage::Yaml
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ColumnTemplate {
    /// A text.
    Text(String),
    /// What a Python literal says that the template writes.
    Literal {
        /// The template.
        literal: String,
    },
}

/// Which rows of a split there are documents of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowFilter {
    /// Those with a text in a column.
    Is {
        /// The column.
        column: String,
        /// The text; in stand-ins for functions `{name}` is a part of the function's name.
        text: String,
        /// What the column's text ends before, where it has one of these in it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        until: Vec<String>,
    },
    /// Those for which a template of the row writes `True`.
    When(String),
}

/// A row that does not fit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct UnfitRow {
    /// Its place.
    pub(super) row: usize,
    pub(super) reason: String,
}

/// What is dropped of `HellaSwag`'s texts.
static IN_BRACKETS: LazyLock<PythonRegex> =
    LazyLock::new(|| PythonRegex::new(r"\[.*?\]").expect("a constant pattern compiles"));

impl RowProcess {
    /// All rows of a split, in order, with the columns added.
    pub(super) fn apply(&self, rows: &[Row]) -> Result<Vec<Row>, UnfitRow> {
        let mut random = PythonRandom::new(0);
        let columns = match self {
            Self::Columns(columns) => compiled(columns).map_err(|reason| UnfitRow { row: 0, reason })?,
            _ => Vec::new(),
        };
        let process = |(number, row): (usize, &Row)| {
            let added = match self {
                Self::Columns(_) => columns.iter().map(|column| column.of(row)).collect(),
                Self::Hellaswag => hellaswag(row),
                Self::Gpqa => gpqa(row, &mut random),
                Self::Math => boxed(row).map(|answer| vec![("answer", answer.into())]),
                Self::Minerva => boxed(row).map(|answer| vec![("answer", written_in_one_way(answer).into())]),
                Self::Truthful => truthful(row),
                Self::Ifeval => instructions(row),
                Self::Wikitext => wikitext(row),
            };
            let added = added.map_err(|reason| UnfitRow { row: number, reason })?;
            let mut processed = row.clone();
            processed.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Ok(processed)
        };
        rows.iter().enumerate().map(process).collect()
    }

    /// With its templates written anew.
    pub(super) fn map_templates(self, map: &impl Fn(&str) -> String) -> Self {
        let column = |column| match column {
            ColumnTemplate::Text(template) => ColumnTemplate::Text(map(&template)),
            ColumnTemplate::Literal { literal } => ColumnTemplate::Literal { literal: map(&literal) },
        };
        match self {
            Self::Columns(columns) => {
                Self::Columns(columns.into_iter().map(|(name, template)| (name, column(template))).collect())
            }
            other => other,
        }
    }
}

impl RowFilter {
    /// With `{name}` replaced.
    pub(super) fn of_name(self, name: &str) -> Self {
        match self {
            Self::Is { column, text, until } => Self::Is { column, text: text.replace("{name}", name), until },
            other @ Self::When(_) => other,
        }
    }

    /// The numbers of the rows that stay.
    pub(super) fn kept(&self, rows: &[Row]) -> Result<Vec<usize>, UnfitRow> {
        let template = match self {
            Self::Is { .. } => None,
            Self::When(template) => Some(
                YamlTemplate::new(template)
                    .map_err(|error| UnfitRow { row: 0, reason: format!("`keep`: {error:#}") })?,
            ),
        };
        let stays = |columns: &Row| match (self, &template) {
            (_, Some(template)) => Ok(template.render(columns)? == "True"),
            (Self::Is { column, text, until }, None) => has_text(columns, column, text, until),
            (Self::When(_), None) => Ok(true),
        };
        let mut kept = Vec::new();
        for (row, columns) in rows.iter().enumerate() {
            if stays(columns).map_err(|reason| UnfitRow { row, reason })? {
                kept.push(row);
            }
        }
        Ok(kept)
    }
}

/// Whether a column's text, up to one of `until`, is `text`.
fn has_text(row: &Row, column: &str, text: &str, until: &[String]) -> Result<bool, String> {
    let own = row.get(column).ok_or_else(|| format!("there is no column `{column}`"))?;
    let end = |own: &str| until.iter().find_map(|end| own.find(end)).unwrap_or(own.len());
    Ok(own.as_str().is_some_and(|own| own[..end(own)] == *text))
}

type NewColumns<'n> = Vec<(&'n str, Value)>;

/// A column's template, ready to use.
struct CompiledColumn<'t> {
    name: &'t str,
    template: YamlTemplate,
    is_literal: bool,
}

fn compiled(columns: &BTreeMap<String, ColumnTemplate>) -> Result<Vec<CompiledColumn<'_>>, String> {
    let column = |(name, template): (&'_ String, &'_ ColumnTemplate)| {
        let (source, is_literal) = match template {
            ColumnTemplate::Text(source) => (source, false),
            ColumnTemplate::Literal { literal } => (literal, true),
        };
        let template = YamlTemplate::new(source);
        template.map(|template| (template, is_literal)).map_err(|error| format!("`process.columns.{name}`: {error:#}"))
    };
    let compiled = columns.iter().map(|(name, template)| {
        let (template, is_literal) = column((name, template))?;
        Ok(CompiledColumn { name, template, is_literal })
    });
    compiled.collect()
}

impl CompiledColumn<'_> {
    fn of(&self, row: &Row) -> Result<(&str, Value), String> {
        let text = self.template.render(row).map_err(|reason| format!("`{}`: {reason}", self.name))?;
        let value = if self.is_literal {
            literal_eval(&text).ok_or_else(|| format!("`{}` is no literal of Python: {text}", self.name))?
        } else {
            Value::String(text)
        };
        Ok((self.name, value))
    }
}

fn hellaswag(row: &Row) -> Result<NewColumns<'static>, String> {
    let context = format!("{} {}", text(row, "ctx_a")?, capitalize(text(row, "ctx_b")?));
    let endings = row.get("endings").and_then(Value::as_array).ok_or("column `endings` holds no list")?;
    let endings: Option<Vec<String>> = endings.iter().map(|ending| ending.as_str().map(without_brackets)).collect();
    Ok(vec![
        ("query", without_brackets(&format!("{}: {context}", text(row, "activity_label")?)).into()),
        ("choices", endings.ok_or("column `endings` holds no list of texts")?.into()),
    ])
}

fn without_brackets(text: &str) -> String {
    IN_BRACKETS.remove_all(&strip(text).replace(" [title]", ". ")).replace("  ", " ")
}

fn gpqa(row: &Row, random: &mut PythonRandom) -> Result<NewColumns<'static>, String> {
    let choice = |column: &str| match row.get(column) {
        Some(Value::Null) => Ok(" ".to_owned()),
        _ => text(row, column).map(|text| strip(text).replace(" [title]", ". ").replace("  ", " ")),
    };
    let right = choice("Correct Answer")?;
    let wrong = ["Incorrect Answer 1", "Incorrect Answer 2", "Incorrect Answer 3"].map(choice);
    let mut choices = wrong.into_iter().collect::<Result<Vec<String>, String>>()?;
    choices.push(right.clone());
    random.shuffle(&mut choices);
    let letter = choices.iter().zip('A'..).find(|(choice, _)| **choice == right).map_or('A', |(_, letter)| letter);
    let named = ["choice1", "choice2", "choice3", "choice4"].into_iter().zip(choices.iter().cloned().map(Value::from));
    let mut columns: NewColumns<'_> = named.collect();
    columns.extend([("choices", choices.into()), ("answer", format!("({letter})").into())]);
    Ok(columns)
}

/// An answer that is always true.
const NO_COMMENT: &str = "I have no comment.";

fn truthful(row: &Row) -> Result<NewColumns<'static>, String> {
    let answers = |column: &str| {
        let listed =
            row.get(column).and_then(Value::as_array).ok_or_else(|| format!("column `{column}` holds no list"))?;
        let texts: Option<Vec<&str>> = listed.iter().map(|answer| answer.as_str().map(strip)).collect();
        let texts = texts.ok_or_else(|| format!("column `{column}` holds no list of texts"))?;
        let with_point = |text: &str| if text.ends_with('.') { text.to_owned() } else { format!("{text}.") };
        Ok::<_, String>(texts.into_iter().filter(|text| !text.is_empty()).map(with_point).collect::<Vec<String>>())
    };
    let (mut choices, wrong) = (answers("correct_answers")?, answers("incorrect_answers")?);
    if !choices.iter().any(|answer| answer == NO_COMMENT) {
        choices.push(NO_COMMENT.to_owned());
    }
    let labels: Vec<u8> = std::iter::repeat_n(1, choices.len()).chain(std::iter::repeat_n(0, wrong.len())).collect();
    choices.extend(wrong);
    Ok(vec![("question", strip(text(row, "question")?).into()), ("choices", choices.into()), ("labels", labels.into())])
}

fn boxed(row: &Row) -> Result<&str, String> {
    boxed_answer(text(row, "solution")?).ok_or_else(|| "its solution has no answer in `\\boxed{}`".to_owned())
}

fn instructions(row: &Row) -> Result<NewColumns<'static>, String> {
    let column = |name: &str| row.get(name).ok_or_else(|| format!("there is no column `{name}`"));
    let instructions = Instruction::of_row(column("instruction_id_list")?, column("kwargs")?)?;
    Ok(vec![("instructions", instructions.into())])
}

fn wikitext(row: &Row) -> Result<NewColumns<'static>, String> {
    Ok(vec![("text", running_text(text(row, "page")?).into())])
}

fn text<'r>(row: &'r Row, column: &str) -> Result<&'r str, String> {
    row.get(column).and_then(Value::as_str).ok_or_else(|| format!("column `{column}` holds no text"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn row(value: &Value) -> Row {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn markup_is_dropped_and_the_second_part_begins_with_a_capital() {
        let own = row(&json!({
            "activity_label": "Tying knots", "ctx_a": "A cord lies there. [header] Knots [title] First steps",
            "ctx_b": "the Cord", "endings": [" is  cut [step] in two.", "burns."]
        }));
        let processed = RowProcess::Hellaswag.apply(&[own]).unwrap();
        assert_eq!(processed[0]["query"], "Tying knots: A cord lies there. Knots. First steps The cord");
        assert_eq!(processed[0]["choices"], json!(["is cut in two.", "burns."]));
        let unfit = RowProcess::Hellaswag.apply(&[row(&json!({"ctx_a": 1}))]).unwrap_err();
        assert_eq!(unfit, UnfitRow { row: 0, reason: "column `ctx_a` holds no text".to_owned() });
    }

    #[test]
    fn choices_are_drawn_into_an_order_row_after_row() {
        let own = row(&json!({
            "Correct Answer": " right ", "Incorrect Answer 1": "a", "Incorrect Answer 2": null, "Incorrect Answer 3": "c"
        }));
        let processed = RowProcess::Gpqa.apply(&vec![own; 3]).unwrap();
        // From Python: random.seed(0); l = ["a", " ", "c", "right"]; random.shuffle(l), three times anew.
        let expected =
            [(["c", "a", " ", "right"], "(D)"), (["a", " ", "right", "c"], "(C)"), (["a", "c", " ", "right"], "(D)")];
        for (row, (choices, answer)) in processed.iter().zip(expected) {
            assert_eq!((&row["choices"], &row["answer"]), (&json!(choices), &json!(answer)));
        }
    }

    #[test]
    fn columns_are_made_of_the_row_as_it_was() {
        let columns = [
            ("a", ColumnTemplate::Text("{{b}}!".to_owned())),
            ("b", ColumnTemplate::Literal { literal: "{{ [a, doc['c d']] }}".to_owned() }),
        ];
        let process = RowProcess::Columns(columns.map(|(name, template)| (name.to_owned(), template)).into());
        let processed = process.apply(&[row(&json!({"a": "x", "b": "y", "c d": 3}))]).unwrap();
        assert_eq!(Value::from(processed[0].clone()), json!({"a": "y!", "b": ["x", 3], "c d": 3}));
        let unfit = process.apply(&[row(&json!({"a": "x", "c d": 3}))]).unwrap_err();
        assert!(unfit.row == 0 && unfit.reason.starts_with("`a`: "), "{unfit:?}");
    }

    #[test]
    fn rows_stay_by_what_a_column_says_or_a_template() {
        let rows = ["law", "law_test.csv_x", "art"].map(|subject| row(&json!({ "subject": subject })));
        let column = "subject".to_owned();
        let law =
            RowFilter::Is { column, text: "{name}".to_owned(), until: vec!["_test.csv".to_owned()] }.of_name("law");
        assert_eq!(law.kept(&rows).unwrap(), [0, 1]);
        assert_eq!(RowFilter::When("{{ subject != 'law' }}".to_owned()).kept(&rows).unwrap(), [1, 2]);
        let unfit = law.kept(&[row(&json!({}))]).unwrap_err();
        assert_eq!(unfit.reason, "there is no column `subject`");
    }

    #[test]
    fn true_answers_stand_before_false_ones_and_no_comment_is_always_true() {
        let own = row(&json!({
            "question": " why? ", "correct_answers": ["so", "", "I know."], "incorrect_answers": ["not "]
        }));
        let processed = RowProcess::Truthful.apply(&[own]).unwrap();
        assert_eq!(processed[0]["choices"], json!(["so.", "I know.", "I have no comment.", "not."]));
        assert_eq!((&processed[0]["labels"], &processed[0]["question"]), (&json!([1, 1, 1, 0]), &json!("why?")));
    }

    #[test]
    fn a_solution_without_a_box_is_named() {
        let processed = RowProcess::Math.apply(&[row(&json!({"solution": r"So $\boxed{4}$."}))]).unwrap();
        assert_eq!(processed[0]["answer"], "4");
        assert!(RowProcess::Math.apply(&[row(&json!({"solution": "4"}))]).is_err());
    }
}
