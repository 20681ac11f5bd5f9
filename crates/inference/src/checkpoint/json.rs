//! JSON as Python writes and reads it.

use std::borrow::Cow;
use std::fs;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::error::CheckpointError;
use super::file_kind::Expected;
use super::refuse::refuse_head;

/// Numbers that Python writes and JSON does not have.
const NOT_FINITE: [&str; 3] = ["-Infinity", "Infinity", "NaN"];

/// Reads a file's text, without a byte order mark.
///
/// # Errors
/// When it cannot be read, is something else than text, or is a pointer, a web page or nothing.
pub(crate) fn read_text(path: &Path) -> Result<String, CheckpointError> {
    let bytes = fs::read(path).map_err(|source| CheckpointError::read(path, &source))?;
    refuse_head(path, &bytes, Expected::Json)?;
    let text = String::from_utf8(bytes).map_err(|_| damaged(path, "it is not UTF-8"))?;
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => text.to_owned(),
        None => text,
    })
}

/// Reads a JSON file. Python's `NaN` and `Infinity`, also as transformers writes them (`{"__float__": "Infinity"}`), become
/// texts of that name.
///
/// # Errors
/// As [`read_text`], or when the text is no JSON.
pub(crate) fn read_value(path: &Path) -> Result<Value, CheckpointError> {
    let text = read_text(path)?;
    let mut value = serde_json::from_str(&quoted(&text)).map_err(|source| damaged(path, source))?;
    unwrap_floats(&mut value);
    Ok(value)
}

fn unwrap_floats(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(unwrap_floats),
        Value::Object(fields) => match fields.get_mut("__float__") {
            Some(float) => *value = float.take(),
            None => fields.values_mut().for_each(unwrap_floats),
        },
        _ => {}
    }
}

/// Reads a JSON file that holds an object.
///
/// # Errors
/// As [`read_value`], or when it holds something else.
pub(crate) fn read_object(path: &Path) -> Result<Map<String, Value>, CheckpointError> {
    match read_value(path)? {
        Value::Object(object) => Ok(object),
        _ => Err(damaged(path, "it holds no JSON object")),
    }
}

/// Reads a JSON file into a typed value; errors name the field that is of another kind.
///
/// # Errors
/// As [`read_value`], or when a field is missing or of another kind.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, CheckpointError> {
    typed(read_value(path)?, path)
}

/// A JSON value as a typed one.
///
/// # Errors
/// When a field is missing or of another kind.
pub(crate) fn typed<T: DeserializeOwned>(value: Value, path: &Path) -> Result<T, CheckpointError> {
    serde_path_to_error::deserialize(value).map_err(|error| CheckpointError::Field {
        field: match error.path().to_string().as_str() {
            "." => "(the whole file)".to_owned(),
            field => field.to_owned(),
        },
        path: path.display().to_string(),
        problem: format!("does not fit: {}", error.inner()),
    })
}

fn damaged(path: &Path, reason: impl std::fmt::Display) -> CheckpointError {
    CheckpointError::Unreadable { path: path.display().to_string(), reason: reason.to_string() }
}

/// The text with Python's numbers that JSON does not have as texts.
fn quoted(text: &str) -> Cow<'_, str> {
    if !NOT_FINITE.iter().any(|name| text.contains(name)) {
        return text.into();
    }
    let mut json = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while !rest.is_empty() {
        let end = if rest.starts_with('"') { end_of_string(rest) } else { rest.find('"').unwrap_or(rest.len()) };
        let (part, after) = rest.split_at(end);
        if part.starts_with('"') {
            json.push_str(part);
        } else {
            quote_numbers(part, &mut json);
        }
        rest = after;
    }
    json.into()
}

/// A part outside of strings.
fn quote_numbers(mut part: &str, json: &mut String) {
    while let Some((at, name)) = NOT_FINITE.iter().filter_map(|name| Some((part.find(name)?, name))).min() {
        json.push_str(&part[..at]);
        json.push('"');
        json.push_str(name);
        json.push('"');
        part = &part[at + name.len()..];
    }
    json.push_str(part);
}

/// Where the string that `text` begins with ends.
fn end_of_string(text: &str) -> usize {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::file_kind::FileKind;
    use super::*;

    fn read(bytes: &[u8]) -> Result<Value, CheckpointError> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("config.json");
        fs::write(&path, bytes).unwrap();
        read_value(&path)
    }

    #[test]
    fn pythons_numbers_are_read_outside_of_strings_only() {
        let text = r#"{"limit": [0.0, Infinity], "low": -Infinity, "name": "Infinity \" NaN", "x": NaN}"#;
        let expected = json!({"limit": [0.0, "Infinity"], "low": "-Infinity", "name": "Infinity \" NaN", "x": "NaN"});
        assert_eq!(read(text.as_bytes()).unwrap(), expected);
        assert_eq!(read(b"NaN").unwrap(), json!("NaN"));
        let wrapped = br#"{"limit": [0.0, {"__float__": "Infinity"}]}"#;
        assert_eq!(read(wrapped).unwrap(), json!({"limit": [0.0, "Infinity"]}));
    }

    #[test]
    fn a_byte_order_mark_and_a_number_larger_than_any_are_no_damage() {
        let text = "\u{feff}{\"model_max_length\": 1000000000000000019884624838656}";
        assert!(read(text.as_bytes()).unwrap()["model_max_length"].is_f64());
    }

    #[test]
    fn what_is_no_json_is_said_where() {
        let error = read(b"{\"a\": 1,}").unwrap_err().to_string();
        assert!(error.contains("config.json") && error.contains("line 1 column 9"), "{error}");
        let error = read(b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n").unwrap_err();
        assert!(error.to_string().contains("is a Git LFS pointer"), "{error}");
        assert!(matches!(error, CheckpointError::WrongKind { found: FileKind::LfsPointer, .. }));
        let error = read(b"\xff\xfe{").unwrap_err().to_string();
        assert!(error.contains("not UTF-8"), "{error}");
    }

    #[test]
    fn a_field_of_another_kind_is_named() {
        #[derive(Debug, serde::Deserialize)]
        struct Inner {
            #[expect(dead_code, reason = "only read")]
            count: u32,
        }
        let error = typed::<Vec<Inner>>(json!([{"count": 1}, {"count": "x"}]), Path::new("a.json")).unwrap_err();
        assert!(error.to_string().starts_with("`[1].count` in `a.json` does not fit"), "{error}");
    }
}
