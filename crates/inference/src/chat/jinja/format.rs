//! `%` and `str.format`.

use minijinja::Error;
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Value, ValueKind};

use super::arguments::wrong;
use super::printing::{repr, text};

/// `left % right`: a format where the left is a string, else the remainder with the divisor's sign.
pub(super) fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    let Some(pattern) = left.as_str() else { return remainder(left, right) };
    let args: Vec<Value> = if right.is_tuple() { right.try_iter()?.collect() } else { vec![right.clone()] };
    percent(pattern, &args).map(Value::from)
}

/// `pattern % args`, with what minijinja's formats lack: `%r`, `%i`, fractions as whole numbers, and a complaint about
/// arguments that are left over.
pub(super) fn percent(pattern: &str, args: &[Value]) -> Result<String, Error> {
    let too_few = || wrong("not enough arguments for the format");
    let mapping = args.first().filter(|first| first.kind() == ValueKind::Map && args.len() == 1);
    let (mut plain, mut values, mut used) = (String::new(), Vec::new(), 0);
    let mut rest = pattern;
    while let Some((before, directive)) = rest.split_once('%') {
        plain.push_str(before);
        plain.push('%');
        let key = directive.strip_prefix('(').and_then(|directive| directive.split_once(')'));
        let (key, directive) = key.map_or((None, directive), |(key, directive)| (Some(key), directive));
        let options = directive.len()
            - directive.trim_start_matches(|c: char| "#0- +.*hlL".contains(c) || c.is_ascii_digit()).len();
        let (options, conversion) = directive.split_at(options);
        let Some(letter) = conversion.chars().next() else { return Err(wrong("incomplete format")) };
        for _ in options.matches('*') {
            values.push(args.get(used).ok_or_else(too_few)?.clone());
            used += 1;
        }
        plain.push_str(options.trim_end_matches(['h', 'l', 'L']));
        rest = &conversion[letter.len_utf8()..];
        if letter == '%' {
            plain.push('%');
            continue;
        }
        let value = match (key, mapping) {
            (Some(key), Some(mapping)) => {
                used = 1;
                let value = mapping.get_item(&Value::from(key))?;
                if value.is_undefined() {
                    return Err(wrong(format!("the format names `{key}`, which is not there")));
                }
                value
            }
            (Some(_), None) => return Err(wrong("the format takes a mapping")),
            (None, _) => {
                used += 1;
                args.get(used - 1).ok_or_else(too_few)?.clone()
            }
        };
        let (letter, value) = match letter {
            's' => ('s', Value::from(text(&value))),
            'r' | 'a' => ('s', Value::from(repr(&value))),
            'd' | 'i' | 'u' => ('d', truncated(value)),
            letter => (letter, value),
        };
        plain.push(letter);
        values.push(value);
    }
    plain.push_str(rest);
    if used < args.len() && mapping.is_none() {
        return Err(wrong("not all arguments are used by the format"));
    }
    format(FormatStyle::Printf, &plain, &values)
}

/// A fraction without what is behind the point.
fn truncated(value: Value) -> Value {
    match f64::try_from(value.clone()) {
        Ok(number) if value.kind() == ValueKind::Number && !value.is_integer() && number.abs() < 1e18 => {
            Value::from(number as i64)
        }
        _ => value,
    }
}

/// `pattern.format(args)`.
pub(super) fn str_format(pattern: &str, args: &[Value]) -> Result<String, Error> {
    format(FormatStyle::StrFormat, pattern, args)
}

/// `left ~ right`.
pub(super) fn concatenated(left: &Value, right: &Value) -> String {
    text(left) + &text(right)
}

fn remainder(left: &Value, right: &Value) -> Result<Value, Error> {
    let number = |value: &Value| matches!(value.kind(), ValueKind::Number | ValueKind::Bool);
    if !number(left) || !number(right) {
        return Err(wrong(format!("% does not take {} and {}", left.kind(), right.kind())));
    }
    if let (Ok(a), Ok(b)) = (i128::try_from(left.clone()), i128::try_from(right.clone()))
        && is_whole(left)
        && is_whole(right)
    {
        let rest = a.checked_rem(b).ok_or_else(|| wrong("division by zero"))?;
        let rest = if rest != 0 && (rest < 0) != (b < 0) { rest + b } else { rest };
        return Ok(i64::try_from(rest).map_or_else(|_| Value::from(rest), Value::from));
    }
    let (a, b) = (f64::try_from(left.clone())?, f64::try_from(right.clone())?);
    if b == 0.0 {
        return Err(wrong("division by zero"));
    }
    let rest = a % b;
    Ok(Value::from(if rest == 0.0 {
        0.0_f64.copysign(b)
    } else if (rest < 0.0) == (b < 0.0) {
        rest
    } else {
        rest + b
    }))
}

fn is_whole(value: &Value) -> bool {
    value.is_integer() || value.kind() == ValueKind::Bool
}
