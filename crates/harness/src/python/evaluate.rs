//! `ast.literal_eval`.

use serde_json::{Map, Number, Value};

/// What a Python literal stands for: texts, numbers, `True`, `False`, `None`, lists, tuples, sets and dictionaries of them.
/// Tuples and sets become lists. None for what is no literal, and for what JSON has no word for: bytes, complex numbers,
/// keys that are no texts.
pub(crate) fn literal_eval(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text.trim_start_matches([' ', '\t']) };
    let value = reader.tuple_or_value()?;
    reader.skip_space();
    reader.rest.is_empty().then_some(value)
}

/// The literal that a source of Python first assigns to `name`, in a function or outside; none where what it assigns is more
/// than a literal, or nothing is assigned.
pub(crate) fn assigned(source: &str, name: &str) -> Option<Value> {
    let value = source.lines().find_map(|line| {
        let value = line.trim_start().strip_prefix(name)?.trim_start().strip_prefix('=')?;
        Some(value).filter(|value| !value.starts_with('='))
    })?;
    // What follows a line of `source` stands behind it.
    let start = value.as_ptr() as usize - source.as_ptr() as usize;
    let mut reader = Reader { rest: &source[start..] };
    let value = reader.value()?;
    let read = &source[start..source.len() - reader.rest.len()];
    let is_over = reader.rest.trim_start_matches([' ', '\t']);
    let is_over = is_over.is_empty() || is_over.starts_with(['\n', '#']);
    let is_next_line = read[read.trim_end_matches(is_space).len()..].contains('\n');
    (is_over || is_next_line).then_some(value)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn skip_space(&mut self) {
        self.rest = self.rest.trim_start_matches(is_space);
        while let Some(comment) = self.rest.strip_prefix('#') {
            self.rest = comment.find('\n').map_or("", |end| &comment[end..]).trim_start_matches(is_space);
        }
    }

    /// Takes `token` where it stands next.
    fn takes(&mut self, token: &str) -> bool {
        self.skip_space();
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    /// A value, or several with commas between them, which are a tuple.
    fn tuple_or_value(&mut self) -> Option<Value> {
        let first = self.value()?;
        if !self.takes(",") {
            return Some(first);
        }
        let mut items = vec![first];
        loop {
            self.skip_space();
            if self.rest.is_empty() || self.rest.starts_with(')') {
                return Some(Value::Array(items));
            }
            items.push(self.value()?);
            if !self.takes(",") {
                return Some(Value::Array(items));
            }
        }
    }

    fn value(&mut self) -> Option<Value> {
        self.skip_space();
        match self.rest.chars().next()? {
            '[' => {
                self.takes("[");
                self.items("]").map(Value::Array)
            }
            '(' => {
                self.takes("(");
                if self.takes(")") {
                    return Some(Value::Array(Vec::new()));
                }
                let value = self.tuple_or_value()?;
                self.takes(")").then_some(value)
            }
            '{' => {
                self.takes("{");
                self.dictionary_or_set()
            }
            '+' | '-' | '.' | '0'..='9' => self.number(),
            _ => match self.word() {
                Some(value) => Some(value),
                None => self.texts().map(Value::String),
            },
        }
    }

    /// A name that is a value.
    fn word(&mut self) -> Option<Value> {
        let is_whole = |rest: &&str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let words = [("True", true.into()), ("False", false.into()), ("None", Value::Null)];
        let (rest, value) = words
            .into_iter()
            .find_map(|(name, value)| Some((self.rest.strip_prefix(name).filter(is_whole)?, value)))?;
        self.rest = rest;
        Some(value)
    }

    /// Values with commas between them, up to the bracket that closes them.
    fn items(&mut self, close: &str) -> Option<Vec<Value>> {
        let mut items = Vec::new();
        loop {
            if self.takes(close) {
                return Some(items);
            }
            items.push(self.value()?);
            if !self.takes(",") {
                return self.takes(close).then_some(items);
            }
        }
    }

    fn dictionary_or_set(&mut self) -> Option<Value> {
        if self.takes("}") {
            return Some(Value::Object(Map::new()));
        }
        let mut key = self.value()?;
        if !self.takes(":") {
            let mut items = vec![key];
            if !self.takes(",") {
                return self.takes("}").then_some(Value::Array(items));
            }
            items.extend(self.items("}")?);
            return Some(Value::Array(items));
        }
        let mut fields = Map::new();
        loop {
            let Value::String(name) = key else { return None };
            fields.insert(name, self.value()?);
            let is_over = !self.takes(",");
            if self.takes("}") {
                return Some(Value::Object(fields));
            }
            if is_over {
                return None;
            }
            key = self.value()?;
            if !self.takes(":") {
                return None;
            }
        }
    }

    fn number(&mut self) -> Option<Value> {
        let mut is_negative = false;
        while let Some(sign) = self.rest.chars().next().filter(|c| matches!(c, '+' | '-')) {
            is_negative ^= sign == '-';
            self.rest = self.rest[1..].trim_start_matches([' ', '\t']);
        }
        let text = self.rest;
        let is_part = |(at, c): &(usize, char)| {
            let signs_exponent = matches!(c, '+' | '-') && text[..*at].ends_with(['e', 'E']);
            c.is_ascii_alphanumeric() || matches!(c, '.' | '_') || signs_exponent
        };
        let end = text.char_indices().find(|part| !is_part(part)).map_or(text.len(), |(at, _)| at);
        let (digits, rest) = text.split_at(end);
        let plain = digits.replace('_', "");
        if !plain.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            return None;
        }
        let is_whole = plain.bytes().all(|byte| byte.is_ascii_digit());
        // Python has no whole numbers with zeros in front.
        if is_whole && plain.len() > 1 && plain.starts_with('0') && plain.bytes().any(|byte| byte != b'0') {
            return None;
        }
        let number = if let Ok(whole) = plain.parse::<i64>() {
            Number::from(if is_negative { -whole } else { whole })
        } else {
            let real: f64 = plain.parse().ok()?;
            Number::from_f64(if is_negative { -real } else { real })?
        };
        self.rest = rest;
        Some(Value::Number(number))
    }

    /// A text; texts one behind the other are one.
    fn texts(&mut self) -> Option<String> {
        let mut all = self.text()?;
        loop {
            self.skip_space();
            let before = self.rest;
            match self.text() {
                Some(more) => all.push_str(&more),
                None if self.rest == before => return Some(all),
                None => return None,
            }
        }
    }

    /// A text in quotation marks, its escapes undone. Takes nothing where none begins.
    fn text(&mut self) -> Option<String> {
        let (is_raw, quoted) = match self.rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, self.rest.strip_prefix(['u', 'U']).unwrap_or(self.rest)),
        };
        let quote = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quote| quoted.starts_with(quote))?;
        self.rest = &quoted[quote.len()..];
        let mut text = String::new();
        loop {
            if let Some(rest) = self.rest.strip_prefix(quote) {
                self.rest = rest;
                return Some(text);
            }
            let mut chars = self.rest.chars();
            let c = chars.next()?;
            self.rest = chars.as_str();
            match c {
                '\n' if quote.len() == 1 => return None,
                '\\' if is_raw => {
                    text.extend(['\\', chars.next()?]);
                    self.rest = chars.as_str();
                }
                '\\' => self.escape(&mut text)?,
                c => text.push(c),
            }
        }
    }

    /// What stands behind a backslash.
    fn escape(&mut self, text: &mut String) -> Option<()> {
        let mut chars = self.rest.chars();
        let c = chars.next()?;
        self.rest = chars.as_str();
        match c {
            '\n' => {}
            'a' => text.push('\u{7}'),
            'b' => text.push('\u{8}'),
            'f' => text.push('\u{c}'),
            'n' => text.push('\n'),
            'r' => text.push('\r'),
            't' => text.push('\t'),
            'v' => text.push('\u{b}'),
            'x' => text.push(self.code(2)?),
            'u' => text.push(self.code(4)?),
            'U' => text.push(self.code(8)?),
            '0'..='7' => {
                let more = self.rest.bytes().take(2).take_while(|byte| matches!(byte, b'0'..=b'7')).count();
                let digits = format!("{c}{}", &self.rest[..more]);
                text.push(char::from_u32(u32::from_str_radix(&digits, 8).ok()?)?);
                self.rest = &self.rest[more..];
            }
            'N' => return None,
            same @ ('\\' | '\'' | '"') => text.push(same),
            // Python leaves what is no escape as it is.
            other => text.extend(['\\', other]),
        }
        Some(())
    }

    /// The character of a code of so many hexadecimal digits.
    fn code(&mut self, digits: usize) -> Option<char> {
        let code = self.rest.get(..digits)?;
        self.rest = &self.rest[digits..];
        char::from_u32(u32::from_str_radix(code, 16).ok()?)
    }
}

fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{c}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    // Values from Python 3.11.
    #[test]
    fn literals_are_what_python_reads() {
        for (text, value) in [
            ("['a', \"it's\", 'b\"c']", json!(["a", "it's", "b\"c"])),
            (r"['\n\x41\u00e9\U0001f600\101\q']", json!(["\nA\u{e9}\u{1f600}A\\q"])),
            ("  (1, -2, 3.5, 1e3, 1_000)", json!([1, -2, 3.5, 1000.0, 1000])),
            ("1, 2", json!([1, 2])),
            ("('a')", json!("a")),
            ("('a',)", json!(["a"])),
            ("()", json!([])),
            ("{'a': [True, None], 'b': {},}", json!({"a": [true, null], "b": {}})),
            ("{1, 2}", json!([1, 2])),
            ("'a' \"b\"", json!("ab")),
            ("[\n  'a', # one\n  'b',\n]", json!(["a", "b"])),
            ("'''a\nb'''", json!("a\nb")),
            (r"r'\d'", json!(r"\d")),
            ("''", json!("")),
            ("+-1", json!(-1)),
        ] {
            assert_eq!(literal_eval(text), Some(value), "{text}");
        }
    }

    #[test]
    fn a_name_stands_for_the_literal_that_is_assigned_to_it() {
        let source = "LABELS = [\n    'a.',  # one\n]\ndef f(doc):\n    text = \"\"\"x\n  {y}\"\"\"\n    return text\n\
                      more = ['a'] * 2\nformatted = f'{x}'\nLABELS_2 = 'b'\nsame == 'c'\nlast = {'k': 'v'}";
        assert_eq!(assigned(source, "LABELS"), Some(json!(["a."])));
        assert_eq!(assigned(source, "text"), Some(json!("x\n  {y}")));
        assert_eq!(assigned(source, "last"), Some(json!({"k": "v"})));
        for name in ["more", "formatted", "same", "LABEL", "nothing"] {
            assert_eq!(assigned(source, name), None, "{name}");
        }
    }

    #[test]
    fn what_is_no_literal_is_none() {
        for text in [
            "",
            "a",
            "[a]",
            "'a",
            "'a'b'",
            "[1",
            "[1 2]",
            "{'a' 1}",
            "{1: 2}",
            "'\\x4'",
            "01",
            "Trues",
            "'a\nb'",
            "1 +",
            "-'a'",
            "b'a'",
            "f'a'",
            "[1,,2]",
            "['it's']",
            "{'a': 1 'b': 2}",
        ] {
            assert_eq!(literal_eval(text), None, "{text}");
        }
    }
}
