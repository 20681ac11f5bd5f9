//! Python's `re` on top of `fancy-regex`.
//!
//! The dialects differ where it matters to scores, so a pattern is rewritten before it is compiled:
//!
//! * `$` also matches before a final newline, `\Z` only at the end;
//! * `\s` includes U+001C to U+001F; `\w` is letters, numbers of every kind and `_`, and no combining marks; `\b`
//!   follows `\w`;
//! * inside a class `[` and `&&` are ordinary characters, `\b` is a backspace;
//! * a `{` that opens no quantifier is an ordinary character.
//!
//! Not rewritten: Python's simple case folding under `(?i)`, which equals ours for ASCII.

use std::borrow::Cow;

use fancy_regex::RegexBuilder;

const SPACE: &str = r"\s\x1c-\x1f";
const WORD: &str = r"\p{L}\p{N}_";

/// A Python pattern that did not compile.
#[derive(Debug, thiserror::Error)]
#[error("pattern `{pattern}` is not a regular expression")]
pub struct PatternError {
    /// The pattern as written.
    pub pattern: String,
    /// What the engine says.
    #[source]
    pub source: Box<fancy_regex::Error>,
}

/// A pattern in Python's dialect.
#[derive(Debug)]
pub struct PythonRegex {
    regex: fancy_regex::Regex,
    groups: usize,
}

impl PythonRegex {
    /// Compiles a pattern written for Python's `re` (text patterns, no flags but inline ones).
    ///
    /// # Errors
    /// When it is no regular expression.
    pub fn new(pattern: &str) -> Result<Self, PatternError> {
        let regex = RegexBuilder::new(&translate(pattern))
            .backtrack_limit(usize::MAX)
            .build()
            .map_err(|source| PatternError { pattern: pattern.to_owned(), source: Box::new(source) })?;
        let groups = regex.captures_len() - 1;
        Ok(Self { regex, groups })
    }

    /// Whether `findall` gives tuples: the pattern has two groups or more.
    pub fn gives_tuples(&self) -> bool {
        self.groups >= 2
    }

    /// `re.findall`: per match its groups, or the whole match where the pattern has none. A group that took no part
    /// is empty.
    pub fn findall<'t>(&self, text: &'t str) -> Vec<Vec<&'t str>> {
        let mut found = Vec::new();
        self.each_match(text, |captures| {
            let group = |index| captures.get(index).map_or("", |group: fancy_regex::Match<'t>| group.as_str());
            found.push(if self.groups == 0 { vec![group(0)] } else { (1..=self.groups).map(group).collect() });
        });
        found
    }

    /// `len(re.findall(pattern, text))`.
    pub fn count(&self, text: &str) -> usize {
        let mut count = 0;
        self.each_match(text, |_| count += 1);
        count
    }

    /// `re.split(pattern, text)`, for a pattern without groups.
    pub fn split<'t>(&self, text: &'t str) -> Vec<&'t str> {
        let (mut parts, mut end) = (Vec::new(), 0);
        self.each_match(text, |captures| {
            if let Some(whole) = captures.get(0) {
                parts.push(&text[end..whole.start()]);
                end = whole.end();
            }
        });
        parts.push(&text[end..]);
        parts
    }

    /// `re.sub(pattern, "", text)`.
    pub fn remove_all(&self, text: &str) -> String {
        self.replace_all(text, "")
    }

    /// `re.sub(pattern, literal, text)`, for a replacement without backslashes.
    pub fn replace_all(&self, text: &str, literal: &str) -> String {
        let mut kept = String::with_capacity(text.len());
        let mut end = 0;
        self.each_match(text, |captures| {
            if let Some(whole) = captures.get(0) {
                kept.push_str(&text[end..whole.start()]);
                kept.push_str(literal);
                end = whole.end();
            }
        });
        kept.push_str(&text[end..]);
        kept
    }

    /// `re.sub(pattern, template, text)`, for a template of which `\\1` to `\\9` stand for the groups and all else for itself.
    pub fn sub(&self, text: &str, template: &str) -> String {
        let mut parts = template.split('\\');
        let first = parts.next().unwrap_or_default();
        let parts: Vec<(usize, &str)> = parts
            .filter_map(|part| {
                let digit = part.chars().next()?.to_digit(10)?;
                Some((usize::try_from(digit).ok()?, &part[1..]))
            })
            .collect();
        let mut kept = String::with_capacity(text.len());
        let mut end = 0;
        self.each_match(text, |captures| {
            let Some(whole) = captures.get(0) else { return };
            kept.push_str(&text[end..whole.start()]);
            kept.push_str(first);
            for (group, literal) in &parts {
                kept.push_str(captures.get(*group).map_or("", |group| group.as_str()));
                kept.push_str(literal);
            }
            end = whole.end();
        });
        kept.push_str(&text[end..]);
        kept
    }

    /// Every match from left to right. Unlike the engine's own iterator, and like Python's since 3.7, an empty match
    /// may directly follow another match.
    fn each_match<'t>(&self, text: &'t str, mut visit: impl FnMut(&fancy_regex::Captures<'t, str>)) {
        let mut position = 0;
        while position <= text.len() {
            let captures = match self.regex.captures_from_pos(text, position) {
                Ok(Some(captures)) => captures,
                Ok(None) => return,
                Err(error) => {
                    tracing::warn!(%error, pattern = self.regex.as_str(), "the pattern gave up on a text");
                    return;
                }
            };
            let Some((start, end)) = captures.get(0).map(|whole| (whole.start(), whole.end())) else { return };
            visit(&captures);
            position = if start == end { end + text[end..].chars().next().map_or(1, char::len_utf8) } else { end };
        }
    }
}

