//! LaTeX in tokens, as `latex2sympy2_extended` cuts it: of all that may begin at a place, the longest.

mod kind;
mod tables;

pub(super) use kind::{Bracket, MathToken, MathTokenKind, Several};

use tables::{ACCENTS, DEGREES, DOMAINS, GREEK, NAMES, SIGNS, SKIPPED, UNREAD, WORDS, literals};

use crate::metrics::latex::Function;

/// Greek letters with their names.
fn greek_letters() -> impl Iterator<Item = (&'static str, &'static str)> {
    GREEK.split_whitespace().zip(GREEK.split_whitespace().skip(1)).step_by(2)
}

/// The name of a Greek letter.
pub(super) fn letter_name(letter: &str) -> Option<&'static str> {
    greek_letters().find(|(_, known)| *known == letter).map(|(name, _)| name)
}

/// All tokens of a text; none where a place begins no token.
pub(super) fn tokens(text: &str) -> Option<Vec<MathToken>> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let space = rest.starts_with([' ', '\t', '\r', '\n']).then_some(1);
        let skipped = words(SKIPPED, rest).max().or(space);
        let token = longest(rest);
        match (token, skipped) {
            (Some((kind, length)), skipped) if length > skipped.unwrap_or(0) => {
                let text = rest[..length].chars().filter(|c| !c.is_ascii_whitespace()).collect();
                tokens.push(MathToken { kind, text });
                rest = &rest[length..];
            }
            (_, Some(length)) => rest = &rest[length..],
            (_, None) => return None,
        }
    }
    Some(tokens)
}

/// How long those of some words are that a text begins with.
fn words<'w>(words: &'w str, rest: &'w str) -> impl Iterator<Item = usize> + 'w {
    words.split_whitespace().filter(|word| rest.starts_with(*word)).map(str::len)
}

/// The longest token that a text begins with, and its bytes; of several the first.
fn longest(rest: &str) -> Option<(MathTokenKind, usize)> {
    let first = rest.chars().next()?;
    let literal =
        literals().filter(|(literal, _)| rest.starts_with(*literal)).map(|(literal, kind)| (kind, literal.len()));
    let sign = SIGNS.iter().find(|(signs, _)| signs.contains(first)).map(|(_, kind)| (kind.clone(), first.len_utf8()));
    let unread = words(UNREAD, rest).map(|length| (MathTokenKind::Unread, length));
    let word = words(WORDS, rest).map(|length| (MathTokenKind::Word, length));
    let letter = first.is_ascii_alphabetic().then_some((MathTokenKind::Letter, 1));
    let found =
        literal.chain(sign).chain(unread).chain(word).chain(degree(rest)).chain(number(rest)).chain(domain(rest));
    let found = found.chain(command(rest)).chain(greek(first)).chain(differential(rest)).chain(letter);
    // Of equal ones the first.
    found.fold(None, |best: Option<(MathTokenKind, usize)>, next| match best {
        Some(best) if best.1 >= next.1 => Some(best),
        _ => Some(next),
    })
}

fn degree(rest: &str) -> Option<(MathTokenKind, usize)> {
    let rest = rest.strip_prefix('^')?;
    let lengths = DEGREES.iter().filter_map(|degree| {
        if rest.starts_with(degree) {
            return Some(1 + degree.len());
        }
        rest.strip_prefix('{')?.strip_prefix(degree)?.starts_with('}').then_some(3 + degree.len())
    });
    lengths.max().map(|length| (MathTokenKind::Degree, length))
}

/// A number, with a power of ten or a percent sign.
fn number(rest: &str) -> Option<(MathTokenKind, usize)> {
    let digits = |text: &str| text.bytes().take_while(u8::is_ascii_digit).count();
    let whole = digits(rest);
    let part = rest[whole..].strip_prefix('.').map_or(0, digits);
    let (kind, length) = match (whole, part) {
        (0, 0) => return None,
        (whole, 0) => (MathTokenKind::Whole, whole),
        (whole, part) => (MathTokenKind::Decimal, whole + 1 + part),
    };
    let behind = &rest[length..];
    if let Some(power) = behind.strip_prefix('E') {
        let sign = power.chars().next().filter(|c| "+-−∸∔⊕⊞".contains(*c)).map_or(0, char::len_utf8);
        let digits = digits(&power[sign..]);
        if digits > 0 {
            return Some((MathTokenKind::Scientific, length + 1 + sign + digits));
        }
    }
    let space = usize::from(behind.starts_with([' ', '\t', '\r', '\n']));
    let sign = [r"\%", "%"].iter().find(|sign| behind[space..].starts_with(**sign)).map(|sign| sign.len());
    Some(sign.map_or((kind, length), |sign| (MathTokenKind::Percent, length + space + sign)))
}

fn domain(rest: &str) -> Option<(MathTokenKind, usize)> {
    DOMAINS.iter().find_map(|(letter, sign, domain)| {
        let command = format!(r"\mathbb{{{letter}}}");
        let length = if rest.starts_with(*sign) { sign.len_utf8() } else { command.len() };
        (rest.starts_with(*sign) || rest.starts_with(&command)).then_some((MathTokenKind::Domain(*domain), length))
    })
}

