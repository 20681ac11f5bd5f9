//! Filters of numbers, lists and whatever may be undefined.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::arguments::{Args, bind, integer, wrong};
use super::characters::is_space;
use super::printing::text;

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("list", |value: &Value| items(value).map(Value::from));
    environment.add_filter("join", join);
    for name in ["default", "d"] {
        environment.add_filter(name, default);
    }
    environment.add_filter("int", int);
    environment.add_filter("float", float);
    environment.add_filter("filesizeformat", filesizeformat);
}

/// What a value is made of.
///
/// # Errors
/// For none, numbers and booleans, which are made of nothing.
pub(super) fn items(value: &Value) -> Result<Vec<Value>, Error> {
    match value.kind() {
        ValueKind::None | ValueKind::Bool | ValueKind::Number => Err(wrong(format!("{} has no items", value.kind()))),
        _ => Ok(value.try_iter()?.collect()),
    }
}

fn join(value: &Value, args: Args) -> Result<String, Error> {
    let [between, attribute] = bind("join", ["d", "attribute"], &args.into_values())?;
    let attribute = attribute.filter(|attribute| !attribute.is_none());
    let parts = items(value)?.into_iter().map(|item| match &attribute {
        Some(attribute) => inner(&item, &text(attribute)).map(|item| text(&item)),
        None => Ok(text(&item)),
    });
    Ok(parts.collect::<Result<Vec<_>, _>>()?.join(&between.map_or_else(String::new, |between| text(&between))))
}

/// The item behind a path of names and numbers with dots between.
fn inner(value: &Value, path: &str) -> Result<Value, Error> {
    path.split('.').try_fold(value.clone(), |value, part| match part.parse::<usize>() {
        Ok(index) => value.get_item_by_index(index),
        Err(_) => value.get_attr(part),
    })
}

fn default(value: &Value, args: Args) -> Result<Value, Error> {
    let [default, boolean] = bind("default", ["default_value", "boolean"], &args.into_values())?;
    let boolean = boolean.is_some_and(|boolean| boolean.is_true());
    let missing = value.is_undefined() || (boolean && !value.is_true());
    Ok(if missing { default.unwrap_or_else(|| Value::from("")) } else { value.clone() })
}

fn int(value: &Value, args: Args) -> Result<Value, Error> {
    let [default, base] = bind("int", ["default", "base"], &args.into_values())?;
    let base = base.map_or(Ok(10), |base| integer("int", &base))?;
    let number = match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Number if value.is_integer() => return Ok(value.clone()),
        ValueKind::Bool => Some(i128::from(value.is_true())),
        ValueKind::Number => f64::try_from(value.clone()).ok().and_then(whole),
        ValueKind::String => {
            let this = value.as_str().unwrap_or_default();
            whole_of_text(this, base).or_else(|| float_of_text(this).and_then(whole))
        }
        _ => None,
    };
    let default = default.unwrap_or_else(|| Value::from(0));
    Ok(number.map_or(default, |number| i64::try_from(number).map_or_else(|_| Value::from(number), Value::from)))
}

fn whole(number: f64) -> Option<i128> {
    (number.is_finite() && number.abs() < 1e38).then_some(number as i128)
}

/// Python's `int(text, base)`.
fn whole_of_text(this: &str, base: i64) -> Option<i128> {
    let this = this.trim_matches(is_space);
    let (sign, digits) = match this.strip_prefix('-') {
        Some(digits) => (-1, digits),
        None => (1, this.strip_prefix('+').unwrap_or(this)),
    };
    let prefixed = |prefix: &str| digits.to_ascii_lowercase().starts_with(prefix);
    let (base, digits) = match base {
        16 | 0 if prefixed("0x") => (16, &digits[2..]),
        8 | 0 if prefixed("0o") => (8, &digits[2..]),
        2 | 0 if prefixed("0b") => (2, &digits[2..]),
        0 => (10, digits),
        2..=36 => (u32::try_from(base).ok()?, digits),
        _ => return None,
    };
    let sound = !digits.starts_with(['_', '+', '-']) && !digits.ends_with('_') && !digits.contains("__");
    i128::from_str_radix(&digits.replace('_', ""), base).ok().filter(|_| sound).map(|number| sign * number)
}

/// Python's `float(text)`.
fn float_of_text(this: &str) -> Option<f64> {
    let this = this.trim_matches(is_space);
    let sound = !this.starts_with('_') && !this.ends_with('_') && !this.contains("__");
    this.replace('_', "").parse().ok().filter(|_| sound)
}

fn float(value: &Value, args: Args) -> Result<Value, Error> {
    let [default] = bind("float", ["default"], &args.into_values())?;
    let number = match value.kind() {
        ValueKind::Undefined => return Err(Error::from(ErrorKind::UndefinedError)),
        ValueKind::Number => f64::try_from(value.clone()).ok(),
        ValueKind::Bool => Some(if value.is_true() { 1.0 } else { 0.0 }),
        ValueKind::String => float_of_text(value.as_str().unwrap_or_default()),
        _ => None,
    };
    Ok(number.map_or_else(|| default.unwrap_or_else(|| Value::from(0.0)), Value::from))
}

fn filesizeformat(value: &Value, args: Args) -> Result<String, Error> {
    let [binary] = bind("filesizeformat", ["binary"], &args.into_values())?;
    let binary = binary.is_some_and(|binary| binary.is_true());
    let number = float_of_text(&text(value)).ok_or_else(|| wrong("filesizeformat takes a number"))?;
    let (base, unit) = if binary { (1024.0, "iB") } else { (1000.0, "B") };
    if number.to_bits() == 1.0_f64.to_bits() {
        return Ok("1 Byte".to_owned());
    }
    if number < base {
        return Ok(format!("{number:.0} Bytes", number = number.trunc()));
    }
    let prefixes = if binary { "KMGTPEZY" } else { "kMGTPEZY" };
    let mut size = number;
    let mut prefixes = prefixes.chars();
    let mut prefix = 'Y';
    while size >= base
        && let Some(next) = prefixes.next()
    {
        size /= base;
        prefix = next;
    }
    Ok(format!("{size:.1} {prefix}{unit}"))
}