/// Rewrites a Python pattern in the engine's dialect.
fn translate(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len() * 2);
    let mut rest = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(escaped) => out.push_str(&escape(escaped, in_class)),
                None => out.push('\\'),
            },
            '[' if in_class => out.push_str(r"\["),
            '&' | '~' if in_class => {
                out.push('\\');
                out.push(c);
            }
            '[' => {
                in_class = true;
                out.push('[');
                if rest.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if rest.next_if_eq(&']').is_some() {
                    out.push_str(r"\]");
                }
            }
            ']' => {
                out.push_str(if in_class { "]" } else { r"\]" });
                in_class = false;
            }
            '$' if !in_class => out.push_str(r"(?=\n?\z)"),
            '{' if !in_class && !opens_quantifier(rest.clone()) => out.push_str(r"\{"),
            _ => out.push(c),
        }
    }
    out
}

/// What a backslash and `escaped` become.
fn escape(escaped: char, in_class: bool) -> Cow<'static, str> {
    match (escaped, in_class) {
        ('s', true) => SPACE.into(),
        ('w', true) => WORD.into(),
        ('b', true) => r"\x08".into(),
        ('s', false) => format!("[{SPACE}]").into(),
        ('w', false) => format!("[{WORD}]").into(),
        ('S', _) => format!("[^{SPACE}]").into(),
        ('W', _) => format!("[^{WORD}]").into(),
        ('b', false) => format!("(?:(?<=[{WORD}])(?![{WORD}])|(?<![{WORD}])(?=[{WORD}]))").into(),
        ('B', false) => format!("(?:(?<=[{WORD}])(?=[{WORD}])|(?<![{WORD}])(?![{WORD}]))").into(),
        ('Z', false) => r"\z".into(),
        _ if escaped.is_alphanumeric() || r"\.+*?()|[]{}^$-&~#".contains(escaped) => format!("\\{escaped}").into(),
        _ => escaped.to_string().into(),
    }
}

