//! Templates over documents, with the few methods of Python's texts and lists that they use.

use std::sync::{Arc, LazyLock};

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Serde, Value, ValueKind, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, Expression, State, UndefinedBehavior};

use crate::python::{PythonRegex, strip, strip_start};

/// The only template's name in its environment.
const TEXT: &str = "template";

/// A template that gives text.
pub(super) struct Template {
    environment: Environment<'static>,
}

impl Template {
    pub(super) fn new(source: &str) -> Result<Self, Error> {
        Self::with_final_line_break(source, true)
    }

    /// A template whose final line break stays, or is dropped as Jinja2 does by default.
    pub(super) fn with_final_line_break(source: &str, keep: bool) -> Result<Self, Error> {
        let mut environment = environment(keep)?;
        environment.add_template_owned(TEXT, source.to_owned())?;
        Ok(Self { environment })
    }

    pub(super) fn render(&self, document: &Value) -> Result<String, Error> {
        self.environment.get_template(TEXT)?.render(document.clone())
    }
}

/// An expression that gives a value.
pub(super) struct ValueTemplate {
    expression: Expression<'static, 'static>,
}

impl ValueTemplate {
    pub(super) fn new(source: &str) -> Result<Self, Error> {
        static ENVIRONMENT: LazyLock<Environment<'static>> =
            LazyLock::new(|| environment(true).expect("the default delimiters are valid"));
        Ok(Self { expression: ENVIRONMENT.compile_expression_owned(source.to_owned())? })
    }

    pub(super) fn evaluate(&self, document: &Value) -> Result<serde_json::Value, Error> {
        let value = self.expression.eval(document.clone())?;
        serde_json::to_value(&value)
            .map_err(|source| Error::new(ErrorKind::BadSerialization, "no plain value").with_source(source))
    }
}

/// A document, ready for templates.
pub(super) fn context(document: &impl serde::Serialize) -> Value {
    Value::from(Serde(document))
}

/// An environment that behaves as Jinja2 does under lm-evaluation-harness: undefined names are errors, nothing is
/// escaped. `regex_remove` drops what a pattern (Python's dialect) matches.
fn environment(keep_final_line_break: bool) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_syntax(SyntaxConfig::builder().keep_trailing_newline(keep_final_line_break).build()?);
    environment.set_unknown_method_callback(python_method);
    environment.add_filter("regex_remove", regex_remove);
    Ok(environment)
}

fn regex_remove(text: &str, pattern: &str) -> Result<String, Error> {
    let pattern = PythonRegex::new(pattern)
        .map_err(|source| Error::new(ErrorKind::InvalidOperation, source.to_string()).with_source(source))?;
    Ok(pattern.remove_all(text))
}

fn python_method(_: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    match (value.kind(), method) {
        (ValueKind::String, "strip") => {
            let () = from_args(args)?;
            Ok(Value::from(strip(value.as_str().unwrap_or_default())))
        }
        (ValueKind::String, "lstrip") => {
            let () = from_args(args)?;
            Ok(Value::from(strip_start(value.as_str().unwrap_or_default())))
        }
        (ValueKind::String, "split") => {
            let (separator,): (Arc<str>,) = from_args(args)?;
            let text = value.as_str().unwrap_or_default();
            Ok(text.split(&*separator).map(Value::from).collect())
        }
        (ValueKind::String, "index") => {
            let (wanted,): (Arc<str>,) = from_args(args)?;
            let text = value.as_str().unwrap_or_default();
            let found = text.find(&*wanted).map(|at| text[..at].chars().count());
            found.map(Value::from).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, format!("`{wanted}` is not in the text `{text}`"))
            })
        }
        (ValueKind::Seq, "index") => {
            let (wanted,): (Value,) = from_args(args)?;
            let found = value.try_iter()?.position(|item| item == wanted);
            found.map(Value::from).ok_or_else(|| {
                Error::new(ErrorKind::InvalidOperation, format!("`{wanted}` is not in the list {value}"))
            })
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(value: &serde_json::Value) -> Value {
        context(value)
    }

    #[test]
    fn a_template_strips_as_python_does_and_keeps_its_final_newline() {
        let template = Template::new("Q: {{question.strip()}} <b>\n").unwrap();
        let rendered = template.render(&document(&json!({"question": " a & b\u{1f}"}))).unwrap();
        assert_eq!(rendered, "Q: a & b <b>\n");
    }

    #[test]
    fn one_final_line_break_is_dropped_where_the_rules_say_so() {
        let render = |source, keep| {
            Template::with_final_line_break(source, keep).unwrap().render(&document(&json!({"x": "y\n"}))).unwrap()
        };
        assert_eq!(render("A\n\n", false), "A\n");
        assert_eq!(render("A\n\n", true), "A\n\n");
        assert_eq!(render("{{x}}", false), "y\n", "a value's own line break stays");
    }

    #[test]
    fn a_pattern_is_removed() {
        let row = document(&json!({"answer": "1 + 1 = <<1+1=2>>2"}));
        let found = ValueTemplate::new("answer | regex_remove('<<[^>]*>>')").unwrap().evaluate(&row).unwrap();
        assert_eq!(found, json!("1 + 1 = 2"));
        assert!(ValueTemplate::new("answer | regex_remove('(')").unwrap().evaluate(&row).is_err());
    }

    #[test]
    fn an_undefined_name_is_an_error() {
        assert!(Template::new("{{goal}}").unwrap().render(&document(&json!({}))).is_err());
        assert!(ValueTemplate::new("goal.text").unwrap().evaluate(&document(&json!({}))).is_err());
    }

    #[test]
    fn expressions_give_integers_texts_and_lists() {
        let row = document(&json!({"choices": {"text": ["x", "y"], "label": ["1", "2"]}, "key": "2", "n": 3}));
        let evaluate = |source: &str| ValueTemplate::new(source).unwrap().evaluate(&row).unwrap();
        assert_eq!(evaluate("choices.label.index(key)"), json!(1));
        assert_eq!(evaluate("choices.text"), json!(["x", "y"]));
        assert_eq!(evaluate("[key, 'z']"), json!(["2", "z"]));
        assert_eq!(evaluate("['a', 'b', 'c', 'd'][n]"), json!("d"));
    }

    #[test]
    fn a_key_that_is_no_label_is_named() {
        let row = document(&json!({"label": ["A", "B"], "key": "E"}));
        let error = ValueTemplate::new("label.index(key)").unwrap().evaluate(&row).unwrap_err();
        assert!(error.to_string().contains("`E` is not in the list"), "{error}");
    }
}
