//! Functions that templates call.

use std::fmt;
use std::sync::Arc;

use minijinja::value::{Enumerator, Kwargs, Object, ObjectRepr, Rest, Value, ValueKind, ValueOrKwargs};
use minijinja::{Environment, Error, ErrorKind};

use super::arguments::{bind, integer, required, wrong};
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

/// Whole numbers from one to another, as Python's `range`.
#[derive(Debug)]
pub(super) struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

/// Most numbers of a range: Jinja2's sandbox stops there, too.
const LONGEST: usize = 100_000;

fn range(args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
    let numbers = bind("range", ["start", "stop", "step"], &args.into_values())?;
    let [first, second, step] = numbers;
    let first = integer("range", &required("range", "stop", first)?)?;
    let (start, stop) = match second {
        Some(stop) => (first, integer("range", &stop)?),
        None => (0, first),
    };
    let step = step.map_or(Ok(1), |step| integer("range", &step))?;
    if step == 0 {
        return Err(wrong("the step of range is 0"));
    }
    let range = Range { start, stop, step };
    if range.count() > LONGEST {
        return Err(wrong(format!("a range of more than {LONGEST} numbers")));
    }
    Ok(Value::from_object(range))
}

impl Range {
    fn count(&self) -> usize {
        let span = i128::from(self.stop) - i128::from(self.start);
        let step = i128::from(self.step);
        let count = if (span > 0) == (step > 0) { (span.abs() + step.abs() - 1) / step.abs() } else { 0 };
        usize::try_from(count).unwrap_or(usize::MAX)
    }

    fn at(&self, index: usize) -> Option<Value> {
        let steps = i64::try_from(index).ok().filter(|_| index < self.count())?;
        Some(Value::from(self.start + steps * self.step))
    }
}

impl Object for Range {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Seq
    }

    fn get_value(self: &Arc<Self>, key: &Value) -> Option<Value> {
        self.at(key.as_usize()?)
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Seq(self.count())
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            1 => write!(formatter, "range({}, {})", self.start, self.stop),
            step => write!(formatter, "range({}, {}, {step})", self.start, self.stop),
        }
    }
}
