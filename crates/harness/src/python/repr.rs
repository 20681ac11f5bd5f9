//! `repr` of what lm-evaluation-harness writes as text.

use std::fmt::Write as _;

use serde_json::Value;

/// `str(value)` of a JSON value as Python has it: a text as it is, everything else as `repr` writes it.
pub(crate) fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => repr(other),
    }
}

/// `repr(number)`.
pub(crate) fn float(number: f64) -> String {
    if !number.is_finite() {
        return if number.is_nan() { "nan".to_owned() } else { format!("{number}") };
    }
    // The shortest digits that read back as the number; of two that are as near, the even one, as Python's.
    let shortest = format!("{number:e}");
    let places = shortest.split('e').next().unwrap_or_default().bytes().filter(u8::is_ascii_digit).count() - 1;
    let even = format!("{number:.places$e}");
    let is_same = even.parse() == Ok(number);
    let scientific = if is_same { even } else { shortest };
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..16).contains(&exponent) {
        let behind = usize::try_from(exponent)
            .map_or(places + exponent.unsigned_abs() as usize, |before| places.saturating_sub(before));
        let plain = if is_same { format!("{number:.behind$}") } else { number.to_string() };
        if plain.contains('.') { plain } else { plain + ".0" }
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{digits}e{sign}{:02}", exponent.abs())
    }
}

/// `repr(value)` of a JSON value.
pub(crate) fn repr(value: &Value) -> String {
    match value {
        Value::Null => "None".to_owned(),
        Value::Bool(true) => "True".to_owned(),
        Value::Bool(false) => "False".to_owned(),
        Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (None, None, Some(number)) => float(number),
            _ => number.to_string(),
        },
        Value::String(text) => quoted(text),
        Value::Array(items) => format!("[{}]", items.iter().map(repr).collect::<Vec<_>>().join(", ")),
        Value::Object(fields) => {
            let fields = fields.iter().map(|(key, value)| format!("{}: {}", quoted(key), repr(value)));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        }
    }
}

/// `repr` of a text: in single quotation marks, unless there are such in it and no double ones.
fn quoted(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push(quote);
    for c in text.chars() {
        match c {
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if c == quote => quoted.extend(['\\', c]),
            c if is_printable(c) => quoted.push(c),
            c => {
                let _ = match u32::from(c) {
                    code @ ..=0xff => write!(quoted, "\\x{code:02x}"),
                    code @ ..=0xffff => write!(quoted, "\\u{code:04x}"),
                    code => write!(quoted, "\\U{code:08x}"),
                };
            }
        }
    }
    quoted.push(quote);
    quoted
}

/// `str.isprintable`: everything but Unicode's categories Other and Separator, the space excepted. Of the categories that
/// char has no test for, those that occur in text are listed.
fn is_printable(c: char) -> bool {
    let is_format = matches!(
        c,
        '\u{ad}' | '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0001}'..='\u{e007f}'
    );
    let is_private = matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{f0000}'..);
    c == ' ' || !(c.is_control() || c.is_whitespace() || is_format || is_private)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // All from Python 3.11.
    #[test]
    fn texts_lists_and_numbers_are_written_as_python_writes_them() {
        for (value, expected) in [
            (json!("it's"), "it's"),
            (json!(["a", "it's", "b\"c", "it's \"d\""]), r#"['a', "it's", 'b"c', 'it\'s "d"']"#),
            (json!(["\n\t\\\u{7f}\u{a0}é\u{200b}\u{feff}"]), r"['\n\t\\\x7f\xa0é\u200b\ufeff']"),
            (json!([1, -2, 0.5, true, null, {"k": []}]), "[1, -2, 0.5, True, None, {'k': []}]"),
        ] {
            assert_eq!(text(&value), expected);
        }
        for (number, expected) in [
            (0.0, "0.0"),
            (-1.5, "-1.5"),
            (1e15, "1000000000000000.0"),
            (1e16, "1e+16"),
            (0.0001, "0.0001"),
            (0.000_012, "1.2e-05"),
            (f64::NEG_INFINITY, "-inf"),
            (-668.048_156_738_281_2, "-668.0481567382812"),
        ] {
            assert_eq!(float(number), expected);
        }
    }
}