/// Whether what follows a `{` makes it a quantifier: `3}`, `3,}`, `,3}` or `3,5}`.
fn opens_quantifier(mut rest: std::iter::Peekable<std::str::Chars<'_>>) -> bool {
    let (mut digits, mut commas) = (0, 0);
    loop {
        match rest.next() {
            Some('0'..='9') => digits += 1,
            Some(',') => commas += 1,
            Some('}') => return digits > 0 && commas <= 1,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn find<'t>(pattern: &str, text: &'t str) -> Vec<Vec<&'t str>> {
        PythonRegex::new(pattern).unwrap().findall(text)
    }

    fn remove(pattern: &str, text: &str) -> String {
        PythonRegex::new(pattern).unwrap().remove_all(text)
    }

    #[test]
    fn a_dollar_also_matches_before_a_final_newline() {
        assert_eq!(remove(r"\.$", "18."), "18");
        assert_eq!(remove(r"\.$", "18.\n"), "18\n");
        assert_eq!(remove(r"\.$", "18.\n\n"), "18.\n\n");
    }

    #[test]
    fn a_word_boundary_sees_no_combining_marks_but_every_number() {
        assert_eq!(remove(r"\bthe ", "e\u{301}the x"), "e\u{301}x", "a combining mark is no word character");
        assert_eq!(remove(r"\bthe ", "\u{bd}the x"), "\u{bd}the x", "a fraction is one");
        assert_eq!(remove(r"\bthe ", "_the x"), "_the x");
        assert_eq!(remove(r"\bthe ", "\u{203f}the x"), "\u{203f}x", "other connectors are none");
    }

    #[test]
    fn white_space_includes_the_ascii_separators() {
        assert_eq!(find(r":[\s]*(A|B)", ":\u{1c}\u{a0}B"), [["B"]]);
        assert_eq!(find(r"a\sb", "a\u{1f}b").len(), 1);
        assert_eq!(find(r"a\Sb", "a\u{1f}b").len(), 0);
    }

    #[test]
    fn groups_are_returned_as_findall_returns_them() {
        assert_eq!(find("a.", "abac"), [["ab"], ["ac"]]);
        assert_eq!(find("(-?[$0-9.,]{2,})|(-?[0-9]+)", "7 or $18."), [["", "7"], ["$18.", ""]]);
        assert_eq!(find("#### (\\-?[0-9\\.\\,]+)", "#### -1,000.5"), [["-1,000.5"]]);
    }

    #[test]
    fn an_empty_match_may_follow_another_match() {
        assert_eq!(find("a*", "aab"), [["aa"], [""], [""]]);
        assert_eq!(find("", "é"), [[""], [""]]);
    }

    #[test]
    fn brackets_braces_and_ampersands_are_literal_where_python_says_so() {
        assert_eq!(find("[[a&&]", "&[").len(), 2);
        assert_eq!(find("[]x]", "]x").len(), 2);
        assert_eq!(find("{a}", "{a}"), [["{a}"]]);
        assert_eq!(find("a{2}", "aaa"), [["aa"]]);
        assert_eq!(find("\\'\\,\\\"", "',\""), [["',\""]]);
    }

    #[test]
    fn groups_stand_in_what_a_match_becomes() {
        let sub = |pattern, text, template| PythonRegex::new(pattern).unwrap().sub(text, template);
        assert_eq!(sub(r"(\w)(\d)?", "a1 b", r"<\2\1>"), "<1a> <b>");
        assert_eq!(sub(r"\(\s*(.*?)\s*\)", "( x ) (y )", r"(\1)"), "(x) (y)");
        assert_eq!(sub("b*", "ab", "-"), "-a--", "an empty match may follow another one");
    }

    #[test]
    fn a_text_is_split_at_matches() {
        let split = PythonRegex::new(r"\s?\*\*\*\s?").unwrap();
        assert_eq!(split.split("a ***\n b***"), ["a", " b", ""]);
        assert_eq!((split.split(""), split.count("*** x ***")), (vec![""], 2));
    }

    #[test]
    fn a_pattern_that_does_not_compile_is_named() {
        let error = PythonRegex::new("(a").unwrap_err();
        assert_eq!(error.to_string(), "pattern `(a` is not a regular expression");
    }
}
