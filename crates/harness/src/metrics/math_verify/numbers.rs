//! Numbers and sums in prose, without signs that say that a formula begins.

use super::formulas::spaces_down;
use crate::python::{is_space, strip_start};

/// What stands in prose.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PlainAnswer<'t> {
    /// A number, with a decimal point where it has decimals and without other signs.
    Number { digits: String, is_percent: bool },
    /// Numbers with signs between them.
    Arithmetic(&'t str),
}

/// Something in prose, and where it ends.
pub(super) type Ended<'t> = (PlainAnswer<'t>, usize);

const OPERATORS: &str = "+-*×/^()÷";
/// What may stand before a number.
const CURRENCIES: &str = "$€£¥₹₽₪₩₫฿₡₢₣₤₥₦₧₨₩₪₫₭₮₯₰₱₲₳₴₵₶₷₸₹₺₻₼₽₾₿";
/// As much of a text is looked at for one sum, in characters; and for one number.
const LONGEST_SUM: usize = 1000;
const LONGEST_NUMBER: usize = 100;

/// What may begin at a place: sums first, the longer ones first. The end of the text, white space or a sign of equality is before
/// each, and is at that place.
pub(super) fn plain_at(text: &str, at: usize) -> impl Iterator<Item = Ended<'_>> {
    arithmetic_at(text, at).chain(numbers_at(text, at))
}

/// The sums of [`plain_at`].
pub(super) fn arithmetic_at(text: &str, at: usize) -> impl Iterator<Item = Ended<'_>> {
    starts(text, at).flat_map(|start| arithmetic(text, start))
}

/// The numbers of [`plain_at`].
pub(super) fn numbers_at(text: &str, at: usize) -> impl Iterator<Item = Ended<'_>> {
    starts(text, at).flat_map(|start| {
        let behind =
            text[start..].chars().next().filter(|sign| CURRENCIES.contains(*sign)).map(|sign| start + sign.len_utf8());
        behind.into_iter().chain([start]).flat_map(|start| numbers(text, start))
    })
}

/// Where something may begin that has its beginning at a place.
fn starts(text: &str, at: usize) -> impl Iterator<Item = usize> {
    let before = text[at..].chars().next().filter(|c| is_space(*c) || *c == '=').map(|c| at + c.len_utf8());
    let first = (at == 0).then_some(0);
    // Stars make text bold.
    first.into_iter().chain(before).flat_map(|start| {
        let bold = text[start..].starts_with("**").then_some(start + 2);
        bold.into_iter().chain([start])
    })
}

/// Sums that begin at a place.
fn arithmetic(text: &str, start: usize) -> impl Iterator<Item = Ended<'_>> {
    let rest = &text[start..];
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let rest = rest.strip_prefix('(').unwrap_or(rest);
    let rest = rest.strip_prefix('-').unwrap_or(rest);
    let digit = rest.chars().next().filter(char::is_ascii_digit);
    let inside = digit.map_or("", |digit| &rest[digit.len_utf8()..]);
    let run = inside.chars().take(LONGEST_SUM);
    let run = run.take_while(|c| c.is_ascii_digit() || *c == '.' || is_space(*c) || OPERATORS.contains(*c));
    let run = &inside[..run.map(char::len_utf8).sum()];
    let begin = text.len() - inside.len();
    // A sign with something behind it belongs to each.
    let sign = run.char_indices().find(|(_, c)| OPERATORS.contains(*c)).map(|(at, c)| at + c.len_utf8());
    let shortest = sign.and_then(|behind| Some(behind + run[behind..].chars().next()?.len_utf8()));
    let ends = run.char_indices().map(|(at, _)| at).chain([run.len()]).rev();
    let ends = ends.filter(move |end| shortest.is_some_and(|shortest| *end >= shortest));
    ends.filter_map(move |end| {
        let end = begin + end;
        Some((PlainAnswer::Arithmetic(&text[start..end]), suffix(text, end)?))
    })
}

/// Where the sign ends that has to stand behind a sum.
fn suffix(text: &str, end: usize) -> Option<usize> {
    let rest = &text[end..];
    let bold = rest.strip_prefix("**");
    bold.into_iter().chain([rest]).find_map(|rest| {
        let at = text.len() - rest.len();
        match rest.chars().next() {
            None => Some(at),
            Some(sign) if ".,:)$".contains(sign) || is_space(sign) => Some(at + sign.len_utf8()),
            Some(_) => None,
        }
    })
}

