//! Arguments by Python's rules: in order or by name.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Error, ErrorKind};

/// Arguments as they were given.
pub(super) type Args = Rest<ValueOrKwargs>;

/// The arguments of a call to `what`, by the names of its parameters; `None` for one that was not given.
///
/// # Errors
/// For too many arguments, an unknown name, and one that is given twice.
pub(super) fn bind<const N: usize>(what: &str, names: [&str; N], args: &[Value]) -> Result<[Option<Value>; N], Error> {
    let mut bound = [const { None }; N];
    let (positional, named) = match args.split_last() {
        Some((last, before)) if last.is_kwargs() => (before, Some(Kwargs::try_from(last.clone())?)),
        _ => (args, None),
    };
    if positional.len() > N {
        return Err(wrong(format!("{what} takes at most {N} arguments, and {} were given", positional.len())));
    }
    for (place, value) in bound.iter_mut().zip(positional) {
        *place = Some(value.clone());
    }
    let Some(named) = named else { return Ok(bound) };
    for name in named.args() {
        let place = names.iter().position(|known| *known == name);
        let place = place.ok_or_else(|| wrong(format!("{what} has no parameter `{name}`")))?;
        if bound[place].replace(named.get(name)?).is_some() {
            return Err(wrong(format!("{what} got two values for `{name}`")));
        }
    }
    Ok(bound)
}

/// An argument that has to be there.
pub(super) fn required(what: &str, name: &str, value: Option<Value>) -> Result<Value, Error> {
    value.ok_or_else(|| wrong(format!("{what} needs `{name}`")))
}

/// A text.
pub(super) fn text<'a>(what: &str, value: &'a Value) -> Result<&'a str, Error> {
    value.as_str().ok_or_else(|| wrong(format!("{what} takes a string, not {}", value.kind())))
}

/// A whole number; a boolean is one, as in Python.
pub(super) fn integer(what: &str, value: &Value) -> Result<i64, Error> {
    if value.kind() == ValueKind::Bool {
        return Ok(i64::from(value.is_true()));
    }
    let number = value.is_integer().then(|| value.as_i64()).flatten();
    number.ok_or_else(|| wrong(format!("{what} takes an integer, not {}", value.kind())))
}

/// A call that Python would refuse.
pub(super) fn wrong(reason: impl Into<String>) -> Error {
    Error::new(ErrorKind::InvalidOperation, reason.into())
}
