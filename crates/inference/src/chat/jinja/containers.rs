//! Methods of Python's lists, tuples and dictionaries that change nothing; Jinja2's sandbox refuses the others.

use std::sync::Arc;

use minijinja::value::{Enumerator, Object, ObjectRepr, Tuple, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::arguments::{bind, integer, required, wrong};

/// What `keys()`, `values()` or `items()` of a dictionary gives.
#[derive(Debug)]
pub(super) struct View {
    of: &'static str,
    items: Vec<Value>,
}

impl View {
    /// The name of its type.
    pub(super) fn name(&self) -> &'static str {
        self.of
    }
}

impl Object for View {
    fn repr(self: &Arc<Self>) -> ObjectRepr {
        ObjectRepr::Iterable
    }

    fn enumerate(self: &Arc<Self>) -> Enumerator {
        Enumerator::Values(self.items.clone())
    }
}

/// A method of a dictionary.
pub(super) fn of_dictionary(value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    let view = |of, of_pair: &dyn Fn(Value, Value) -> Value| -> Result<Value, Error> {
        bind(name, [], args)?;
        let items = value.try_iter()?.map(|key| {
            let item = value.get_item(&key)?;
            Ok(of_pair(key, item))
        });
        Ok(Value::from_object(View { of, items: items.collect::<Result<_, Error>>()? }))
    };
    match name {
        "keys" => view("dict_keys", &|key, _| key),
        "values" => view("dict_values", &|_, item| item),
        "items" => view("dict_items", &|key, item| Value::from(Tuple::from([key, item]))),
        "get" => {
            // By place only: Python's parameters have no names here.
            if args.last().is_some_and(Value::is_kwargs) {
                return Err(wrong("get takes no arguments by name"));
            }
            let [key, default] = bind("get", ["key", "default"], args)?;
            let found = value.get_item(&required("get", "key", key)?)?;
            Ok(if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found })
        }
        "copy" => {
            bind("copy", [], args)?;
            Ok(value.clone())
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// A method of a list or a tuple.
pub(super) fn of_list(value: &Value, name: &str, args: &[Value]) -> Result<Value, Error> {
    match name {
        "count" => {
            let [item] = bind("count", ["value"], args)?;
            let item = required("count", "value", item)?;
            Ok(Value::from(value.try_iter()?.filter(|one| *one == item).count()))
        }
        "index" => {
            let [item, start, stop] = bind("index", ["value", "start", "stop"], args)?;
            let item = required("index", "value", item)?;
            let items: Vec<Value> = value.try_iter()?.collect();
            let place = |place: Option<Value>, default| match place {
                Some(place) => Ok(offset(integer("`index`", &place)?, items.len())),
                None => Ok::<_, Error>(default),
            };
            let (start, stop) = (place(start, 0)?, place(stop, items.len())?);
            let found = items.iter().enumerate().find(|(at, one)| (start..stop).contains(at) && **one == item);
            found.map(|(at, _)| Value::from(at)).ok_or_else(|| wrong("the value is not in the list"))
        }
        "copy" if value.kind() == ValueKind::Seq && !value.is_tuple() => {
            bind("copy", [], args)?;
            Ok(value.clone())
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// Where `place` is among `length` items: a negative one counts from the end, and all are cut to what there is.
pub(super) fn offset(place: i64, length: usize) -> usize {
    let length = i64::try_from(length).unwrap_or(i64::MAX);
    let from_start = if place < 0 { place.saturating_add(length) } else { place };
    usize::try_from(from_start.clamp(0, length)).unwrap_or(0)
}
