//! Methods of Python's strings that look for something: places, parts, beginnings and ends.

use minijinja::value::{Tuple, Value};
use minijinja::{Error, ErrorKind};

use super::arguments::{bind, integer, required, text, wrong};
use super::characters::is_space;
use super::containers::offset;

/// A method of a string that looks for something.
pub(super) fn method(this: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    match name {
        "find" | "rfind" | "index" | "rindex" | "count" => places(this, name, args),
        "startswith" | "endswith" => ends(this, name, args),
        "split" | "rsplit" => split(this, name, args),
        "splitlines" => {
            let [keep] = bind(name, ["keepends"], args)?;
            Ok(lines(this, keep.is_some_and(|keep| keep.is_true())).into_iter().map(Value::from).collect())
        }
        "partition" | "rpartition" => {
            let [sep] = bind(name, ["sep"], args)?;
            let sep = required(name, "sep", sep)?;
            let sep = not_empty(name, text(name, &sep)?)?;
            let found = if name == "partition" { this.split_once(sep) } else { this.rsplit_once(sep) };
            let parts = match found {
                Some((before, after)) => [before, sep, after],
                None if name == "partition" => [this, "", ""],
                None => ["", "", this],
            };
            Ok(Value::from(Tuple::from(parts.map(Value::from))))
        }
        "replace" => {
            let [old, new, count] = bind(name, ["old", "new", "count"], args)?;
            let (old, new) = (required(name, "old", old)?, required(name, "new", new)?);
            let count = count.map_or(Ok(-1), |count| integer(name, &count))?;
            Ok(Value::from(replaced(this, text(name, &old)?, text(name, &new)?, count)))
        }
        "removeprefix" | "removesuffix" => {
            let [part] = bind(name, [if name == "removeprefix" { "prefix" } else { "suffix" }], args)?;
            let part = required(name, "prefix", part)?;
            let part = text(name, &part)?;
            let rest = if name == "removeprefix" { this.strip_prefix(part) } else { this.strip_suffix(part) };
            Ok(Value::from(rest.unwrap_or(this)))
        }
        _ => Err(Error::from(ErrorKind::UnknownMethod)),
    }
}

/// `this` with the first `count` of `old` replaced, all where `count` is negative.
pub(super) fn replaced(this: &str, old: &str, new: &str, count: i64) -> String {
    match usize::try_from(count) {
        Ok(count) => this.replacen(old, new, count),
        Err(_) => this.replace(old, new),
    }
}

/// The characters `start..stop` of a text and where they begin, by Python's rules; none where the start is beyond
/// the end.
fn cut<'a>(
    this: &'a str,
    name: &str,
    start: Option<&Value>,
    stop: Option<&Value>,
) -> Result<Option<(&'a str, usize)>, Error> {
    let length = this.chars().count();
    let place = |place: Option<&Value>, default| match place.filter(|place| !place.is_none()) {
        Some(place) => integer(name, place),
        None => Ok(default),
    };
    let whole = i64::try_from(length).unwrap_or(i64::MAX);
    let (from, to) = (place(start, 0)?, place(stop, whole)?);
    let (start, stop) = (offset(from, length), offset(to, length));
    if from > whole || start > stop {
        return Ok(None);
    }
    let byte = |at: usize| this.char_indices().nth(at).map_or(this.len(), |(byte, _)| byte);
    Ok(Some((&this[byte(start)..byte(stop)], start)))
}

fn places(this: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let [sub, start, stop] = bind(name, ["sub", "start", "end"], args)?;
    let sub = required(name, "sub", sub)?;
    let sub = text(name, &sub)?;
    let part = cut(this, name, start.as_ref(), stop.as_ref())?;
    if name == "count" {
        let count = part.map_or(
            0,
            |(part, _)| {
                if sub.is_empty() { part.chars().count() + 1 } else { part.matches(sub).count() }
            },
        );
        return Ok(Value::from(count));
    }
    let found = part.and_then(|(part, start)| {
        let byte = if name.starts_with('r') { part.rfind(sub) } else { part.find(sub) }?;
        Some(start + part[..byte].chars().count())
    });
    match found {
        Some(place) => Ok(Value::from(place)),
        None if name.ends_with("find") => Ok(Value::from(-1)),
        None => Err(wrong("substring not found")),
    }
}

fn ends(this: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let [with, start, stop] = bind(name, ["prefix", "start", "end"], args)?;
    let with = required(name, "prefix", with)?;
    let Some((part, _)) = cut(this, name, start.as_ref(), stop.as_ref())? else { return Ok(Value::from(false)) };
    let fits = |with: &Value| {
        let with = text(name, with)?;
        Ok(if name == "startswith" { part.starts_with(with) } else { part.ends_with(with) })
    };
    // Python takes a tuple of strings too, and no list.
    if with.is_tuple() {
        let any = with.try_iter()?.map(|with| fits(&with)).collect::<Result<Vec<bool>, Error>>()?;
        return Ok(Value::from(any.contains(&true)));
    }
    Ok(Value::from(fits(&with)?))
}

fn split(this: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let [sep, most] = bind(name, ["sep", "maxsplit"], args)?;
    let most = most.map_or(Ok(-1), |most| integer(name, &most))?;
    // The number of parts; unlimited where the number of splits is negative.
    let parts = usize::try_from(most).map_or(usize::MAX, |most| most.saturating_add(1));
    let from_end = name == "rsplit";
    let split: Vec<&str> = match sep.filter(|sep| !sep.is_none()) {
        Some(sep) => {
            let sep = not_empty(name, text(name, &sep)?)?.to_owned();
            if from_end {
                let mut split: Vec<&str> = this.rsplitn(parts, &*sep).collect();
                split.reverse();
                split
            } else {
                this.splitn(parts, &*sep).collect()
            }
        }
        None if from_end => words_from_end(this, parts),
        None => words(this, parts),
    };
    Ok(split.into_iter().map(Value::from).collect())
}

/// Words between white space; the last of `parts` is what is left, with its white space at the end.
fn words(this: &str, parts: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = this.trim_start_matches(is_space);
    while !rest.is_empty() {
        let end = if words.len() + 1 == parts { rest.len() } else { rest.find(is_space).unwrap_or(rest.len()) };
        words.push(&rest[..end]);
        rest = rest[end..].trim_start_matches(is_space);
    }
    words
}

fn words_from_end(this: &str, parts: usize) -> Vec<&str> {
    let mut words = Vec::new();
    let mut rest = this.trim_end_matches(is_space);
    while !rest.is_empty() {
        let begin = rest.rfind(is_space).map_or(0, |at| at + rest[at..].chars().next().map_or(0, char::len_utf8));
        let begin = if words.len() + 1 == parts { 0 } else { begin };
        words.push(&rest[begin..]);
        rest = rest[..begin].trim_end_matches(is_space);
    }
    words.reverse();
    words
}

/// Lines by everything that Python takes for a line's end.
pub(super) fn lines(this: &str, keep: bool) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut rest = this;
    while !rest.is_empty() {
        let found = rest.find(|c| {
            matches!(c, '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}')
        });
        let Some(end) = found else {
            lines.push(rest);
            break;
        };
        let mark =
            if rest[end..].starts_with("\r\n") { 2 } else { rest[end..].chars().next().map_or(0, char::len_utf8) };
        lines.push(&rest[..if keep { end + mark } else { end }]);
        rest = &rest[end + mark..];
    }
    lines
}

fn not_empty<'a>(name: &str, sep: &'a str) -> Result<&'a str, Error> {
    if sep.is_empty() { Err(wrong(format!("the separator of {name} is empty"))) } else { Ok(sep) }
}
