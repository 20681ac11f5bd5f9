//! Answers to mathematics in LaTeX: where they are in a text, and whether two are written for the same thing.
//!
//! Source: lm-evaluation-harness 0.4.13, `tasks/hendrycks_math/utils.py` and `tasks/aime/utils.py`, which agree. Where
//! Python raises an exception, functions here give `None`.

use std::sync::LazyLock;

use crate::python::PythonRegex;

/// What `int()` reads.
static WHOLE_NUMBER: LazyLock<PythonRegex> =
    LazyLock::new(|| PythonRegex::new(r"^\s*[+-]?\d(?:_?\d)*\s*$").expect("a constant pattern compiles"));

/// What the last `\boxed` of a text holds: `\boxed{...}` with its braces closed, or what follows `\boxed ` up to a dollar
/// sign. `None` where there is none, and for `\fbox`.
pub(crate) fn boxed_answer(text: &str) -> Option<&str> {
    const SPACED: &str = "\\boxed ";
    if let Some((_, rest)) = text.rsplit_once(SPACED) {
        return Some(rest.split('$').next().unwrap_or(rest));
    }
    let from = &text[text.rfind("\\boxed")?..];
    let mut open = 0_i64;
    let end = from.char_indices().find_map(|(at, c)| {
        open += i64::from(c == '{') - i64::from(c == '}');
        (c == '}' && open == 0).then_some(at)
    })?;
    from[..end].strip_prefix("\\boxed{")
}

/// What stands between the first and the last dollar sign of a text; all of it where there are not two.
pub(crate) fn between_dollars(text: &str) -> &str {
    match (text.find('$'), text.rfind('$')) {
        (Some(first), Some(last)) if first < last => &text[first + 1..last],
        _ => text,
    }
}

/// Whether two answers are the same once both are written in one way. Where one of them cannot be, they are compared as they
/// are.
pub(crate) fn is_equivalent(one: &str, other: &str) -> bool {
    match (in_one_way(one), in_one_way(other)) {
        (Some(one), Some(other)) => one == other,
        _ => one == other,
    }
}

/// An answer without units, spaces and what has no meaning, with the braces that TeX lets out.
fn in_one_way(text: &str) -> Option<String> {
    const NO_MEANING: [(&str, &str); 10] = [
        ("\n", ""),
        ("\\!", ""),
        ("\\\\", "\\"),
        ("tfrac", "frac"),
        ("dfrac", "frac"),
        ("\\left", ""),
        ("\\right", ""),
        ("^{\\circ}", ""),
        ("^\\circ", ""),
        ("\\$", ""),
    ];
    let text = NO_MEANING.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to));
    let text = without_units(&text)?;
    // Twice: dropping one may bring another about.
    let text = text.replace("\\%", "").replace("\\%", "");
    let mut text = text.replace(" .", " 0.").replace("{.", "{0.");
    if text.is_empty() {
        return Some(text);
    }
    if text.starts_with('.') {
        text.insert(0, '0');
    }
    if let [name, value] = text.split('=').collect::<Vec<_>>()[..]
        && name.chars().count() <= 2
    {
        text = String::from(value);
    }
    let text = with_braced_roots(&text)?.replace(' ', "");
    let text = with_braced_fractions(&text)?;
    let text = if text == "0.5" { "\\frac{1}{2}".to_owned() } else { text };
    with_slash_as_fraction(text)
}

/// Units are what a `\text` that begins with a space says.
fn without_units(text: &str) -> Option<&str> {
    match text.split("\\text{ ").collect::<Vec<_>>()[..] {
        [value] | [value, _] => Some(value),
        _ => None,
    }
}

