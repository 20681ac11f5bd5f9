//! Filters that minijinja lacks, or answers otherwise than Jinja2 does.

use minijinja::filters as builtin;
use minijinja::value::{Kwargs, Value};
use minijinja::{Environment, Error, State};

use super::arguments::{Args, bind};
use super::format::percent;
use super::json::to_json;
use super::printing::{pretty, text};
use super::text::capitalized;
use super::{text_filters, value_filters};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("pprint", |value: &Value| pretty(value));
    environment.add_filter("format", |value: &Value, args: Args| percent(&text(value), &args.into_values()));
    environment.add_filter("capitalize", |value: &Value| capitalized(&text(value)));
    text_filters::add(environment);
    value_filters::add(environment);
    // Of these, minijinja takes options by name only.
    environment.add_filter("sort", |state: &mut State<'_, '_>, value: Value, args: Args| {
        builtin::sort(state, value, named("sort", ["reverse", "case_sensitive", "attribute"], args)?)
    });
    environment.add_filter("unique", |state: &mut State<'_, '_>, value: Value, args: Args| {
        builtin::unique(state, value, named("unique", ["case_sensitive", "attribute"], args)?)
    });
    environment.add_filter("min", |state: &mut State<'_, '_>, value: Value, args: Args| {
        builtin::min(state, value, named("min", ["case_sensitive", "attribute"], args)?)
    });
    environment.add_filter("max", |state: &mut State<'_, '_>, value: Value, args: Args| {
        builtin::max(state, value, named("max", ["case_sensitive", "attribute"], args)?)
    });
    environment.add_filter("dictsort", |value: &Value, args: Args| {
        builtin::dictsort(value, named("dictsort", ["case_sensitive", "by", "reverse"], args)?)
    });
    // An attribute is none of a dictionary's items.
    environment.add_filter("attr", |_: &Value, _: &Value| Value::UNDEFINED);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    environment.add_filter("wordcount", minijinja_contrib::filters::wordcount);
    // Jinja2 has no such filters.
    for name in ["split", "lines", "bool", "chain", "zip"] {
        environment.remove_filter(name);
    }
}

/// Arguments by name, however they were given.
fn named<const N: usize>(what: &str, names: [&str; N], args: Args) -> Result<Kwargs, Error> {
    let bound = bind(what, names, &args.into_values())?;
    Ok(names.into_iter().zip(bound).filter_map(|(name, value)| Some((name, value?))).collect())
}
