//! Filters that minijinja lacks, or answers otherwise than Jinja2 does.

use minijinja::value::{Rest, Value, ValueOrKwargs};
use minijinja::{Environment, Error};

use super::arguments::{bind, required};
use super::format::percent;
use super::json::to_json;
use super::printing::text;
use super::text::{capitalized, stripped};
use super::text_search::replaced;

type Args = Rest<ValueOrKwargs>;

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("tojson", to_json);
    environment.add_filter("string", |value: &Value| text(value));
    environment.add_filter("format", |value: &Value, args: Args| percent(&text(value), &args.into_values()));
    environment.add_filter("capitalize", |value: &Value| capitalized(&text(value)));
    environment.add_filter("trim", |value: &Value, args: Args| -> Result<String, Error> {
        let [set] = bind("trim", ["chars"], &args.into_values())?;
        Ok(stripped(&text(value), set.as_ref(), true, true)?.to_owned())
    });
    environment.add_filter("replace", |value: &Value, args: Args| -> Result<String, Error> {
        let [old, new, count] = bind("replace", ["old", "new", "count"], &args.into_values())?;
        let (old, new) = (required("replace", "old", old)?, required("replace", "new", new)?);
        let count = count.filter(|count| !count.is_none());
        let count = count.map_or(Ok(-1), |count| super::arguments::integer("replace", &count))?;
        Ok(replaced(&text(value), &text(&old), &text(&new), count))
    });
    // An attribute is none of a dictionary's items.
    environment.add_filter("attr", |_: &Value, _: &Value| Value::UNDEFINED);
    environment.add_filter("filesizeformat", minijinja_contrib::filters::filesizeformat);
    environment.add_filter("truncate", minijinja_contrib::filters::truncate);
    environment.add_filter("striptags", minijinja_contrib::filters::striptags);
    environment.add_filter("wordcount", minijinja_contrib::filters::wordcount);
    // Jinja2 has no such filters.
    for name in ["split", "lines", "bool", "chain", "zip"] {
        environment.remove_filter(name);
    }
}
