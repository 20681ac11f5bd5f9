//! Where in a text an answer may stand, the best places first.
//!
//! The order of places is `math_verify`'s: behind "final answer is", in boxes, behind "answer:", behind "answer", anywhere; and of
//! places alike, from the end of the text.

use super::formulas::{Formula, Formulas, formulas_at, spaces_down};
use super::numbers::{Ended, PlainAnswer, arithmetic_at, numbers_at, plain_at, plain_behind_space};
use crate::python::strip_start;

/// What may be an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum AnswerCandidate<'t> {
    /// Formulas that are one answer together.
    Formulas(Vec<Formula<'t>>),
    /// A text in which the last box holds the answer.
    LastBox(&'t str),
    Plain(PlainAnswer<'t>),
}

/// A candidate from one place to another.
struct Match<'t> {
    candidate: AnswerCandidate<'t>,
    start: usize,
    end: usize,
}

/// How good a place is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// "final answer is ... I hope".
    Closed,
    /// "final answer ... is", or a box.
    FinalOrBox,
    /// "answer:".
    AnswerColon,
    /// "answer".
    Answer,
    Anywhere,
}

/// Places, the best first.
pub(super) const PLACES: [Place; 5] =
    [Place::Closed, Place::FinalOrBox, Place::AnswerColon, Place::Answer, Place::Anywhere];

const FINAL_ANSWER: &str = "final answer";
const ANSWER: &str = "answer";
/// So many characters may stand between words that say that an answer follows and the answer, or between those words.
const NEAR: usize = 50;
const FAR: usize = 100;

/// All that may be the answer at one kind of places, from the end of the text.
pub(super) fn candidates(text: &str, place: Place) -> Vec<AnswerCandidate<'_>> {
    let mut matches = match place {
        Place::Closed => {
            let mut found = behind(text, FINAL_ANSWER, |at| closed_formulas(text, at));
            found.extend(behind(text, FINAL_ANSWER, |at| closed_plain(text, at)));
            found
        }
        Place::FinalOrBox => {
            let mut found = behind(text, FINAL_ANSWER, |at| said_formulas(text, at));
            found.extend(formulas(text, Formulas::WithBox));
            found.extend(last_box(text));
            found.extend(behind(text, FINAL_ANSWER, |at| said_plain(text, at)));
            found
        }
        Place::AnswerColon => {
            let colon = |at: usize| text[at..].starts_with(':').then_some(at + 1);
            let mut found = behind(text, ANSWER, |at| near_formulas(text, colon(at)?));
            found.extend(behind(text, ANSWER, |at| near_plain(text, colon(at)?)));
            found
        }
        Place::Answer => {
            let mut found = behind(text, ANSWER, |at| near_formulas(text, at));
            found.extend(behind(text, ANSWER, |at| near_plain(text, at)));
            found
        }
        Place::Anywhere => {
            let mut found = formulas(text, Formulas::All);
            found.extend(everywhere(text, |at| arithmetic_at(text, at).next().map(plain)));
            found.extend(everywhere(text, |at| numbers_at(text, at).next().map(plain)));
            found
        }
    };
    // The sort keeps the order of what is alike.
    matches.sort_by(|one, other| other.end.cmp(&one.end).then(one.start.cmp(&other.start)));
    matches.into_iter().map(|found| found.candidate).collect()
}

/// What a place has, and where that ends.
type Located<'t> = Option<(AnswerCandidate<'t>, usize)>;

/// One after the other, from each place on.
fn everywhere<'t>(text: &'t str, find: impl Fn(usize) -> Located<'t>) -> Vec<Match<'t>> {
    let mut matches = Vec::new();
    let mut next = 0;
    for (start, _) in text.char_indices() {
        if start < next {
            continue;
        }
        if let Some((candidate, end)) = find(start) {
            matches.push(Match { candidate, start, end });
            next = end;
        }
    }
    matches
}

/// One after the other, behind words in capitals or not.
fn behind<'t>(text: &'t str, words: &str, find: impl Fn(usize) -> Located<'t>) -> Vec<Match<'t>> {
    everywhere(text, |start| {
        let said = text.as_bytes().get(start..start + words.len())?;
        if said.eq_ignore_ascii_case(words.as_bytes()) { find(start + words.len()) } else { None }
    })
}

fn formulas(text: &str, which: Formulas) -> Vec<Match<'_>> {
    everywhere(text, |at| together(formulas_at(text, at, which)))
}