/// `\sqrt3` as `\sqrt{3}`.
fn with_braced_roots(text: &str) -> Option<String> {
    let mut parts = text.split("\\sqrt");
    let mut braced = parts.next()?.to_owned();
    for part in parts {
        let first = part.chars().next()?;
        braced.push_str("\\sqrt");
        if first == '{' {
            braced.push_str(part);
        } else {
            braced.extend(['{', first, '}']);
            braced.push_str(&part[first.len_utf8()..]);
        }
    }
    Some(braced)
}

/// `\frac12` as `\frac{1}{2}`, and `\frac1{72}` as `\frac{1}{72}`. All stays as it is where one has a single character.
fn with_braced_fractions(text: &str) -> Option<String> {
    let mut parts = text.split("\\frac");
    let mut braced = parts.next()?.to_owned();
    for part in parts {
        braced.push_str("\\frac");
        let mut chars = part.chars();
        let first = chars.next()?;
        if first == '{' {
            braced.push_str(part);
            continue;
        }
        let Some(second) = chars.next() else { return Some(text.to_owned()) };
        braced.extend(['{', first, '}']);
        if second == '{' {
            braced.push('{');
        } else {
            braced.extend(['{', second, '}']);
        }
        braced.push_str(chars.as_str());
    }
    Some(braced)
}

/// `1/2` as `\frac{1}{2}`, of whole numbers in their shortest form.
fn with_slash_as_fraction(text: String) -> Option<String> {
    let [above, below] = text.split('/').collect::<Vec<_>>()[..] else { return Some(text) };
    let is_number = |part: &str| !WHOLE_NUMBER.findall(part).is_empty();
    if !is_number(above) || !is_number(below) {
        return None;
    }
    let is_shortest = |part: &str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        digits.bytes().all(|byte| byte.is_ascii_digit()) && (part == "0" || !digits.starts_with('0'))
    };
    if !is_shortest(above) || !is_shortest(below) {
        return Some(text);
    }
    Some(format!("\\frac{{{above}}}{{{below}}}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_box_is_read_up_to_its_own_brace() {
        assert_eq!(boxed_answer(r"\boxed{1} so \boxed{\frac{1}{2}} is it}"), Some(r"\frac{1}{2}"));
        assert_eq!(boxed_answer(r"it is $\boxed 7$ then"), Some("7"));
        assert_eq!(boxed_answer(r"\boxed{1"), None);
        assert_eq!(boxed_answer(r"\fbox{1}"), None);
        assert_eq!(boxed_answer("1"), None);
    }

    #[test]
    fn dollars_enclose_an_answer() {
        assert_eq!(between_dollars("so $x = 1$ and $2$."), "x = 1$ and $2");
        assert_eq!(between_dollars("costs $5"), "costs $5");
    }

    #[test]
    fn answers_are_equivalent_that_are_written_differently() {
        for (one, other) in [
            (r"\frac12", r"\dfrac{1}{2}"),
            ("1/2", r"\frac{1}{2}"),
            ("0.5", r"\tfrac 12"),
            (r"\sqrt3", r"\sqrt{3}"),
            (r"\left( 1, 2 \right)", "(1,2)"),
            ("x = 5", "5"),
            (r"30^\circ", "30"),
            (r"10\%", "10"),
            (r"7\text{ cm}", "7"),
            (".25", "0.25"),
        ] {
            assert!(is_equivalent(one, other), "{one} and {other}");
        }
        for (one, other) in [("1/2", "2/1"), (r"\frac{1}{2}", "0.50"), ("xyz=5", "5"), ("a/b", r"\frac{a}{b}")] {
            assert!(!is_equivalent(one, other), "{one} and {other}");
        }
    }

    #[test]
    fn what_cannot_be_written_in_one_way_is_compared_as_it_is() {
        assert!(is_equivalent("a/b", "a/b") && !is_equivalent("a/b ", "a/b"));
        assert!(is_equivalent(r"\sqrt", r"\sqrt") && !is_equivalent(r"\frac", r"\frac "));
        assert!(is_equivalent("01/2", "01/2") && !is_equivalent("01/2", "1/2"));
    }
}
