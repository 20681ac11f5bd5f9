//! Python's `range`.

use std::fmt;
use std::sync::Arc;

use minijinja::Error;
use minijinja::value::{Enumerator, Object, ObjectRepr, Rest, Value, ValueOrKwargs};

use super::arguments::{bind, integer, required, wrong};

/// Whole numbers from one to another, as Python's `range`.
#[derive(Debug)]
pub(super) struct Range {
    start: i64,
    stop: i64,
    step: i64,
}

/// Most numbers of a range: Jinja2's sandbox stops there, too.
const LONGEST: usize = 100_000;

/// A range, by its arguments.
pub(super) fn range(args: Rest<ValueOrKwargs>) -> Result<Value, Error> {
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
