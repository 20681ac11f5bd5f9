//! A template of lm-evaluation-harness's YAML files over a row.

use gac_inference::TaskTemplate;
use minijinja::value::{Serde, Value};
use minijinja::{Environment, Error, ErrorKind};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::template::context;
use crate::data::Row;
use crate::python::{PythonRegex, literal_eval};

/// A compiled template. It knows a row's columns by their names, and the row as `doc`, for columns whose names are none.
pub(super) struct YamlTemplate {
    template: TaskTemplate,
    names_row: bool,
}

/// The name of the row as a whole.
const ROW: &str = "doc";

/// The names that a template knows: the row's columns and the row.
struct TemplateNames<'r>(&'r Row);

impl YamlTemplate {
    /// Compiles a template.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn new(source: &str) -> Result<Self, Error> {
        let template = TaskTemplate::new(source, |environment: &mut Environment<'static>| {
            environment.add_filter("regex_replace", regex_replace);
            environment.add_filter("literal_eval", literal);
            environment.add_filter("regex_findall", regex_findall);
        })?;
        Ok(Self { template, names_row: source.contains(ROW) })
    }

    /// What it writes for a row; the error says what does not fit.
    pub(super) fn render(&self, row: &Row) -> Result<String, String> {
        let names = if self.names_row { Value::from(Serde(TemplateNames(row))) } else { context(row) };
        self.template.render(names).map_err(|error| error.to_string())
    }
}

impl Serialize for TemplateNames<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut names = serializer.serialize_map(None)?;
        for (name, value) in self.0 {
            names.serialize_entry(name, value)?;
        }
        if !self.0.contains_key(ROW) {
            names.serialize_entry(ROW, self.0)?;
        }
        names.end()
    }
}

/// lm-evaluation-harness's own filter, for replacements without groups.
fn regex_replace(text: &str, pattern: &str, replacement: &str) -> Result<Value, Error> {
    let wrong = |reason: String| Error::new(ErrorKind::InvalidOperation, reason);
    if replacement.contains('\\') {
        return Err(wrong(format!("`regex_replace` writes no groups: `{replacement}`")));
    }
    let pattern = PythonRegex::new(pattern).map_err(|source| wrong(source.to_string()).with_source(source))?;
    Ok(Value::from(pattern.replace_all(text, replacement)))
}

/// `re.findall` of a pattern with one group at most: the texts that it matches.
fn regex_findall(text: &str, pattern: &str) -> Result<Value, Error> {
    let wrong = |source: crate::python::PatternError| Error::new(ErrorKind::InvalidOperation, source.to_string());
    let pattern = PythonRegex::new(pattern).map_err(wrong)?;
    Ok(pattern.findall(text).into_iter().filter_map(|groups| groups.first().map(|&text| Value::from(text))).collect())
}

/// What a literal of Python stands for: `ast.literal_eval`, which functions call.
fn literal(text: &str) -> Result<Value, Error> {
    let value = literal_eval(text);
    let value =
        value.ok_or_else(|| Error::new(ErrorKind::InvalidOperation, format!("no literal of Python: {text}")))?;
    Ok(Value::from(Serde(value)))
}
