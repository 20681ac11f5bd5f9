//! Methods of Python's strings: letters, classes, padding, formats. Those that look for something are in
//! [`text_search`](super::text_search).

use minijinja::value::Value;
use minijinja::{Error, ErrorKind};

use super::arguments::{bind, integer, required, text, wrong};
use super::characters::{CASED, DECIMAL, DIGIT, LETTER, NUMBER, TITLE, is_in, is_printable, is_space};
use super::format::str_format;
use super::text_search;

/// A method of a string.
pub(super) fn method(this: &str, name: &str, args: &[Value]) -> Result<Value, Error> {
    let nothing = || bind(name, [], args).map(|[]| ());
    Ok(match name {
        "upper" => of(nothing, || this.to_uppercase())?,
        "lower" => of(nothing, || this.to_lowercase())?,
        "casefold" => of(nothing, || this.to_lowercase().replace('ß', "ss"))?,
        "capitalize" => of(nothing, || capitalized(this))?,
        "title" => of(nothing, || title(this))?,
        "swapcase" => of(nothing, || swapped(this))?,
        "isalpha" => of(nothing, || all(this, |c| is_in(&LETTER, c)))?,
        "isdecimal" => of(nothing, || all(this, |c| is_in(&DECIMAL, c)))?,
        "isdigit" => of(nothing, || all(this, |c| is_in(&DIGIT, c)))?,
        "isnumeric" => of(nothing, || all(this, |c| is_in(&NUMBER, c)))?,
        "isalnum" => of(nothing, || all(this, |c| is_in(&LETTER, c) || is_in(&NUMBER, c)))?,
        "isspace" => of(nothing, || all(this, is_space))?,
        "isascii" => of(nothing, || this.is_ascii())?,
        "isprintable" => of(nothing, || this.chars().all(is_printable))?,
        "isidentifier" => of(nothing, || is_identifier(this))?,
        "isupper" => of(nothing, || cased(this) && !this.chars().any(|c| c.is_lowercase() || is_in(&TITLE, c)))?,
        "islower" => of(nothing, || cased(this) && !this.chars().any(|c| c.is_uppercase() || is_in(&TITLE, c)))?,
        "istitle" => of(nothing, || is_title(this))?,
        "strip" | "lstrip" | "rstrip" => {
            let [set] = bind(name, ["chars"], args)?;
            Value::from(stripped(this, set.as_ref(), name != "rstrip", name != "lstrip")?)
        }
        "center" | "ljust" | "rjust" => {
            let [width, fill] = bind(name, ["width", "fillchar"], args)?;
            let width = integer(name, &required(name, "width", width)?)?;
            let fill = match &fill {
                Some(fill) => one_character(name, fill)?,
                None => ' ',
            };
            let missing = missing(this, width)?;
            let left = match name {
                "ljust" => 0,
                "rjust" => missing,
                // Python puts the odd one on the left where the width is odd.
                _ => missing / 2 + (missing & usize::try_from(width).unwrap_or(0) & 1),
            };
            let fill = |count: usize| std::iter::repeat_n(fill, count);
            Value::from(fill(left).chain(this.chars()).chain(fill(missing - left)).collect::<String>())
        }
        "zfill" => {
            let [width] = bind("zfill", ["width"], args)?;
            let missing = missing(this, integer(name, &required(name, "width", width)?)?)?;
            let sign = this.len() - this.trim_start_matches(['+', '-']).len();
            let (sign, digits) = this.split_at(sign.min(1));
            Value::from([sign, &"0".repeat(missing), digits].concat())
        }
        "expandtabs" => {
            let [size] = bind("expandtabs", ["tabsize"], args)?;
            let size = size.map_or(Ok(8), |size| integer(name, &size))?;
            Value::from(tabs_expanded(this, usize::try_from(size).unwrap_or(0)))
        }
        "join" => {
            let [items] = bind("join", ["iterable"], args)?;
            let items = required("join", "iterable", items)?;
            let items: Vec<Value> = items.try_iter()?.collect();
            let parts = items.iter().map(|item| text("join", item)).collect::<Result<Vec<_>, _>>()?;
            Value::from(parts.join(this))
        }
        "format" => Value::from(str_format(this, args)?),
        "encode" | "translate" | "maketrans" | "format_map" => return Err(Error::from(ErrorKind::UnknownMethod)),
        _ => return text_search::method(this, name, args),
    })
}

