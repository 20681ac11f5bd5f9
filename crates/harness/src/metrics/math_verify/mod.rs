//! The verdict of `math_verify` 0.9: whether a response gives the answer that a solution has.
//!
//! An answer is found in each text ([`search`]), written in one way ([`normalise`]), read ([`reader`]) and compared
//! ([`compare`]). The rules are those of the library with its defaults, and of `latex2sympy2_extended` 1.11, slips included:
//! `50\%` is no number in LaTeX, `2(3)` is 5, `3t` is 3. Where the library asks `SymPy` to simplify, values are compared
//! numerically, at draws of what names stand for.

mod answer;
mod arguments;
mod arithmetic;
mod boxed;
mod compare;
mod formulas;
mod normalise;
mod numbers;
mod reader;
mod relations;
mod removed;
mod search;
mod sets;
mod spans;
mod token;
mod units;
mod values;
mod words;

use answer::MathAnswer;
use boxed::Boxes;
use formulas::Formula;
use numbers::PlainAnswer;
use reader::{NumberDomain, read};
use search::{AnswerCandidate, PLACES, candidates};

/// What was found in a text.
#[derive(Debug, Default)]
struct Findings {
    /// The first answer that was read.
    answer: Option<MathAnswer>,
    /// The best candidate as it is written, read or not.
    text: Option<String>,
}

/// More of a text is not looked at: its end counts.
const LONGEST: usize = 100_000;
/// So many candidates are read; the library has a limit of time.
const CANDIDATES: usize = 1000;

/// Whether a response gives the answer of a solution: the same text, or what the library takes for the same.
pub(crate) fn verify(solution: &str, response: &str) -> bool {
    let (gold, given) = (find(solution), find(response));
    let same_text = match (&gold.text, &given.text) {
        (Some(gold), Some(given)) => {
            let gold = crate::python::strip(gold);
            !gold.is_empty() && gold == crate::python::strip(given)
        }
        _ => false,
    };
    same_text || gold.answer.zip(given.answer).is_some_and(|(gold, given)| compare::is_same(gold, given))
}

fn find(text: &str) -> Findings {
    let mut start = text.len().saturating_sub(LONGEST);
    while !text.is_char_boundary(start) {
        start += 1;
    }
    let text = &text[start..];
    let mut found = Findings::default();
    for candidate in PLACES.into_iter().flat_map(|place| candidates(text, place)).take(CANDIDATES) {
        let (answer, written) = read_candidate(&candidate);
        if found.text.is_none() && !written.is_empty() {
            found.text = Some(written);
        }
        if answer.is_some() {
            found.answer = answer;
            break;
        }
    }
    found
}

/// A candidate as an answer, where it can be read, and as it is written.
fn read_candidate(candidate: &AnswerCandidate<'_>) -> (Option<MathAnswer>, String) {
    match candidate {
        AnswerCandidate::Formulas(formulas) => {
            let parts: Vec<(Option<MathAnswer>, String)> = formulas.iter().map(read_formula).collect();
            if parts.len() > 1 && parts.iter().all(|(answer, _)| answer.is_some()) {
                let written: Vec<&str> = parts.iter().map(|(_, written)| written.as_str()).collect();
                let written = written.join(" and ");
                let elements = parts.into_iter().filter_map(|(answer, _)| answer).flat_map(|answer| match answer {
                    MathAnswer::Set(elements) => elements,
                    MathAnswer::Empty => Vec::new(),
                    answer => vec![answer],
                });
                return (Some(answer::set_of(elements.collect())), written);
            }
            parts.into_iter().next().unwrap_or_default()
        }
        AnswerCandidate::LastBox(text) => {
            let written = normalise::in_one_way(text, Boxes::Last);
            (read_latex(&written), written)
        }
        AnswerCandidate::Plain(PlainAnswer::Number { digits, is_percent }) => {
            let number = answer::number(digits);
            let answer = if *is_percent { MathAnswer::Percent(number) } else { MathAnswer::Value(number) };
            (Some(answer), digits.clone())
        }
        AnswerCandidate::Plain(PlainAnswer::Arithmetic(text)) => {
            (arithmetic::arithmetic(text).map(MathAnswer::Value), (*text).to_owned())
        }
    }
}

fn read_formula(formula: &Formula<'_>) -> (Option<MathAnswer>, String) {
    let written = normalise::in_one_way(formula.content, Boxes::All);
    let answer = read_latex(&written).and_then(|answer| match answer {
        MathAnswer::Value(value) if formula.is_percent => Some(MathAnswer::Percent(value)),
        _ if formula.is_percent => None,
        answer => Some(answer),
    });
    (answer, written)
}

/// A formula as an answer; where it cannot be read, what is behind its last sign of equality, of two at least.
fn read_latex(formula: &str) -> Option<MathAnswer> {
    let read =
        |formula: &str| read(formula, if is_complex(formula) { NumberDomain::Complex } else { NumberDomain::Real });
    read(formula).or_else(|| read(last_side(formula)?))
}

/// What is behind the last sign of equality, of two at least, where no comma or semicolon is in the formula.
fn last_side(formula: &str) -> Option<&str> {
    if formula.contains([',', ';']) {
        return None;
    }
    let is_sign = |at: &usize| !formula[..*at].ends_with(['\\', '<', '!', '>']);
    let mut signs = formula.match_indices('=').map(|(at, _)| at).filter(is_sign);
    let last = signs.next_back()?;
    signs.next().map(|_| &formula[last + 1..])
}

/// Whether a formula may speak of complex numbers, so that names are not of real ones.
fn is_complex(formula: &str) -> bool {
    const SIGNS: [&str; 14] = [
        "\\mathbb{C}",
        "\\text{i}",
        "\\mathrm{i}",
        "\\det",
        "\\operatorname{tr}",
        "\\operatorname{rank}",
        "\\text{rank}",
        "\\arg{",
        "\\Re{",
        "\\Im{",
        "\\operatorname{Re}",
        "\\operatorname{Im}",
        "\\text{Re}",
        "\\text{Im}",
    ];
    let is_word = |c: char| c.is_alphanumeric() || c == '_';
    let ends_word = |at: usize| !formula[at..].starts_with(is_word);
    let alone = formula.match_indices('i').any(|(at, _)| ends_word(at + 1) && !formula[..at].ends_with(is_word));
    let imath = formula.match_indices("\\imath").any(|(at, name)| ends_word(at + name.len()));
    alone || imath || SIGNS.iter().any(|sign| formula.contains(sign))
}

#[cfg(test)]
mod tests;
