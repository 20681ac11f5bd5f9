//! What chat templates call beyond plain Jinja: transformers' additions, and Python's methods.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Kwargs, Value, ValueKind, from_args};
use minijinja::{AutoEscape, Environment, Error, ErrorKind};
use serde::Serialize;
use serde_json::ser::Formatter;

use super::date::UnixTime;

/// Sets an environment up as transformers does.
pub(super) fn prepare(environment: &mut Environment<'_>) -> Result<(), Error> {
    environment.set_syntax(SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build()?);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    // Python's words, where a template writes one out.
    environment.set_formatter(|out, state, value| {
        let word = match value.kind() {
            ValueKind::Bool if value.is_true() => "True",
            ValueKind::Bool => "False",
            ValueKind::None => "None",
            _ => return minijinja::escape_formatter(out, state, value),
        };
        out.write_str(word).map_err(|error| Error::new(ErrorKind::WriteFailure, error.to_string()))
    });
    environment.add_function("raise_exception", |message: String| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, message))
    });
    environment.add_filter("tojson", to_json);
    environment.set_unknown_method_callback(|_, value, name, args| method(value, name, args));
    Ok(())
}

/// `strftime_now`, at a given time.
pub(super) fn set_time(environment: &mut Environment<'_>, now: UnixTime) {
    environment.add_function("strftime_now", move |format: String| now.format(&format));
}

/// Python's `json.dumps`, with characters as they are.
#[expect(clippy::needless_pass_by_value, reason = "the signature of a filter")]
fn to_json(value: &Value, options: Kwargs) -> Result<Value, Error> {
    let indent: Option<usize> = options.get("indent")?;
    // Python's other options change nothing that templates show.
    let _: Option<Value> = options.get("ensure_ascii")?;
    options.assert_all_used()?;
    let failed = |error: serde_json::Error| Error::new(ErrorKind::BadSerialization, error.to_string());
    let mut out = Vec::new();
    match indent {
        Some(width) => {
            let indent = " ".repeat(width);
            let pretty = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
            value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, pretty)).map_err(failed)?;
        }
        None => value.serialize(&mut serde_json::Serializer::with_formatter(&mut out, Spaced)).map_err(failed)?,
    }
    String::from_utf8(out).map(Value::from).map_err(|error| Error::new(ErrorKind::BadSerialization, error.to_string()))
}

/// One line, with a space after every comma and colon.
struct Spaced;

impl Formatter for Spaced {
    fn begin_array_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_key<W: ?Sized + std::io::Write>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: ?Sized + std::io::Write>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

/// The methods of Python's strings and dictionaries that templates use.
fn method(value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    if let Some(text) = value.as_str() {
        return of_text(text, name, args);
    }
    if value.kind() == ValueKind::Map {
        let pairs = || -> Result<Vec<(Value, Value)>, Error> {
            value.try_iter()?.map(|key| Ok((key.clone(), value.get_item(&key)?))).collect()
        };
        match name {
            "keys" => return Ok(pairs()?.into_iter().map(|(key, _)| key).collect()),
            "values" => return Ok(pairs()?.into_iter().map(|(_, value)| value).collect()),
            "items" => return Ok(pairs()?.into_iter().map(|(key, value)| Value::from(vec![key, value])).collect()),
            "get" => {
                let (key, default): (Value, Option<Value>) = from_args(args)?;
                let found = value.get_item(&key)?;
                return Ok(if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found });
            }
            _ => {}
        }
    }
    Err(Error::from(ErrorKind::UnknownMethod))
}

/// Takes characters of a set off some side of a text.
type Side<'a> = &'a dyn Fn(&str, &dyn Fn(char) -> bool) -> String;

fn of_text(text: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let stripped = |side: Side<'_>| -> Result<Value, Error> {
        let (set,): (Option<String>,) = from_args(args)?;
        Ok(Value::from(match set {
            Some(set) => side(text, &|c| set.contains(c)),
            None => side(text, &char::is_whitespace),
        }))
    };
    Ok(match name {
        "strip" => stripped(&|text, set| text.trim_matches(set).to_owned())?,
        "lstrip" => stripped(&|text, set| text.trim_start_matches(set).to_owned())?,
        "rstrip" => stripped(&|text, set| text.trim_end_matches(set).to_owned())?,
        "startswith" | "endswith" => {
            let (with,): (Value,) = from_args(args)?;
            let fits = |with: &str| if name == "startswith" { text.starts_with(with) } else { text.ends_with(with) };
            // Python takes a tuple of texts too.
            match with.as_str() {
                Some(with) => Value::from(fits(with)),
                None => Value::from(with.try_iter()?.any(|with| with.as_str().is_some_and(fits))),
            }
        }
        "upper" => Value::from(text.to_uppercase()),
        "lower" => Value::from(text.to_lowercase()),
        "capitalize" => {
            let mut chars = text.chars();
            let first: String = chars.next().into_iter().flat_map(char::to_uppercase).collect();
            Value::from(first + &chars.as_str().to_lowercase())
        }
        "replace" => {
            let (from, to): (String, String) = from_args(args)?;
            Value::from(text.replace(&from, &to))
        }
        "split" => {
            let (at, most): (Option<String>, Option<usize>) = from_args(args)?;
            let parts: Vec<String> = match (&at, most) {
                (None, _) => text.split_whitespace().map(str::to_owned).collect(),
                (Some(at), None) => text.split(at.as_str()).map(str::to_owned).collect(),
                (Some(at), Some(most)) => text.splitn(most + 1, at.as_str()).map(str::to_owned).collect(),
            };
            Value::from(parts)
        }
        _ => return Err(Error::from(ErrorKind::UnknownMethod)),
    })
}
