//! Filters of texts.

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error};

use super::arguments::{Args, bind, integer, required, wrong};
use super::printing::text;
use super::text::{method, stripped};
use super::text_search::{lines, replaced};

pub(super) fn add(environment: &mut Environment<'_>) {
    environment.add_filter("trim", trim);
    environment.add_filter("replace", replace);
    environment.add_filter("indent", indent);
    environment.add_filter("truncate", truncate);
    environment.add_filter("center", center);
    for name in ["escape", "e"] {
        environment.add_filter(name, |value: &Value| {
            if value.is_safe() { value.clone() } else { Value::from_safe_string(escaped(&text(value))) }
        });
    }
    environment.add_filter("forceescape", |value: &Value| Value::from_safe_string(escaped(&text(value))));
    environment.add_filter("urlencode", urlencode);
    environment.add_filter("xmlattr", xmlattr);
}

fn trim(value: &Value, args: Args) -> Result<String, Error> {
    let [set] = bind("trim", ["chars"], &args.into_values())?;
    Ok(stripped(&text(value), set.as_ref(), true, true)?.to_owned())
}

fn replace(value: &Value, args: Args) -> Result<String, Error> {
    let [old, new, count] = bind("replace", ["old", "new", "count"], &args.into_values())?;
    let (old, new) = (required("replace", "old", old)?, required("replace", "new", new)?);
    let count = count.filter(|count| !count.is_none()).map_or(Ok(-1), |count| integer("replace", &count))?;
    Ok(replaced(&text(value), &text(&old), &text(&new), count))
}

fn indent(value: &Value, args: Args) -> Result<String, Error> {
    let [width, first, blank] = bind("indent", ["width", "first", "blank"], &args.into_values())?;
    let is_set = |flag: Option<Value>| flag.is_some_and(|flag| flag.is_true());
    let (first, blank) = (is_set(first), is_set(blank));
    let indent = match &width {
        None => "    ".to_owned(),
        Some(width) => match width.as_str() {
            Some(width) => width.to_owned(),
            None => " ".repeat(usize::try_from(integer("indent", width)?).unwrap_or(0)),
        },
    };
    let this = text(value) + "\n";
    let mut out = String::new();
    for (index, line) in lines(&this, false).into_iter().enumerate() {
        out.push_str(if index > 0 { "\n" } else { "" });
        let indented = if index == 0 { first } else { blank || !line.is_empty() };
        out.push_str(if indented { &indent } else { "" });
        out.push_str(line);
    }
    Ok(out)
}

fn truncate(value: &Value, args: Args) -> Result<String, Error> {
    let names = ["length", "killwords", "end", "leeway"];
    let [length, kill, end, leeway] = bind("truncate", names, &args.into_values())?;
    let number = |value: Option<Value>, default: i64| {
        value.filter(|value| !value.is_none()).map_or(Ok(default), |value| integer("truncate", &value))
    };
    let (length, leeway) = (number(length, 255)?, number(leeway, 5)?);
    let end = end.map_or_else(|| "...".to_owned(), |end| text(&end));
    let this = text(value);
    let room = length - i64::try_from(end.chars().count()).unwrap_or(i64::MAX);
    if room < 0 || leeway < 0 {
        return Err(wrong(format!("truncate leaves no room for `{end}` in {length} characters")));
    }
    if i64::try_from(this.chars().count()).unwrap_or(i64::MAX) <= length + leeway {
        return Ok(this);
    }
    let kept: String = this.chars().take(usize::try_from(room).unwrap_or(0)).collect();
    if kill.is_some_and(|kill| kill.is_true()) {
        return Ok(kept + &end);
    }
    Ok(kept.rsplit_once(' ').map_or(&*kept, |(words, _)| words).to_owned() + &end)
}

fn center(value: &Value, args: Args) -> Result<Value, Error> {
    let [width] = bind("center", ["width"], &args.into_values())?;
    method(&text(value), "center", &[width.unwrap_or_else(|| Value::from(80))])
}

/// A text in HTML, as Markupsafe writes it.
pub(super) fn escaped(this: &str) -> String {
    let mut out = String::with_capacity(this.len());
    for c in this.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\'' => out.push_str("&#39;"),
            '"' => out.push_str("&#34;"),
            c => out.push(c),
        }
    }
    out
}

fn urlencode(value: &Value) -> Result<String, Error> {
    if value.kind() == ValueKind::String || value.try_iter().is_err() {
        return Ok(quoted(&text(value), b"/"));
    }
    let query = |value: &Value| quoted(&text(value), b"").replace("%20", "+");
    let is_map = value.kind() == ValueKind::Map;
    let pairs = value.try_iter()?.map(|item| {
        let (key, value) = if is_map {
            let of_key = value.get_item(&item)?;
            (item, of_key)
        } else {
            (item.get_item_by_index(0)?, item.get_item_by_index(1)?)
        };
        Ok(format!("{}={}", query(&key), query(&value)))
    });
    Ok(pairs.collect::<Result<Vec<_>, Error>>()?.join("&"))
}

fn quoted(this: &str, safe: &[u8]) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-~".contains(&byte) || safe.contains(&byte);
    this.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

fn xmlattr(value: &Value, args: Args) -> Result<String, Error> {
    let [space] = bind("xmlattr", ["autospace"], &args.into_values())?;
    let mut out = Vec::new();
    for key in value.try_iter()? {
        let item = value.get_item(&key)?;
        if item.is_none() || item.is_undefined() {
            continue;
        }
        let key = text(&key);
        if key.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '>' | '=')) {
            return Err(wrong(format!("`{key}` is no name of an attribute")));
        }
        out.push(format!("{}=\"{}\"", escaped(&key), escaped(&text(&item))));
    }
    let spaced = !out.is_empty() && space.is_none_or(|space| space.is_true());
    Ok(if spaced { " " } else { "" }.to_owned() + &out.join(" "))
}
