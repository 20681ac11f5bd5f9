//! `tojson`: Python's `json.dumps`, as transformers calls it.

use std::fmt::Write as _;

use minijinja::Error;
use minijinja::value::{Rest, Value, ValueKind, ValueOrKwargs};

use super::arguments::{bind, integer, text, wrong};
use super::containers::View;
use super::printing::float;
use super::range::Range;

/// `tojson(value, ensure_ascii=False, indent=None, separators=None, sort_keys=False)`.
pub(super) fn to_json(value: &Value, args: Rest<ValueOrKwargs>) -> Result<String, Error> {
    let names = ["ensure_ascii", "indent", "separators", "sort_keys"];
    let [ascii, indent, separators, sorted] = bind("tojson", names, &args.into_values())?;
    let indent = match indent.filter(|indent| !indent.is_none()) {
        None => None,
        Some(indent) => match indent.as_str() {
            Some(indent) => Some(indent.to_owned()),
            None => Some(" ".repeat(usize::try_from(integer("`indent`", &indent)?).unwrap_or(0))),
        },
    };
    let (item, key) = match separators.filter(|separators| !separators.is_none()) {
        // A line break stands in for the space where there is one.
        None => (if indent.is_some() { "," } else { ", " }.to_owned(), ": ".to_owned()),
        Some(separators) => {
            let parts: Vec<Value> = separators.try_iter()?.collect();
            let [item, key] = parts.as_slice() else {
                return Err(wrong("`separators` of tojson are two strings"));
            };
            (text("`separators`", item)?.to_owned(), text("`separators`", key)?.to_owned())
        }
    };
    let is_set = |flag: Option<Value>| flag.is_some_and(|flag| flag.is_true());
    let mut writer = Writer { ascii: is_set(ascii), indent, item, key, sorted: is_set(sorted), out: String::new() };
    writer.value(value, 0)?;
    Ok(writer.out)
}

struct Writer {
    ascii: bool,
    indent: Option<String>,
    /// Between items.
    item: String,
    /// Between a key and its value.
    key: String,
    sorted: bool,
    out: String,
}

/// Containers inside of each other; Python stops at about a thousand, too.
const DEEPEST: usize = 500;

impl Writer {
    fn value(&mut self, value: &Value, depth: usize) -> Result<(), Error> {
        if depth > DEEPEST {
            return Err(wrong("a value is too deep for tojson"));
        }
        match value.kind() {
            ValueKind::None => self.out.push_str("null"),
            ValueKind::Bool => self.out.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => self.out.push_str(&number(value)),
            ValueKind::String => self.string(value.as_str().unwrap_or_default()),
            ValueKind::Seq | ValueKind::Iterable if is_list(value) => {
                let items: Vec<Value> = value.try_iter()?.collect();
                self.container(['[', ']'], &items, depth, |writer, item| writer.value(item, depth + 1))?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.collect();
                if self.sorted {
                    keys.sort();
                }
                self.container(['{', '}'], &keys, depth, |writer, key| {
                    let name = match key.kind() {
                        ValueKind::String => key.as_str().unwrap_or_default().to_owned(),
                        ValueKind::None => "null".to_owned(),
                        ValueKind::Bool => if key.is_true() { "true" } else { "false" }.to_owned(),
                        ValueKind::Number => number(key),
                        other => return Err(wrong(format!("tojson takes no {other} as a key"))),
                    };
                    writer.string(&name);
                    writer.out.push_str(&writer.key.clone());
                    writer.value(&value.get_item(key)?, depth + 1)
                })?;
            }
            other => return Err(wrong(format!("a value of type {other} is no JSON"))),
        }
        Ok(())
    }

    fn container(
        &mut self,
        [open, close]: [char; 2],
        items: &[Value],
        depth: usize,
        mut write: impl FnMut(&mut Self, &Value) -> Result<(), Error>,
    ) -> Result<(), Error> {
        self.out.push(open);
        for (index, item) in items.iter().enumerate() {
            if index > 0 {
                self.out.push_str(&self.item.clone());
            }
            self.line(depth + 1);
            write(self, item)?;
        }
        if !items.is_empty() {
            self.line(depth);
        }
        self.out.push(close);
        Ok(())
    }

    fn line(&mut self, depth: usize) {
        if let Some(indent) = &self.indent {
            self.out.push('\n');
            self.out.push_str(&indent.repeat(depth));
        }
    }

    fn string(&mut self, text: &str) {
        self.out.push('"');
        for c in text.chars() {
            match c {
                '"' => self.out.push_str("\\\""),
                '\\' => self.out.push_str("\\\\"),
                '\n' => self.out.push_str("\\n"),
                '\r' => self.out.push_str("\\r"),
                '\t' => self.out.push_str("\\t"),
                '\u{8}' => self.out.push_str("\\b"),
                '\u{c}' => self.out.push_str("\\f"),
                // Writing to a String cannot fail.
                c if c < ' ' || (self.ascii && c > '~') => {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        let _ = write!(self.out, "\\u{unit:04x}");
                    }
                }
                c => self.out.push(c),
            }
        }
        self.out.push('"');
    }
}

/// Lists and tuples; Python's `json` knows neither ranges nor views of dictionaries.
fn is_list(value: &Value) -> bool {
    let other = value.downcast_object_ref::<Range>().is_some() || value.downcast_object_ref::<View>().is_some();
    value.len().is_some() && !other
}

fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    match f64::try_from(value.clone()) {
        Ok(number) if number.is_nan() => "NaN".to_owned(),
        Ok(number) if number.is_infinite() => if number > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        Ok(number) => float(number),
        Err(_) => value.to_string(),
    }
}