fn together(found: Option<(Vec<Formula<'_>>, usize)>) -> Located<'_> {
    found.map(|(formulas, end)| (AnswerCandidate::Formulas(formulas), end))
}

fn plain((plain, end): Ended<'_>) -> (AnswerCandidate<'_>, usize) {
    (AnswerCandidate::Plain(plain), end)
}

/// From the first box to the last brace of the text.
fn last_box(text: &str) -> Option<Match<'_>> {
    const BOX: &str = "\\boxed{";
    let start = text.find(BOX)?;
    let end = text.rfind('}')? + 1;
    (end > start + BOX.len() + 1).then(|| Match { candidate: AnswerCandidate::LastBox(&text[start..end]), start, end })
}

/// Places behind up to so many characters.
fn ahead(text: &str, at: usize, most: usize) -> impl Iterator<Item = usize> + '_ {
    let rest = &text[at..];
    rest.char_indices().map(|(offset, _)| offset).chain([rest.len()]).take(most + 1).map(move |offset| at + offset)
}

/// Behind "is" that follows at once in any letters, and a colon.
fn is_at_once(text: &str, at: usize) -> Option<usize> {
    let behind = text.get(at..at + 3).filter(|is| is.eq_ignore_ascii_case(" is")).map(|is| at + is.len())?;
    Some(behind + usize::from(text[behind..].starts_with(':')))
}

/// Places behind "is" and a colon, which some words may stand before.
fn is_ahead(text: &str, at: usize) -> impl Iterator<Item = usize> + '_ {
    ahead(text, at, FAR).filter_map(|at| {
        let word = strip_start(&text[at..]);
        let has_space = text.len() - word.len() > at;
        let behind = word.strip_prefix("is").filter(|_| has_space)?;
        Some(text.len() - behind.strip_prefix(':').unwrap_or(behind).len())
    })
}

/// Whether "I hope" follows, behind a point or not.
fn hopes(text: &str, at: usize) -> Option<usize> {
    let rest = &text[at..];
    [rest.strip_prefix('.'), Some(rest)].into_iter().flatten().find_map(|rest| {
        let after_space = rest.chars().next().filter(|c| crate::python::is_space(*c)).map(|c| &rest[c.len_utf8()..]);
        let behind = [after_space, Some(rest)].into_iter().flatten().find_map(|rest| rest.strip_prefix("I hope"))?;
        Some(text.len() - behind.len())
    })
}

fn closed_formulas(text: &str, at: usize) -> Located<'_> {
    spaces_down(text, is_at_once(text, at)?).find_map(|at| {
        let (formulas, end) = formulas_at(text, at, Formulas::All)?;
        Some((AnswerCandidate::Formulas(formulas), hopes(text, end)?))
    })
}

fn closed_plain(text: &str, at: usize) -> Located<'_> {
    plain_behind_space(text, is_at_once(text, at)?).find_map(|found| {
        let (candidate, end) = plain(found);
        Some((candidate, hopes(text, end)?))
    })
}

fn said_formulas(text: &str, at: usize) -> Located<'_> {
    is_ahead(text, at)
        .find_map(|at| spaces_down(text, at).find_map(|at| together(formulas_at(text, at, Formulas::All))))
}

fn said_plain(text: &str, at: usize) -> Located<'_> {
    is_ahead(text, at).find_map(|at| plain_at(text, at).next().map(plain))
}

fn near_formulas(text: &str, at: usize) -> Located<'_> {
    ahead(text, at, NEAR).find_map(|at| together(formulas_at(text, at, Formulas::All)))
}

/// A number or sum that no sign of equality follows: behind the last such sign, or else the first.
fn near_plain(text: &str, at: usize) -> Located<'_> {
    let last = |found: &Ended<'_>| !strip_start(&text[found.1..]).starts_with('=');
    let signs: Vec<usize> = ahead(text, at, FAR).filter(|at| text[*at..].starts_with('=')).collect();
    let behind_sign = signs.into_iter().rev().find_map(|sign| plain_behind_space(text, sign + 1).find(last));
    behind_sign.or_else(|| ahead(text, at, NEAR).find_map(|at| plain_at(text, at).find(last))).map(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(text: &str) -> Option<AnswerCandidate<'_>> {
        PLACES.into_iter().find_map(|place| candidates(text, place).into_iter().next())
    }

    fn formula(content: &str) -> AnswerCandidate<'_> {
        AnswerCandidate::Formulas(vec![Formula { content, is_percent: false }])
    }

    fn number(digits: &str) -> AnswerCandidate<'static> {
        AnswerCandidate::Plain(PlainAnswer::Number { digits: digits.to_owned(), is_percent: false })
    }

    #[test]
    fn the_best_place_is_read() {
        assert_eq!(
            best("So $1$. Final Answer: The final answer is $2$. I hope it is correct. $3$"),
            Some(formula("2"))
        );
        assert_eq!(best("$\\boxed{1}$, not $2$"), Some(formula("\\boxed{1}")));
        assert_eq!(best("The answer: $4$ and some $5$"), Some(formula("4")));
        assert_eq!(best("We get $1$, then $2$."), Some(formula("2")));
        assert_eq!(best("The answer is x = 2 = 5."), Some(number("5")));
        assert_eq!(best("first 3, then 12 apples"), Some(number("12")));
        assert_eq!(best("nothing"), None);
    }
}