fn greek(first: char) -> Option<(MathTokenKind, usize)> {
    let is_letter = "ℵℶℷℸ".contains(first) || greek_letters().any(|(_, letter)| letter.starts_with(first));
    is_letter.then(|| (MathTokenKind::Name, first.len_utf8()))
}

/// A command that has a name for a value, is a function, or says how a name in braces is set.
fn command(rest: &str) -> Option<(MathTokenKind, usize)> {
    let name = rest.strip_prefix('\\')?;
    let mut found: Vec<(MathTokenKind, usize)> = Vec::new();
    let greek = greek_letters().map(|(known, _)| known).filter(|known| name.starts_with(known)).map(str::len);
    if let Some(length) = greek.chain(words(NAMES, name)).max() {
        // A space belongs to it.
        found.push((MathTokenKind::Name, 1 + length + usize::from(name[length..].starts_with(' '))));
    }
    let letters = name.bytes().take_while(u8::is_ascii_alphabetic).count();
    let function = (1..=letters).rev().find_map(|length| Some((Function::of_command(&name[..length])?, length)));
    found.extend(function.map(|(function, length)| (MathTokenKind::Function(function), 1 + length)));
    found.extend(array(rest).map(|length| (MathTokenKind::MatrixStart, length)));
    let accent = words(ACCENTS, name).max().map(|length| &name[..length]);
    found.extend(accent.and_then(|accent| accented(name, accent)));
    // Letters are behind the functions that have their names.
    found.into_iter().rev().max_by_key(|(_, length)| *length)
}

fn accented(name: &str, accent: &str) -> Option<(MathTokenKind, usize)> {
    let behind = &name[accent.len()..];
    let space = usize::from(behind.starts_with([' ', '\t', '\r', '\n']));
    let inner = behind[space..].strip_prefix('{')?;
    let end = inner.find('}')?;
    let text = inner[..end].replace(' ', "");
    let name = match accent {
        "bar" | "overline" => format!("bar{{{text}}}"),
        "vec" | "overrightarrow" => format!("vec{{{text}}}"),
        "tilde" | "widetilde" => format!("tilde{{{text}}}"),
        // Text is a name as it is.
        accent if accent.starts_with("text") || accent == "mbox" => text.replace(['(', ')'], ""),
        accent if accent.starts_with("math") => format!("math{{{text}}}"),
        accent => format!("{accent}{{{text}}}"),
    };
    Some((MathTokenKind::Accented(name), 1 + accent.len() + space + 1 + end + 1))
}

/// `\begin{array}` with its columns.
fn array(rest: &str) -> Option<usize> {
    const START: &str = r"\begin{array}{";
    let columns = rest.strip_prefix(START)?;
    let count = columns.bytes().take_while(|byte| b"clr".contains(byte)).count();
    columns[count..].starts_with('}').then_some(START.len() + count + 1)
}

fn differential(rest: &str) -> Option<(MathTokenKind, usize)> {
    let behind = rest.strip_prefix('d')?;
    let name = behind.trim_start_matches([' ', '\t', '\r', '\n']);
    let space = behind.len() - name.len();
    let letters = |text: &str| text.bytes().take_while(u8::is_ascii_alphabetic).count();
    let length = match name.strip_prefix('\\') {
        Some(command) => Some(letters(command)).filter(|letters| *letters > 0)? + 1,
        None => letters(name).min(1),
    };
    (length > 0).then_some((MathTokenKind::Differential, 1 + space + length))
}

#[cfg(test)]
mod tests {
    use super::super::answer::Domain;
    use super::*;

    fn kinds(text: &str) -> Option<Vec<MathTokenKind>> {
        Some(tokens(text)?.into_iter().map(|token| token.kind).collect())
    }

    #[test]
    fn the_longest_token_is_taken() {
        use MathTokenKind::{Above, Degree, Letter, Name, Times, Transposed, Whole};
        assert_eq!(kinds(r"2\pi ^\circ"), Some(vec![Whole, Name, Degree]));
        assert_eq!(kinds(r"\cdots"), Some(vec![Times, Letter]));
        assert_eq!(kinds("x^T^t"), Some(vec![Letter, Transposed, Above, Letter]));
        assert_eq!(kinds("3.5E-2"), Some(vec![MathTokenKind::Scientific]));
        assert_eq!(kinds(r"12 \%"), Some(vec![MathTokenKind::Percent]));
        assert_eq!(kinds(r"\text{(A) b}"), Some(vec![MathTokenKind::Accented("Ab".into())]));
        assert_eq!(kinds("d x"), Some(vec![MathTokenKind::Differential]));
        assert_eq!(kinds("north"), Some(vec![Letter, MathTokenKind::Word]));
        assert_eq!(kinds(r"\mathbb{R}"), Some(vec![MathTokenKind::Domain(Domain::Reals)]));
        assert_eq!((kinds("#"), kinds(r"\foo")), (None, None));
    }
}
