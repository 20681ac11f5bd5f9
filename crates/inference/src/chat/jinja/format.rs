//! `%` and `str.format`.

use minijinja::Error;
use minijinja::formatting::{FormatStyle, format};
use minijinja::value::{Value, ValueKind};

use super::arguments::wrong;
use super::printing::text;

/// `left % right`: a format where the left is a string, else the remainder with the divisor's sign.
pub(super) fn modulo(left: &Value, right: &Value) -> Result<Value, Error> {
    let Some(pattern) = left.as_str() else { return remainder(left, right) };
    let args: Vec<Value> = if right.is_tuple() { right.try_iter()?.collect() } else { vec![right.clone()] };
    percent(pattern, &args).map(Value::from)
}

/// `pattern % args`.
pub(super) fn percent(pattern: &str, args: &[Value]) -> Result<String, Error> {
    format(FormatStyle::Printf, pattern, args)
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
