//! Functions that templates call.

use minijinja::value::{Kwargs, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind};

use super::arguments::wrong;
use super::range::range;
use super::{printing, value_filters};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_function("raise_exception", |message: &Value| -> Result<Value, Error> {
        Err(Error::new(ErrorKind::InvalidOperation, printing::text(message)).with_source(Raised))
    });
    environment.add_function("range", range);
    environment.add_function("dict", dict);
    environment.add_function("cycler", |items: Rest<Value>| minijinja_contrib::globals::cycler(items.0));
    environment.add_function("joiner", minijinja_contrib::globals::joiner);
    // Jinja2 has no such function.
    environment.remove_global("debug");
}

/// The mark of what a template says by `raise_exception`.
#[derive(Debug, thiserror::Error)]
#[error("raised by the template")]
struct Raised;

/// Whether a template refused in words of its own.
pub(in crate::chat) fn is_raised(error: &Error) -> bool {
    std::iter::successors(Some(error as &dyn std::error::Error), |error| error.source())
        .any(<dyn std::error::Error>::is::<Raised>)
}

/// A dictionary of a mapping or of pairs, and of arguments by name.
fn dict(args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let args = args.into_values();
    let (positional, named) = match args.split_last() {
        Some((last, before)) if last.is_kwargs() => (before, Some(Kwargs::try_from(last.clone())?)),
        _ => (&args[..], None),
    };
    let mut pairs: Vec<(Value, Value)> = Vec::new();
    for given in positional.iter().take(1) {
        let is_map = given.kind() == ValueKind::Map;
        for item in value_filters::items(given)? {
            pairs.push(if is_map {
                (item.clone(), given.get_item(&item)?)
            } else {
                (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
            });
        }
    }
    if positional.len() > 1 {
        return Err(wrong("dict takes one mapping"));
    }
    if let Some(named) = named {
        for name in named.args() {
            pairs.push((Value::from(name), named.get(name)?));
        }
    }
    Ok(Value::from_pairs(pairs))
}
