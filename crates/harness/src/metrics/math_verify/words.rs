//! Words and commands that are other ways to write a sign.

/// What stands at a place, and what is written for it: how many bytes of the text that is.
type Replacement = Option<(usize, &'static str)>;

/// A text with words and commands replaced by the signs that they are for, from the left.
pub(super) fn replaced(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut at = 0;
    while let Some(next) = text[at..].chars().next() {
        let as_it_is = &text[at..at + next.len_utf8()];
        let (length, sign) = sign_at(text, at).unwrap_or((as_it_is.len(), as_it_is));
        kept.push_str(sign);
        at += length;
    }
    kept
}

/// What a place begins with: the first rule that fits.
fn sign_at(text: &str, at: usize) -> Replacement {
    let rest = &text[at..];
    let before = text[..at].chars().next_back();
    command(rest)
        .or_else(|| point(rest))
        .or_else(|| rest.starts_with("~=").then_some((2, "\\approx")))
        .or_else(|| comma_in_braces(rest))
        .or_else(|| conjunction(rest, before))
        .or_else(|| conjunction_in_text(rest))
        .or_else(|| backslash_space(rest, before))
        .or_else(|| rest.starts_with("infinity").then_some((8, "\\infty")))
        .or_else(|| dots(rest))
        .or_else(|| percent(rest, before))
        .or_else(|| (rest.starts_with("inf") && before != Some('\\')).then_some((3, "\\infty")))
        .or_else(|| rest.starts_with(" sqrt").then_some((5, "\\sqrt")))
}

/// Commands for upright, bold and slanted text, and for fractions of other sizes.
fn command(rest: &str) -> Replacement {
    const TEXT: [&str; 7] = ["\\mathrm", "\\mathit", "\\mathbf", "\\textnormal", "\\textbf", "\\textit", "\\textrm"];
    const FRACTION: [&str; 3] = ["\\dfrac", "\\tfrac", "\\cfrac"];
    let length = |names: &[&str]| names.iter().find(|name| rest.starts_with(**name)).map(|name| name.len());
    length(&TEXT).map(|length| (length, "\\text")).or_else(|| Some((length(&FRACTION)?, "\\frac")))
}

/// A point with no digit before it.
fn point(rest: &str) -> Replacement {
    let mut characters = rest.chars();
    let first = characters.next()?;
    let found = characters.as_str().starts_with('.');
    let length = first.len_utf8() + 1;
    match first {
        '{' if found => Some((length, "{0.")),
        space if found && crate::python::is_space(space) => Some((length, " 0.")),
        _ => None,
    }
}

/// The bytes of white space that a text begins with.
fn space(text: &str) -> usize {
    text.len() - crate::python::strip_start(text).len()
}

/// `{,}`.
fn comma_in_braces(rest: &str) -> Replacement {
    let behind = crate::python::strip_start(rest).strip_prefix('{')?;
    let behind = crate::python::strip_start(behind).strip_prefix(',')?;
    let behind = crate::python::strip_start(behind).strip_prefix('}')?;
    Some((rest.len() - behind.len(), ","))
}

/// `and` and `or`, with a comma before them or not.
fn conjunction(rest: &str, before: Option<char>) -> Replacement {
    let is_letter = |c: char| c.is_ascii_alphabetic();
    if before.is_some_and(is_letter) {
        return None;
    }
    let behind = crate::python::strip_start(rest.strip_prefix(',').unwrap_or(rest));
    let behind = ["and", "or"].iter().find_map(|word| behind.strip_prefix(word))?;
    (!behind.starts_with(is_letter)).then(|| (rest.len() - behind.len(), ","))
}

fn conjunction_in_text(rest: &str) -> Replacement {
    let behind = crate::python::strip_start(rest.strip_prefix(',').unwrap_or(rest));
    let inner = crate::python::strip_start(behind.strip_prefix("\\text{")?);
    let behind = ["and", "or"].iter().find_map(|word| inner.strip_prefix(word))?;
    let behind = crate::python::strip_start(behind).strip_prefix('}')?;
    Some((rest.len() - behind.len(), ","))
}

/// A backslash before white space.
fn backslash_space(rest: &str, before: Option<char>) -> Replacement {
    let space = rest.strip_prefix('\\')?.chars().next().filter(|space| crate::python::is_space(*space))?;
    (before != Some('\\')).then_some((1 + space.len_utf8(), " "))
}

fn dots(rest: &str) -> Replacement {
    let behind = rest.strip_prefix(',').unwrap_or(rest).strip_prefix("\\ldots")?;
    Some((rest.len() - behind.len(), " "))
}

/// Words for a percent sign.
fn percent(rest: &str, before: Option<char>) -> Replacement {
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let skipped = space(rest);
    let before_word = rest[..skipped].chars().next_back().or(before);
    ["percentage", "percent", "pct"].into_iter().find_map(|word| {
        let in_text = rest.strip_prefix("\\text{").and_then(|rest| rest.strip_prefix(word)?.strip_prefix('}'));
        if let Some(behind) = in_text {
            return Some((rest.len() - behind.len(), "%"));
        }
        let behind = rest[skipped..].strip_prefix(word)?;
        let is_whole = !before_word.is_some_and(is_word) && !behind.starts_with(is_word);
        is_whole.then(|| (rest.len() - behind.len(), "\\%"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_for_signs_are_signs() {
        for (text, sign) in [
            ("1 and 2", "1, 2"),
            ("x and y", "x , y"),
            ("1, or 2", "1, 2"),
            ("x=1 \\text{ or } x=2", "x=1, x=2"),
            ("land", "land"),
            ("5 percent", "5\\%"),
            ("5\\text{percent}", "5%"),
            ("-infinity", "-\\infty"),
            ("(-inf, 2)", "(-\\infty, 2)"),
            ("3{,}000", "3,000"),
            ("\\{.5, .25\\}", "\\{0.5, 0.25\\}"),
            ("1,2,\\ldots", "1,2 "),
            ("3\\ \\mathrm{m}", "3 \\text{m}"),
            ("2 sqrt{3}", "2\\sqrt{3}"),
        ] {
            assert_eq!(replaced(text), sign, "{text}");
        }
    }
}
