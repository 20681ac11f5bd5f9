//! Tests (`x is y`) with Python's answers.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error};

use super::containers::View;
use super::printing;
use super::text;

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_test("iterable", is_iterable);
    environment.add_test("sequence", is_sequence);
    environment.add_test("callable", |value: &Value| {
        matches!(value.kind(), ValueKind::Plain | ValueKind::Undefined) || printing::is_macro(value)
    });
    environment.add_test("mapping", |value: &Value| value.kind() == ValueKind::Map && !is_own_kind(value));
    environment.add_test("number", |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool));
    environment.add_test("integer", |value: &Value| value.kind() == ValueKind::Number && value.is_integer());
    environment.add_test("lower", |value: &Value| cased(value, "islower"));
    environment.add_test("upper", |value: &Value| cased(value, "isupper"));
    // Jinja2 has no such tests.
    for name in ["int", "startingwith", "endingwith", "safe"] {
        environment.remove_test(name);
    }
}

/// Values that are maps to minijinja, and to Python something else.
fn is_own_kind(value: &Value) -> bool {
    printing::is_macro(value) || printing::is_namespace(value)
}

/// Undefined values are empty lists to whoever goes over them.
fn is_iterable(value: &Value) -> bool {
    !is_own_kind(value)
        && matches!(
            value.kind(),
            ValueKind::Seq | ValueKind::Iterable | ValueKind::Map | ValueKind::String | ValueKind::Undefined
        )
}

/// Whatever has a length and items by index or key.
fn is_sequence(value: &Value) -> bool {
    match value.kind() {
        ValueKind::Iterable => value.len().is_some() && value.downcast_object_ref::<View>().is_none(),
        _ => is_iterable(value),
    }
}

fn cased(value: &Value, method: &str) -> Result<Value, Error> {
    text::method(&printing::text(value), method, &[])
}
