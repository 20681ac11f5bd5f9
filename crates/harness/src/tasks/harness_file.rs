//! Texts that stay in lm-evaluation-harness's own task files: built-in shots, and BIG-Bench Hard's descriptions.
//!
//! They are others' work, so they are read from the data folder (or the hub's neighbour in the cache) and are no part
//! of this program.

use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::TaskError;
use crate::data::Row;
use crate::python::literal_eval;

/// The function that gives shots, in files of Python.
const SHOTS: &str = "list_fewshot_samples";

/// Which of lm-evaluation-harness's task files a task reads, and what it takes from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HarnessFileDefinition {
    /// Its place in the data folder; a template of `subject`, where the task has subjects.
    pub path: String,
    /// What is taken from it.
    pub take: Vec<HarnessText>,
}

/// A part of a task file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HarnessText {
    /// `description`: stands in front of everything.
    Description,
    /// `doc_to_text`: the prompt's template, which may begin with built-in shots.
    Text,
    /// `fewshot_config.samples`: rows that shots are made of. In a file of Python, the list that its function
    /// `list_fewshot_samples` returns.
    Shots,
}

/// What was taken from a task file.
#[derive(Clone, Debug, Default)]
pub(super) struct HarnessTexts {
    pub(super) description: Option<String>,
    pub(super) text: Option<String>,
    pub(super) shots: Option<Vec<Row>>,
}

/// The parts of a task file that are of use here; it has many more.
#[derive(Deserialize)]
struct RawTaskFile {
    description: Option<String>,
    doc_to_text: Option<String>,
    fewshot_config: Option<FewShotConfig>,
}

#[derive(Deserialize)]
struct FewShotConfig {
    samples: Option<Vec<Row>>,
}

impl HarnessTexts {
    /// Reads the task file at `path`.
    pub(super) fn read(task: &str, path: &Path, take: &[HarnessText]) -> Result<Self, TaskError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| TaskError::HarnessFile {
            task: task.to_owned(),
            path: path.to_owned(),
            source,
        };
        let text = fs::read_to_string(path).map_err(|source| failed(source.into()))?;
        if path.extension().is_some_and(|extension| extension == "py") {
            let samples = list_of_function(&text, SHOTS).filter(|_| take == [HarnessText::Shots]);
            let samples = samples.ok_or_else(|| failed("it has no list that `list_fewshot_samples` returns".into()))?;
            return Ok(Self { shots: Some(samples), ..Self::default() });
        }
        let file: RawTaskFile = serde_norway::from_str(&text).map_err(|source| failed(source.into()))?;
        let mut texts = Self::default();
        for part in take {
            let key = match part {
                HarnessText::Description => {
                    texts.description.clone_from(&file.description);
                    texts.description.is_none().then_some("description")
                }
                HarnessText::Text => {
                    texts.text.clone_from(&file.doc_to_text);
                    texts.text.is_none().then_some("doc_to_text")
                }
                HarnessText::Shots => {
                    let samples = file.fewshot_config.as_ref().and_then(|config| config.samples.clone());
                    texts.shots = samples.map(|rows| rows.into_iter().map(texts_only).collect());
                    texts.shots.is_none().then_some("fewshot_config.samples")
                }
            };
            if let Some(key) = key {
                return Err(failed(format!("it has no `{key}`").into()));
            }
        }
        Ok(texts)
    }
}

/// The list of rows that a function of Python writes out and returns.
pub(super) fn list_of_function(text: &str, name: &str) -> Option<Vec<Row>> {
    let function = &text[text.find(&format!("def {name}("))?..];
    let list = &function[function.find("return [")? + "return ".len()..];
    // It ends where its bracket stands as deep as the word in front of it.
    let literal =
        list.match_indices("\n    ]").find_map(|(end, bracket)| literal_eval(&list[..end + bracket.len()]))?;
    serde_json::from_value(literal).ok()
}

/// YAML reads an unquoted `33` or `True` as no text; a shot's fields are texts.
fn texts_only(row: Row) -> Row {
    let text = |value: Value| match value {
        Value::Bool(true) => "True".into(),
        Value::Bool(false) => "False".into(),
        Value::Number(number) => number.to_string().into(),
        other => other,
    };
    row.into_iter().map(|(key, value)| (key, text(value))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\"description\": \"Say it.\\n\\n\"\ndoc_to_text: 'Q: {{input}}\n\n  A:'\nunknown: [1]\n\
                        fewshot_config:\n  sampler: first_n\n  samples:\n  - input: a long\n      line\n    target: 7\n";

    fn read(text: &str, take: &[HarnessText]) -> Result<HarnessTexts, TaskError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("zorb.yaml");
        fs::write(&path, text).unwrap();
        HarnessTexts::read("zorb", &path, take)
    }

    #[test]
    fn descriptions_templates_and_shots_are_read_as_yaml_folds_them() {
        let texts = read(FILE, &[HarnessText::Description, HarnessText::Text, HarnessText::Shots]).unwrap();
        assert_eq!(texts.description.as_deref(), Some("Say it.\n\n"));
        assert_eq!(texts.text.as_deref(), Some("Q: {{input}}\nA:"));
        let shots = texts.shots.unwrap();
        assert_eq!(serde_json::to_string(&shots).unwrap(), r#"[{"input":"a long line","target":"7"}]"#);
    }

    #[test]
    fn shots_are_read_from_the_function_that_gives_them() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("utils.py");
        let text = "import re\n\n\ndef list_fewshot_samples() -> list[dict]:\n    return [\n        {\n            \"problem\": \
                    \"Find $\\\\frac{1}{2}$.\\n    ]\",\n            \"few_shot\": \"1\",\n        },\n    ]\n\n\ndef other():\n    return []\n";
        fs::write(&path, text).unwrap();
        let shots = HarnessTexts::read("zorb", &path, &[HarnessText::Shots]).unwrap().shots.unwrap();
        assert_eq!(
            serde_json::to_string(&shots).unwrap(),
            r#"[{"problem":"Find $\\frac{1}{2}$.\n    ]","few_shot":"1"}]"#
        );
        fs::write(&path, "def other():\n    return []\n").unwrap();
        let error = HarnessTexts::read("zorb", &path, &[HarnessText::Shots]).unwrap_err();
        assert!(std::error::Error::source(&error).unwrap().to_string().contains("list_fewshot_samples"));
    }

    #[test]
    fn only_what_is_asked_for_is_taken() {
        let texts = read(FILE, &[HarnessText::Shots]).unwrap();
        assert!(texts.description.is_none() && texts.text.is_none());
    }

    #[test]
    fn a_file_without_what_is_needed_is_named_with_the_missing_key() {
        let error = read("description: x\n", &[HarnessText::Shots]).unwrap_err();
        assert!(error.to_string().contains("zorb.yaml"), "{error}");
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert_eq!(cause, "it has no `fewshot_config.samples`");
    }
}
