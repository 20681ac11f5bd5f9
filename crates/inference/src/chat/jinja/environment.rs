//! An environment set up as transformers and lm-evaluation-harness set up Jinja2's.

use minijinja::value::{Value, ValueKind};
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior};

use super::syntax::Layout;
use super::{containers, filters, format, globals, macros, printing, source, tests, text, text_filters, value_filters};

/// The environment of transformers' `_compile_jinja_template`, or that of lm-evaluation-harness's `apply_template`: loops
/// know `break` and `continue`, nothing is escaped, values are Python's. A task's templates may name nothing that a
/// document lacks.
///
/// # Errors
/// None that a template causes.
pub(in crate::chat) fn environment(layout: Layout) -> Result<Environment<'static>, Error> {
    let mut environment = Environment::new();
    environment.set_syntax(layout.syntax()?);
    if layout == Layout::Task {
        environment.set_undefined_behavior(UndefinedBehavior::Strict);
    }
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    environment.set_formatter(|out, state, value| {
        let text = printing::text(value);
        let is_html = *state.auto_escape() == AutoEscape::Html && !value.is_safe();
        out.write_str(&if is_html { text_filters::escaped(&text) } else { text })
            .map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
    });
    environment.set_unknown_method_callback(|_, value, name, args| method(value, name, args));
    globals::add(&mut environment);
    filters::add(&mut environment);
    tests::add(&mut environment);
    environment.add_function(source::MODULO, |left: &Value, right: &Value| format::modulo(left, right));
    environment.add_function(source::CONCATENATED, |left: &Value, right: &Value| format::concatenated(left, right));
    environment.add_function(macros::CALL, macros::call);
    environment.add_function(source::EACH, |value: Value| {
        if value.is_none() { value_filters::items(&value).map(Value::from) } else { Ok(value) }
    });
    Ok(environment)
}

fn method(value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match value.kind() {
        ValueKind::String => text::method(value.as_str().unwrap_or_default(), name, args),
        ValueKind::Map => containers::of_dictionary(value, name, args),
        ValueKind::Seq | ValueKind::Iterable => containers::of_list(value, name, args),
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}
