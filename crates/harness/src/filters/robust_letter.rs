//! A choice's letter in any common form.

use std::sync::LazyLock;

use super::lead::{after_lead, compiled, last_boxed};
use crate::metrics::normalise_answer;
use crate::python::{PythonRegex, strip};

/// Choices that a document without listed choices may have.
const MOST_CHOICES: usize = 26;

/// A letter at the beginning of a text that is set apart: `B`, `(B)`, `**B**`, `B.`, `option B`, `\text{B}`, but not the
/// article of `A stone`.
static AT_START: LazyLock<PythonRegex> = LazyLock::new(|| {
    compiled(
        r"^[\s*_`'\x22$]*(?:\\text\{|(?:[Oo]ption|[Cc]hoice|[Aa]nswer)\s+)?[\s*_`'\x22]*(?:[(\[]\s*([A-Za-z])\s*[)\]]|([A-Z])(?=[\s*_`'\x22}]*(?:[.):,;\]]|$|\n)))",
    )
});
static IN_PARENTHESES: LazyLock<PythonRegex> = LazyLock::new(|| compiled(r"\(\s*([A-Z])\s*\)"));
static ALONE: LazyLock<PythonRegex> =
    LazyLock::new(|| compiled(r"(?<![\w'])([B-HJ-Z]|A(?=\s*(?:[.):,;*]|$)))(?![\w'])"));

/// The letter that a response chooses: in its last box, after its last "answer is" or "answer:", at its very beginning,
/// in its last parentheses, standing alone, or as the only choice whose text it repeats. Letters that no choice has do
/// not count.
pub(super) fn last_letter(response: &str, choices: &[String]) -> Option<char> {
    let count = if choices.is_empty() { MOST_CHOICES } else { choices.len() };
    let known = |found: &str| {
        let letter = found.chars().next()?.to_ascii_uppercase();
        ((letter as usize).checked_sub('A' as usize)? < count).then_some(letter)
    };
    let first = |pattern: &PythonRegex, text: &str| {
        pattern.findall(text).first()?.iter().find(|group| !group.is_empty()).and_then(|found| known(found))
    };
    let last = |pattern: &PythonRegex, text: &str| {
        pattern.findall(text).iter().rev().find_map(|groups| groups.first().and_then(|found| known(found)))
    };
    let boxed = last_boxed(response);
    let led = after_lead(response);
    boxed
        .and_then(|text| first(&AT_START, text))
        .or_else(|| led.and_then(|text| first(&AT_START, text).or_else(|| last(&IN_PARENTHESES, text))))
        .or_else(|| first(&AT_START, response))
        .or_else(|| last(&IN_PARENTHESES, response))
        .or_else(|| last(&ALONE, response))
        .or_else(|| repeated(response, choices))
}

/// The only choice whose text the response repeats.
fn repeated(response: &str, choices: &[String]) -> Option<char> {
    let response = format!(" {} ", normalise_answer(strip(response)));
    let mut found = (0_u8..).zip(choices).filter(|(_, choice)| {
        let choice = normalise_answer(choice);
        !choice.is_empty() && response.contains(&format!(" {choice} "))
    });
    match (found.next(), found.next()) {
        (Some((index, _)), None) => Some(char::from(b'A'.checked_add(index)?)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn letter(response: &str) -> Option<char> {
        let choices = ["red stone", "blue", "green", "grey"].map(str::to_owned);
        last_letter(response, &choices)
    }

    #[test]
    fn a_letter_is_found_in_any_common_form() {
        for response in [
            "B",
            " B.",
            "(B)",
            "[B]",
            "**B**",
            "B) blue",
            "B: blue",
            "b is wrong; the answer is (b)",
            "Answer: B",
            "The answer is B",
            "the correct answer is **B**.",
            r"so \boxed{B}",
            r"\boxed{\text{B}}",
            r"\boxed{(B)}",
            "The answer is: option B",
            "First (A), but then (B)",
            "It must be B, not the rest",
            "Surely blue.",
            "A stone? No: B.",
            "'B'",
            "B\nQ: (C)?",
        ] {
            assert_eq!(letter(response), Some('B'), "{response}");
        }
    }

    #[test]
    fn an_article_a_letter_of_no_choice_and_silence_are_no_answer() {
        for response in ["", " ", "A bird", "E", "(Z)", "none of these", "blue or green", "I'd say so", "Because"] {
            assert_eq!(letter(response), None, "{response}");
        }
    }

    #[test]
    fn the_box_goes_before_the_lead_and_the_lead_before_the_rest() {
        assert_eq!(letter(r"The answer is A. Thus \boxed{C}. (D)"), Some('C'));
        assert_eq!(letter("(D) is tempting. The answer is A. See (B)."), Some('A'));
    }
}
