//! Formulas in a text: between signs that say that one begins and ends.

use crate::python::{is_space, strip_start};

/// What stands between the signs of a formula.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Formula<'t> {
    pub(super) content: &'t str,
    /// Whether a percent sign or a word for one is behind it.
    pub(super) is_percent: bool,
}

/// Which formulas count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Formulas {
    All,
    /// Those with a box in them.
    WithBox,
}

/// Formulas that a comma, `and` or `or` connects are one answer, up to so many.
const CONNECTED: usize = 6;
/// More white space is no way to write.
const MOST_SPACE: usize = 100;
/// What connects them.
const CONNECTIONS: [&str; 5] = [",and", "and", ",or", "or", ","];

/// The formulas that begin at a place and are one answer, and where they end.
pub(super) fn formulas_at(text: &str, at: usize, which: Formulas) -> Option<(Vec<Formula<'_>>, usize)> {
    let (first, mut end) = formula_at(text, at, which)?;
    let mut formulas = vec![first];
    while formulas.len() < CONNECTED {
        let behind = strip_start(&text[end..]);
        let Some(connection) = CONNECTIONS.iter().find(|connection| behind.starts_with(**connection)) else { break };
        let next = text.len() - behind.len() + connection.len();
        let Some((formula, formula_end)) = spaces_down(text, next).find_map(|next| formula_at(text, next, which))
        else {
            break;
        };
        formulas.push(formula);
        end = formula_end;
    }
    Some((formulas, end))
}

/// The place behind all white space at a place, then those with one character less of it.
pub(super) fn spaces_down(text: &str, at: usize) -> impl Iterator<Item = usize> + '_ {
    let space = text.len() - strip_start(&text[at..]).len();
    std::iter::once(space)
        .chain(text[at..space].char_indices().rev().map(move |(offset, _)| at + offset))
        .take(MOST_SPACE)
}

/// The formula that begins at a place, and where it ends with its percent sign.
fn formula_at(text: &str, at: usize, which: Formulas) -> Option<(Formula<'_>, usize)> {
    let (content, end) = between_signs(text, at).or_else(|| match which {
        Formulas::All => fraction(text, at),
        Formulas::WithBox => None,
    })?;
    if which == Formulas::WithBox && !has_box(content) {
        return None;
    }
    let behind = strip_start(&text[end..]);
    let end = text.len() - behind.len();
    let percent = percent_sign(behind);
    Some((Formula { content, is_percent: percent.is_some() }, end + percent.unwrap_or(0)))
}

/// How long the percent sign, or the word for it, is that a text begins with.
fn percent_sign(text: &str) -> Option<usize> {
    ["\\%", "%", "Percent", "percent", "Pct", "pct"].iter().find(|sign| text.starts_with(**sign)).map(|sign| sign.len())
}

fn has_box(content: &str) -> bool {
    content.find("\\boxed{").is_some_and(|at| content[at + 7..].chars().skip(1).any(|c| c == '}'))
}

/// What is between the signs that begin at a place.
fn between_signs(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    let is_escaped = before == Some('\\');
    if rest.starts_with("$$") {
        return if is_escaped { None } else { closed(text, at + 2, "$$") };
    }
    if rest.starts_with("\\[") {
        return if is_escaped { None } else { closed(text, at + 2, "\\]") };
    }
    if rest.starts_with('$') {
        return if is_escaped || before.is_some_and(char::is_numeric) { None } else { closed_by_dollar(text, at + 1) };
    }
    if rest.starts_with("\\(") {
        let (content, end) = if is_escaped { None } else { closed(text, at + 2, "\\)") }?;
        return (!content.contains('\n')).then_some((content, end));
    }
    // White space belongs to these brackets.
    let first = rest.chars().next().filter(|first| is_space(*first))?;
    let inner = rest[first.len_utf8()..].strip_prefix('[')?;
    let length = inner.find(['[', ']', '\n'])?;
    let last = inner[length..].strip_prefix(']')?.chars().next().filter(|last| is_space(*last))?;
    let start = at + first.len_utf8() + 1;
    (length > 0).then(|| (&text[start..start + length], start + length + 1 + last.len_utf8()))
}

fn closed<'t>(text: &'t str, start: usize, sign: &str) -> Option<(&'t str, usize)> {
    let content = &text[start..start + text[start..].find(sign)?];
    (!content.is_empty() && !content.ends_with('\\')).then_some((content, start + content.len() + sign.len()))
}

/// Up to a dollar sign that is no currency, in the same line.
fn closed_by_dollar(text: &str, start: usize) -> Option<(&str, usize)> {
    let line = text[start..].split('\n').next().unwrap_or("");
    let mut signs = line.match_indices('$').map(|(at, _)| at);
    let length = signs.find(|at| !line[..*at].ends_with('\\'))?;
    (length > 0).then(|| (&text[start..start + length], start + length + 1))
}

/// A fraction of two numbers, which needs no signs.
fn fraction(text: &str, at: usize) -> Option<(&str, usize)> {
    let rest = &text[at..];
    let behind = rest.strip_prefix('-').unwrap_or(rest).strip_prefix("\\frac")?;
    let behind = number_in_braces(number_in_braces(behind)?)?;
    let end = text.len() - behind.len();
    Some((&text[at..end], end))
}

fn number_in_braces(text: &str) -> Option<&str> {
    let inner = text.strip_prefix('{')?;
    let number = &inner[..inner.find('}')?];
    let digits = number.strip_prefix('-').unwrap_or(number);
    let all_digits = |part: &str| !part.is_empty() && part.chars().all(char::is_numeric);
    let fits = match digits.split_once(['.', ',']) {
        Some((whole, part)) => all_digits(whole) && all_digits(part),
        None => all_digits(digits),
    };
    fits.then(|| &inner[number.len() + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contents(text: &str, at: usize) -> Vec<&str> {
        let found = formulas_at(text, at, Formulas::All).map(|(formulas, _)| formulas).unwrap_or_default();
        found.into_iter().map(|formula| formula.content).collect()
    }

    #[test]
    fn formulas_are_between_their_signs() {
        assert_eq!(contents("$x$ and $y$", 0), ["x", "y"]);
        assert_eq!(contents("$x$, and $y$", 0), ["x"]);
        assert_eq!(contents("$$x\n+1$$", 0), ["x\n+1"]);
        assert_eq!(contents("$x\n+1$", 0), [""; 0]);
        assert_eq!(contents("\\(x\\), \\[y\\]", 0), ["x", "y"]);
        assert_eq!(contents("it [2,3] is", 2), ["2,3"]);
        assert_eq!(contents("-\\frac{1}{2.5}", 0), ["-\\frac{1}{2.5}"]);
        assert_eq!(contents("5$ and 6$", 1), [""; 0]);
        assert_eq!(contents("$\\$5$", 0), ["\\$5"]);
    }

    #[test]
    fn percent_signs_belong_to_formulas() {
        let (formulas, end) = formulas_at("$5$ percent of", 0, Formulas::All).unwrap();
        assert!(formulas[0].is_percent);
        assert_eq!(end, 11);
        assert!(formulas_at("$5$", 0, Formulas::WithBox).is_none());
        assert!(formulas_at("$=\\boxed{5}$", 0, Formulas::WithBox).is_some());
    }
}
