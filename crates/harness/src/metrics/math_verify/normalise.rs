//! LaTeX in one way, before it is read.

use super::arguments::in_braces;
use super::boxed::{Boxes, content};
use super::removed::{with_factorials, without_layout};
use super::units::without_units;
use crate::python::strip;

/// What may stand behind `\left` and `\right`.
const LEFT: [&str; 17] = [
    "\\{",
    "{",
    "\\|",
    "|",
    "[",
    "(",
    "\\rbracl",
    "\\lgroup",
    "\\lbrace",
    "\\lbrack",
    "\\vert",
    "\\lvert",
    "\\lceil",
    "\\lfloor",
    "\\langle",
    "\\llcorner",
    "\\ulcorner",
];
const RIGHT: [&str; 16] = [
    "\\}",
    "}",
    "\\|",
    "|",
    "]",
    ")",
    "\\rbrack",
    "\\rgroup",
    "\\rbrace",
    "\\vert",
    "\\rvert",
    "\\rceil",
    "\\rfloor",
    "\\rangle",
    "\\lrcorner",
    "\\urcorner",
];

/// A formula in one way: what its boxes hold, without layout, units and currency, with words for signs replaced.
pub(super) fn in_one_way(formula: &str, boxes: Boxes) -> String {
    let text = content(formula, boxes);
    let text = text.replace("\\mathrm{T}", "T").replace("\\mathrm{d}", "d").replace("{\\rm d}", "d");
    let text = text.replace("\\left[\\begin{matrix}", "\\begin{bmatrix}");
    let text = text.replace("\\end{matrix}\\right]", "\\end{bmatrix}");
    let text = without_sizes(&without_sizes(&text, "left", &LEFT), "right", &RIGHT);
    let text = without_layout(&with_factorials(&text));
    let text = super::words::replaced(&text).replace(['\n', '\t'], " ");
    let text = if text.contains("matrix") { text } else { single_backslashes(&text) };
    let text = without_units(text);
    let text = if text.starts_with('.') { format!("0{text}") } else { text };
    let text = if text == "0.5" { "\\frac{1}{2}".to_owned() } else { text };
    let text = in_braces(text).replace(" sqrt", "\\sqrt");
    let text = plain_fraction(braced_fractions(braced_roots(&text)));
    strip(&text).to_owned()
}

/// Without the commands that make brackets large.
fn without_sizes(text: &str, command: &str, brackets: &[&str]) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        let behind = &rest[at + 1..];
        let name = behind.strip_prefix(command).or_else(|| behind.strip_prefix('m')?.strip_prefix(command));
        kept.push_str(&rest[..at]);
        let bracket = name.and_then(|behind| {
            let fitting = brackets.iter().filter(|bracket| behind.starts_with(**bracket));
            Some(behind.split_at(fitting.map(|bracket| bracket.len()).max()?))
        });
        // What is behind it stays as it is, though it may be a command.
        let (bracket, behind) = bracket.unwrap_or(("\\", behind));
        kept.push_str(bracket);
        rest = behind;
    }
    kept + rest
}

/// With one backslash before a letter where there are two.
fn single_backslashes(text: &str) -> String {
    let mut kept = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\\\") {
        kept.push_str(&rest[..at]);
        let is_command = rest[at + 2..].starts_with(|c: char| c.is_ascii_alphabetic());
        kept.push('\\');
        rest = &rest[at + if is_command { 2 } else { 1 }..];
    }
    kept + rest
}

/// With braces around what a root is of, where it is one character.
fn braced_roots(text: &str) -> String {
    let mut parts = text.split("\\sqrt");
    let mut braced = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let part = crate::python::strip_start(part);
        braced.push_str("\\sqrt");
        match part.chars().next().filter(|first| !"{[".contains(*first)) {
            Some(first) => braced.extend(["{", &part[..first.len_utf8()], "}", &part[first.len_utf8()..]]),
            None => braced.push_str(part),
        }
    }
    braced
}

/// With braces around the parts of fractions, where they are one character; as it was where a part is missing.
fn braced_fractions(text: String) -> String {
    let mut parts = text.split("\\frac");
    let mut braced = parts.next().unwrap_or("").to_owned();
    for part in parts {
        let part = crate::python::strip_start(part);
        braced.push_str("\\frac");
        if part.starts_with('{') {
            braced.push_str(part);
            continue;
        }
        let ends: Vec<usize> = part.char_indices().map(|(at, c)| at + c.len_utf8()).take(2).collect();
        let [above, below] = *ends else { return text };
        braced.extend(["{", &part[..above], "}"]);
        match &part[above..below] {
            "{" => braced.push_str(&part[above..]),
            character => braced.extend(["{", character, "}", &part[below..]]),
        }
    }
    braced
}

/// `a/b` of whole numbers, written as a fraction.
fn plain_fraction(text: String) -> String {
    let is_whole = |part: &str| {
        let digits = part.strip_prefix('-').unwrap_or(part);
        let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number && part != "-0" && (digits == "0" || !digits.starts_with('0'))
    };
    match text.split_once('/') {
        Some((above, below)) if is_whole(above) && is_whole(below) => format!("\\frac{{{above}}}{{{below}}}"),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_are_written_in_one_way() {
        for (formula, way) in [
            ("0.5", "\\frac{1}{2}"),
            (".25", "0.25"),
            ("\\dfrac12", "\\frac{1}{2}"),
            ("3/4", "\\frac{3}{4}"),
            ("\\sqrt3", "\\sqrt{3}"),
            ("5\\text{ cm}^2", "5"),
            ("5 \\text{cm}", "5"),
            ("\\text{even}", "\\text{even}"),
            ("12 apples", "12"),
            ("3t", "3"),
            ("\\$1{,}000", "1,000"),
            ("x=1 \\text{ or } x=2", "x=1, x=2"),
            ("\\left(1, 2\\right)", "(1, 2)"),
            ("\\mathbf{A}", "\\text{A}"),
            ("\\boxed{7}", "7"),
            ("2^(n+1)", "2^{n+1}"),
            ("\\left\\{1\\right\\}", "\\{1\\}"),
        ] {
            assert_eq!(in_one_way(formula, Boxes::All), way, "{formula}");
        }
    }
}
