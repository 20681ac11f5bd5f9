//! Values as Python writes them: `str` and `repr`.

use std::fmt::Write as _;

use minijinja::Value;
use minijinja::value::ValueKind;

use super::characters::is_printable;
use super::containers::View;
use super::range::Range;

/// What `str(value)` gives, which is also what a template prints.
pub(super) fn text(value: &Value) -> String {
    match value.kind() {
        ValueKind::Undefined => String::new(),
        ValueKind::String => value.as_str().unwrap_or_default().to_owned(),
        _ => repr(value),
    }
}

/// What `repr(value)` gives.
pub(super) fn repr(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out, Keys::AsTheyCome);
    out
}

/// What `pprint.pformat(value)` gives where it fits a line.
pub(super) fn pretty(value: &Value) -> String {
    let mut out = String::new();
    write_repr(value, &mut out, Keys::Sorted);
    out
}

/// The order of a dictionary's keys.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Keys {
    AsTheyCome,
    Sorted,
}

/// Whether a value is what `namespace()` made. The type is minijinja's own, and no mapping to Python.
pub(super) fn is_namespace(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Namespace"))
}

/// Whether a value is a macro. The type is minijinja's own.
pub(super) fn is_macro(value: &Value) -> bool {
    value.as_object().is_some_and(|object| object.type_name().ends_with("::Macro"))
}

fn write_repr(value: &Value, out: &mut String, keys: Keys) {
    match value.kind() {
        ValueKind::Undefined => out.push_str("Undefined"),
        ValueKind::Number if !value.is_integer() => {
            out.push_str(&f64::try_from(value.clone()).map_or_else(|_| value.to_string(), float));
        }
        ValueKind::String => quoted(value.as_str().unwrap_or_default(), out),
        ValueKind::Seq | ValueKind::Iterable | ValueKind::Map => write_container(value, out, keys),
        // Booleans, none and whole numbers are written alike; other objects have names of their own.
        _ => {
            // Writing to a String cannot fail.
            let _ = write!(out, "{value}");
        }
    }
}

fn write_container(value: &Value, out: &mut String, order: Keys) {
    if let Some(view) = value.downcast_object_ref::<View>() {
        out.push_str(view.name());
        out.push('(');
        write_items(value, ['[', ']'], out, order);
        out.push(')');
        return;
    }
    if let Some(range) = value.downcast_object_ref::<Range>() {
        out.push_str(&range.to_string());
        return;
    }
    match value.kind() {
        ValueKind::Map => {
            let mut keys: Vec<Value> = value.try_iter().into_iter().flatten().collect();
            if order == Keys::Sorted {
                keys.sort();
            }
            out.push_str(if is_namespace(value) { "<Namespace {" } else { "{" });
            for (index, key) in keys.into_iter().enumerate() {
                out.push_str(if index > 0 { ", " } else { "" });
                write_repr(&key, out, order);
                out.push_str(": ");
                write_repr(&value.get_item(&key).unwrap_or_default(), out, order);
            }
            out.push_str(if is_namespace(value) { "}>" } else { "}" });
        }
        _ if value.is_tuple() => {
            write_items(value, ['(', ')'], out, order);
            if value.len() == Some(1) {
                out.insert(out.len() - 1, ',');
            }
        }
        _ => write_items(value, ['[', ']'], out, order),
    }
}

fn write_items(value: &Value, [open, close]: [char; 2], out: &mut String, keys: Keys) {
    out.push(open);
    for (index, item) in value.try_iter().into_iter().flatten().enumerate() {
        out.push_str(if index > 0 { ", " } else { "" });
        write_repr(&item, out, keys);
    }
    out.push(close);
}

/// What `repr` gives for a float: the shortest text that reads back the same, with an exponent from 1e16 up and below
/// 1e-4.
pub(super) fn float(number: f64) -> String {
    if number.is_nan() {
        return "nan".to_owned();
    }
    if number.is_infinite() {
        return if number > 0.0 { "inf" } else { "-inf" }.to_owned();
    }
    // Rust's debug form changes at the same magnitudes, but writes the exponent without a sign or a second digit.
    let shortest = format!("{number:?}");
    match shortest.split_once('e') {
        Some((digits, exponent)) => {
            let (sign, exponent) = match exponent.strip_prefix('-') {
                Some(exponent) => ('-', exponent),
                None => ('+', exponent),
            };
            format!("{digits}e{sign}{exponent:0>2}")
        }
        None => shortest,
    }
}

fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\\' => out.push_str("\\\\"),
            c if c == quote => out.extend(['\\', c]),
            c if is_printable(c) => out.push(c),
            // Writing to a String cannot fail.
            c => {
                let code = u32::from(c);
                let _ = match code {
                    0..0x100 => write!(out, "\\x{code:02x}"),
                    0x100..0x10000 => write!(out, "\\u{code:04x}"),
                    _ => write!(out, "\\U{code:08x}"),
                };
            }
        }
    }
    out.push(quote);
}

#[cfg(test)]
mod unit {
    use super::*;

    #[test]
    fn floats_change_to_exponents_where_python_does() {
        let written = [1.0, 0.1, 1e16, 123_456_789_012_345_680.0, 1e-4, 1e-5, -0.0, 1e300, f64::NAN, -f64::INFINITY];
        let expected =
            ["1.0", "0.1", "1e+16", "1.2345678901234568e+17", "0.0001", "1e-05", "-0.0", "1e+300", "nan", "-inf"];
        assert_eq!(written.map(float), expected);
    }

    #[test]
    fn strings_inside_of_others_are_quoted_with_escapes() {
        assert_eq!(repr(&Value::from("it's")), "\"it's\"");
        assert_eq!(repr(&Value::from("'\"")), "'\\'\"'");
        assert_eq!(repr(&Value::from("a\n\u{1}\u{a0}\u{200b}é😀\u{e0001}")), "'a\\n\\x01\\xa0\\u200bé😀\\U000e0001'");
        assert_eq!(repr(&Value::from(vec![Value::from(1.0), Value::UNDEFINED])), "[1.0, Undefined]");
    }
}
