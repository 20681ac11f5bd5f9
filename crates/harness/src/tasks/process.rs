//! What is made of rows before templates see them, where it takes more than a template.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::wikitext::running_text;
use crate::data::Row;
use crate::metrics::{Instruction, boxed_answer, written_in_one_way};
use crate::python::{PythonRandom, PythonRegex, capitalize, strip};

/// Columns that are added to a task's rows: lm-evaluation-harness's `process_docs` of that task.
///
/// Source: lm-evaluation-harness 0.4.13, the task's `utils.py`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RowProcess {
    /// `HellaSwag`: `query` and `choices`, without what is left of `WikiHow`'s markup.
    Hellaswag,
    /// GPQA: `choices` in an order drawn row after row with Python's `random.Random(0)`, and the letter of the right one as
    /// `answer`: `(A)`. That is what lm-evaluation-harness does in the first run on a machine with its default seed, when
    /// the task is the first that draws; later runs find it in the cache of `datasets`.
    Gpqa,
    /// MATH: what the last `\boxed` of `solution` holds, as `answer`.
    Math,
    /// MATH under Minerva's protocol: as `math`, and the answer in one way.
    Minerva,
    /// `IFEval`: `instructions`, each with its settings.
    Ifeval,
    /// `WikiText`: `text`, the `page` as running text.
    Wikitext,
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
    pub(super) fn apply(self, rows: &[Row]) -> Result<Vec<Row>, UnfitRow> {
        let mut random = PythonRandom::new(0);
        let process = |(row, columns): (usize, &Row)| {
            let added = match self {
                Self::Hellaswag => hellaswag(columns),
                Self::Gpqa => gpqa(columns, &mut random),
                Self::Math => boxed(columns).map(|answer| vec![("answer", answer.into())]),
                Self::Minerva => boxed(columns).map(|answer| vec![("answer", written_in_one_way(answer).into())]),
                Self::Ifeval => instructions(columns),
                Self::Wikitext => wikitext(columns),
            };
            let added = added.map_err(|reason| UnfitRow { row, reason })?;
            let mut processed = columns.clone();
            processed.extend(added.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Ok(processed)
        };
        rows.iter().enumerate().map(process).collect()
    }
}

type NewColumns = Vec<(&'static str, Value)>;

fn hellaswag(row: &Row) -> Result<NewColumns, String> {
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

fn gpqa(row: &Row, random: &mut PythonRandom) -> Result<NewColumns, String> {
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
    Ok(vec![("choices", choices.into()), ("answer", format!("({letter})").into())])
}

fn boxed(row: &Row) -> Result<&str, String> {
    boxed_answer(text(row, "solution")?).ok_or_else(|| "its solution has no answer in `\\boxed{}`".to_owned())
}

fn instructions(row: &Row) -> Result<NewColumns, String> {
    let column = |name: &str| row.get(name).ok_or_else(|| format!("there is no column `{name}`"));
    let instructions = Instruction::of_row(column("instruction_id_list")?, column("kwargs")?)?;
    Ok(vec![("instructions", instructions.into())])
}

fn wikitext(row: &Row) -> Result<NewColumns, String> {
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
    fn a_solution_without_a_box_is_named() {
        let processed = RowProcess::Math.apply(&[row(&json!({"solution": r"So $\boxed{4}$."}))]).unwrap();
        assert_eq!(processed[0]["answer"], "4");
        assert!(RowProcess::Math.apply(&[row(&json!({"solution": "4"}))]).is_err());
    }
}
