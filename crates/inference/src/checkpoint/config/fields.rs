//! Fields of a JSON object, by name and kind. Null is as good as absent, and a whole number may be written as a float.

use serde_json::{Map, Value};

/// Longest value that errors show whole.
const MOST_SHOWN: usize = 60;

/// A field and what is wrong with it.
pub(super) type Problem = (&'static str, String);

/// An object to read.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a>(pub(super) &'a Map<String, Value>);

impl<'a> Fields<'a> {
    /// A field's value.
    pub(super) fn get(self, name: &str) -> Option<&'a Value> {
        self.0.get(name).filter(|value| !value.is_null())
    }

    /// Whether a field is there and null: where that means something else than its absence.
    pub(super) fn is_null(self, name: &str) -> bool {
        self.0.get(name).is_some_and(Value::is_null)
    }

    pub(super) fn count(self, name: &'static str) -> Result<Option<usize>, Problem> {
        self.read(name, "a whole number from 0 up", whole)
    }

    pub(super) fn number(self, name: &'static str) -> Result<Option<f64>, Problem> {
        self.read(name, "a number", Value::as_f64)
    }

    pub(super) fn flag(self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.read(name, "true or false", Value::as_bool)
    }

    pub(super) fn text(self, name: &'static str) -> Result<Option<&'a str>, Problem> {
        self.read(name, "a text", Value::as_str)
    }

    pub(super) fn object(self, name: &'static str) -> Result<Option<Fields<'a>>, Problem> {
        self.read(name, "an object", |value| value.as_object().map(Fields))
    }

    pub(super) fn counts(self, name: &'static str) -> Result<Option<Vec<usize>>, Problem> {
        self.read(name, "a list of whole numbers", |value| value.as_array()?.iter().map(whole).collect())
    }

    pub(super) fn numbers(self, name: &'static str) -> Result<Option<Vec<f64>>, Problem> {
        self.read(name, "a list of numbers", |value| value.as_array()?.iter().map(Value::as_f64).collect())
    }

    /// A field of another kind, read by `read`; errors say that it must be `kind`.
    pub(super) fn read<T>(
        self,
        name: &'static str,
        kind: &str,
        read: impl Fn(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Problem> {
        let Some(value) = self.get(name) else { return Ok(None) };
        read(value).map(Some).ok_or_else(|| (name, format!("is {}, must be {kind}", shown(value))))
    }

    /// A field that has two names.
    pub(super) fn either<T: PartialEq>(
        self,
        names: [&'static str; 2],
        read: impl Fn(Self, &'static str) -> Result<Option<T>, Problem>,
    ) -> Result<Option<T>, Problem> {
        let [first, second] = names.map(|name| read(self, name));
        let (first, second) = (first?, second?);
        if first.is_some() && second.is_some() && first != second {
            let of = |name| self.get(name).map_or_else(String::new, shown);
            let problem = format!("is {}, but `{}`, its other name, is {}", of(names[0]), names[1], of(names[1]));
            return Err((names[0], problem));
        }
        Ok(first.or(second))
    }
}

/// A number without a part after the point.
fn whole(value: &Value) -> Option<usize> {
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64().filter(|number| number.fract() == 0.0 && (0.0..=9e15).contains(number))?;
        Some(number as u64)
    });
    whole.and_then(|number| usize::try_from(number).ok())
}

/// A value for an error.
pub(super) fn shown(value: &Value) -> String {
    // Python's numbers that JSON does not have were read as texts.
    if let Some(name @ ("NaN" | "Infinity" | "-Infinity")) = value.as_str() {
        return name.to_owned();
    }
    let text = value.to_string();
    if text.chars().count() <= MOST_SHOWN {
        return text;
    }
    text.chars().take(MOST_SHOWN).collect::<String>() + "..."
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn with<T>(json: &Value, read: impl Fn(Fields<'_>) -> T) -> T {
        read(Fields(json.as_object().unwrap()))
    }

    #[test]
    fn whole_numbers_may_be_floats_and_null_is_absent() {
        for (value, expected) in
            [(json!(30), Some(30)), (json!(30.0), Some(30)), (json!(3e2), Some(300)), (json!(null), None)]
        {
            assert_eq!(with(&json!({"n": value}), |fields| fields.count("n")), Ok(expected));
        }
        for value in [json!(30.5), json!(-1), json!("30"), json!(true), json!([30]), json!("NaN"), json!(1e300)] {
            let (field, problem) = with(&json!({"n": value}), |fields| fields.count("n")).unwrap_err();
            assert_eq!(field, "n");
            assert!(problem.ends_with("must be a whole number from 0 up"), "{problem}");
        }
        let (_, problem) = with(&json!({"x": "NaN"}), |fields| fields.number("x")).unwrap_err();
        assert_eq!(problem, "is NaN, must be a number");
    }

    #[test]
    fn two_names_of_one_field_must_say_the_same() {
        let read = |json: Value| with(&json, |fields| fields.either(["a", "b"], Fields::count));
        assert_eq!(read(json!({"a": 8, "b": 8.0})), Ok(Some(8)));
        assert_eq!(read(json!({"a": null, "b": 8})), Ok(Some(8)));
        assert_eq!(read(json!({})), Ok(None));
        let (field, problem) = read(json!({"a": 8, "b": 4})).unwrap_err();
        assert_eq!((field, problem.as_str()), ("a", "is 8, but `b`, its other name, is 4"));
    }
}