fn of<T: Into<Value>>(
    arguments: impl FnOnce() -> Result<(), Error>,
    answer: impl FnOnce() -> T,
) -> Result<Value, Error> {
    arguments().map(|()| answer().into())
}

/// `text` without white space, or without the characters of a set, at its beginning, its end, or both.
pub(super) fn stripped<'a>(this: &'a str, set: Option<&Value>, start: bool, end: bool) -> Result<&'a str, Error> {
    let set = match set.filter(|set| !set.is_none()) {
        Some(set) => Some(text("strip", set)?),
        None => None,
    };
    let gone = |c: char| set.map_or_else(|| is_space(c), |set| set.contains(c));
    let this = if start { this.trim_start_matches(gone) } else { this };
    Ok(if end { this.trim_end_matches(gone) } else { this })
}

fn all(this: &str, of_class: impl Fn(char) -> bool) -> bool {
    !this.is_empty() && this.chars().all(of_class)
}

fn cased(this: &str) -> bool {
    this.chars().any(|c| is_in(&CASED, c))
}

/// The first character as a title's, the others in lower case.
pub(super) fn capitalized(this: &str) -> String {
    let mut chars = this.chars();
    let first = chars.next().map(titlecase).unwrap_or_default();
    first + &chars.as_str().to_lowercase()
}

/// Every character that follows none with a case as a title's, the others in lower case.
pub(super) fn title(this: &str) -> String {
    let mut after_cased = false;
    let mut out = String::with_capacity(this.len());
    for c in this.chars() {
        if after_cased {
            out.extend(c.to_lowercase());
        } else {
            out.push_str(&titlecase(c));
        }
        after_cased = is_in(&CASED, c);
    }
    out
}

/// Where upper case takes several characters, only the first of them is upper.
fn titlecase(c: char) -> String {
    match c {
        'Ǆ'..='ǆ' => return 'ǅ'.to_string(),
        'Ǉ'..='ǉ' => return 'ǈ'.to_string(),
        'Ǌ'..='ǌ' => return 'ǋ'.to_string(),
        'Ǳ'..='ǳ' => return 'ǲ'.to_string(),
        _ => {}
    }
    let mut upper = c.to_uppercase();
    let first: String = upper.next().into_iter().collect();
    first + &upper.flat_map(char::to_lowercase).collect::<String>()
}

fn swapped(this: &str) -> String {
    let swap =
        |c: char| -> String { if c.is_uppercase() { c.to_lowercase().collect() } else { c.to_uppercase().collect() } };
    this.chars().map(swap).collect()
}

fn is_title(this: &str) -> bool {
    let mut after_cased = false;
    let mut any = false;
    for c in this.chars() {
        let begins = c.is_uppercase() || is_in(&TITLE, c);
        let goes_on = c.is_lowercase();
        if (begins && after_cased) || (goes_on && !after_cased) {
            return false;
        }
        after_cased = begins || goes_on;
        any |= after_cased;
    }
    any
}

fn is_identifier(this: &str) -> bool {
    let begins = |c: char| c == '_' || is_in(&LETTER, c);
    let goes_on = |c: char| begins(c) || is_in(&DECIMAL, c);
    this.chars().next().is_some_and(begins) && this.chars().all(goes_on)
}

/// Longest text that padding makes.
const LONGEST: i64 = 1 << 26;

fn missing(this: &str, width: i64) -> Result<usize, Error> {
    if width > LONGEST {
        return Err(wrong(format!("a width of {width} is too large")));
    }
    Ok(usize::try_from(width).unwrap_or(0).saturating_sub(this.chars().count()))
}

fn one_character(name: &str, fill: &Value) -> Result<char, Error> {
    let mut chars = text(name, fill)?.chars();
    match (chars.next(), chars.next()) {
        (Some(fill), None) => Ok(fill),
        _ => Err(wrong(format!("{name} fills with one character"))),
    }
}

fn tabs_expanded(this: &str, size: usize) -> String {
    let mut out = String::with_capacity(this.len());
    let mut column = 0;
    for c in this.chars() {
        match c {
            '\t' if size > 0 => {
                let spaces = size - column % size;
                out.extend(std::iter::repeat_n(' ', spaces));
                column += spaces;
            }
            '\t' => {}
            '\n' | '\r' => {
                out.push(c);
                column = 0;
            }
            c => {
                out.push(c);
                column += 1;
            }
        }
    }
    out
}