/// Numbers that begin at a place, the longer ones first.
fn numbers(text: &str, start: usize) -> impl Iterator<Item = Ended<'_>> {
    let follows_digit = text[..start].ends_with(|c: char| c.is_numeric());
    let rest = if follows_digit { "" } else { &text[start..] };
    let rest = &rest[..rest.char_indices().nth(LONGEST_NUMBER).map_or(rest.len(), |(at, _)| at)];
    let unsigned = rest.strip_prefix('-').unwrap_or(rest);
    let sign = rest.len() - unsigned.len();
    let whole = digits(unsigned);
    let mut found: Vec<usize> = Vec::new();
    // Groups of three digits behind commas or spaces.
    if !unsigned.starts_with('0') {
        for first in (1..=whole.min(3)).rev() {
            let mut ends = vec![];
            let mut end = sign + first;
            while rest[end..].starts_with([' ', ',']) && digits(&rest[end + 1..]) >= 3 {
                end += 4;
                ends.push(end);
            }
            for end in ends.into_iter().rev() {
                found.extend(with_decimals(rest, end, "."));
                found.push(end);
            }
        }
    }
    // With decimals, of which a comma may be the sign.
    for whole in (1..=whole).rev() {
        found.extend(with_decimals(rest, sign + whole, ".,"));
    }
    if sign == 0 {
        found.extend(with_decimals(rest, 0, "."));
    }
    found.extend((1..=whole).rev().map(|whole| sign + whole));
    found.into_iter().flat_map(move |length| {
        let end = start + length;
        let digits = written(&text[start..end]);
        let number = move |is_percent, end| (PlainAnswer::Number { digits: digits.clone(), is_percent }, end);
        let percent = percent_end(text, end).map(|end| (true, end));
        percent.into_iter().chain([(false, end)]).map(move |(is_percent, end)| number(is_percent, end))
    })
}

fn digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

/// Where a number ends with decimals behind one of some signs, the longer ones first.
fn with_decimals(text: &str, at: usize, signs: &str) -> impl Iterator<Item = usize> {
    let has_sign = text[at..].starts_with(|c| signs.contains(c));
    let decimals = if has_sign { digits(&text[at + 1..]) } else { 0 };
    (1..=decimals).rev().map(move |decimals| at + 1 + decimals)
}

/// A number as digits with a point.
fn written(number: &str) -> String {
    let groups = number.strip_prefix('-').unwrap_or(number);
    let first = digits(groups);
    let is_grouped = (1..=3).contains(&first)
        && !groups.starts_with('0')
        && groups[first..].starts_with([' ', ','])
        && digits(&groups[first + 1..]) == 3;
    let (whole, part) = if is_grouped {
        number.split_once('.').unwrap_or((number, ""))
    } else {
        number.split_once(['.', ',']).unwrap_or((number, ""))
    };
    let whole = whole.replace([',', ' '], "");
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") }
}

/// Where a percent sign, or a word for it, ends that is behind a place.
fn percent_end(text: &str, at: usize) -> Option<usize> {
    let behind = strip_start(&text[at..]);
    let word = ["%", "Percent", "percent", "Pct", "pct"].iter().find(|word| behind.starts_with(**word))?;
    Some(text.len() - behind.len() + word.len())
}

/// The same as [`plain_at`] behind white space, of which some may belong to it.
pub(super) fn plain_behind_space(text: &str, at: usize) -> impl Iterator<Item = Ended<'_>> {
    spaces_down(text, at).flat_map(|at| plain_at(text, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(text: &str, at: usize) -> Option<PlainAnswer<'_>> {
        plain_at(text, at).next().map(|(plain, _)| plain)
    }

    #[test]
    fn numbers_are_read_with_commas_and_signs() {
        for (text, digits, is_percent) in [
            (" 42.", "42", false),
            (" 1,234.5", "1234.5", false),
            (" 1 234", "1234", false),
            (" 3,5", "3.5", false),
            (" .5", "0.5", false),
            ("=-007 ", "-007", false),
            (" $12 percent", "12", true),
            (" **9 x", "9", false),
            (" 100m2", "100", false),
        ] {
            let expected = PlainAnswer::Number { digits: digits.to_owned(), is_percent };
            assert_eq!(first(text, 0), Some(expected), "{text}");
        }
        for text in [" X2", "x2", " two"] {
            assert_eq!(first(text, 0), None, "{text}");
        }
    }

    #[test]
    fn sums_end_before_a_sign_of_the_sentence() {
        assert_eq!(first(" 1/2. I", 0), Some(PlainAnswer::Arithmetic("1/2.")));
        assert_eq!(first(" (3+4)*2, so", 0), Some(PlainAnswer::Arithmetic("(3+4)*2")));
        assert_eq!(first(" 3-4x", 0), Some(PlainAnswer::Number { digits: "3".into(), is_percent: false }));
    }
}
