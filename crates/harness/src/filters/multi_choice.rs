//! The multiple-choice filter with its fallbacks.

use std::cmp::Reverse;
use std::sync::LazyLock;

use fancy_regex::Regex;

use super::extract::{Extract, select};
use crate::python::{PythonRegex, escaped_length, strip};

/// Looks for a letter in parentheses (by the task's pattern), then for a choice's text, then for a letter after a
/// colon.
///
/// Source: lm-evaluation-harness 0.4.13, `multi_choice_regex`.
#[derive(Debug)]
pub(super) struct MultiChoice {
    pub(super) extract: Extract,
    pub(super) fallback: String,
    pub(super) ignore_case: bool,
    pub(super) ignore_punctuation: bool,
    pub(super) longest_first: bool,
}

/// Unicode category P.
static PUNCTUATION: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\p{P}").expect("a constant pattern compiles"));

impl MultiChoice {
    pub(super) fn fallback(&self) -> &str {
        &self.fallback
    }

    pub(super) fn apply(&self, response: &str, choices: &[String]) -> String {
        let non_empty = |found: Option<String>| found.filter(|text| !text.is_empty());
        non_empty(self.extract.first(response))
            .or_else(|| non_empty(self.choice_text(response, choices)))
            .or_else(|| self.letter_after_colon(response, choices.len()))
            .unwrap_or_else(|| self.fallback.clone())
    }

    /// The letter of the choice whose text is in the response. Where the text found is not a choice's whole text (its
    /// outer white space is dropped), the text itself.
    fn choice_text(&self, response: &str, choices: &[String]) -> Option<String> {
        let texts: Vec<String> = choices.iter().map(|choice| self.normalise(strip(choice))).collect();
        let mut alternatives: Vec<&str> = texts.iter().map(String::as_str).collect();
        // Longer choices first, so that one that begins like another does not hide it; Python measures them escaped.
        if self.longest_first {
            alternatives.sort_by_key(|text| Reverse(escaped_length(text)));
        }
        let response = self.normalise(response);
        let found = find_any(&alternatives, &response);
        let found = strip(select(&found, self.extract.group_select)?);
        // Of choices that read the same, the last one counts.
        let letter = texts.iter().rposition(|text| text == found).filter(|_| !found.is_empty()).map(parenthesised);
        Some(letter.unwrap_or_else(|| found.to_owned()))
    }

    fn letter_after_colon(&self, response: &str, choices: usize) -> Option<String> {
        let letters: Vec<String> = (0..choices).map(|index| letter(index).to_string()).collect();
        let pattern = PythonRegex::new(&format!(r":[\s]*({})", letters.join("|"))).ok()?;
        let found = pattern.findall(response);
        let found = strip(select(&found, self.extract.group_select)?.first()?);
        letters.iter().position(|letter| letter == found).map(parenthesised)
    }

    fn normalise(&self, text: &str) -> String {
        let text = if self.ignore_case { text.to_lowercase() } else { text.to_owned() };
        if self.ignore_punctuation { PUNCTUATION.replace_all(&text, "").into_owned() } else { text }
    }
}

fn letter(index: usize) -> char {
    u32::try_from(index).ok().and_then(|index| char::from_u32(u32::from('A') + index)).unwrap_or('?')
}

fn parenthesised(index: usize) -> String {
    format!("({})", letter(index))
}

/// Non-overlapping matches of any alternative, the earlier alternative first at each place, as `re.findall` gives them.
fn find_any<'t>(alternatives: &[&str], text: &'t str) -> Vec<&'t str> {
    let mut found = Vec::new();
    let mut position = 0;
    while position <= text.len() {
        let rest = &text[position..];
        let step = rest.chars().next().map_or(1, char::len_utf8);
        match alternatives.iter().find(|alternative| rest.starts_with(**alternative)) {
            Some(alternative) => {
                found.push(&rest[..alternative.len()]);
                position += if alternative.is_empty() { step } else { alternative.len() };
            }
            None => position += step,
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::{FilterDefinition, FilterPipeline, FilterStep};

    fn apply(response: &str, choices: &[&str]) -> String {
        apply_in_order(response, choices, true)
    }

    fn apply_in_order(response: &str, choices: &[&str], longest_first: bool) -> String {
        let step = FilterStep::MultiChoiceRegex {
            pattern: r"(\([A-Z]\))".to_owned(),
            group_select: 0,
            fallback: "[invalid]".to_owned(),
            ignore_case: true,
            ignore_punctuation: true,
            longest_first,
        };
        let definition = FilterDefinition { name: "test".to_owned(), steps: vec![step] };
        let choices: Vec<String> = choices.iter().map(ToString::to_string).collect();
        FilterPipeline::new(&definition).unwrap().apply(response, &choices)
    }

    #[test]
    fn a_letter_in_parentheses_comes_first_even_if_no_choice_has_it() {
        assert_eq!(apply("red, that is (Z)", &["red", "blue"]), "(Z)");
    }

    #[test]
    fn a_choices_text_is_found_without_case_and_punctuation() {
        assert_eq!(apply("It is DEEP-RED!", &["blue", "deepred"]), "(B)");
    }

    #[test]
    fn a_longer_choice_is_not_hidden_by_its_beginning() {
        assert_eq!(apply("red wine", &["red", "red wine"]), "(B)");
        assert_eq!(apply_in_order("red wine", &["red", "red wine"], false), "(A)", "at the commit it is");
    }

    #[test]
    fn of_equal_choices_the_last_counts() {
        assert_eq!(apply("red", &["red", "Red.", "blue"]), "(B)");
    }

    #[test]
    fn a_letter_after_a_colon_is_the_last_resort() {
        assert_eq!(apply("answer:\u{a0}B", &["red", "blue"]), "(B)");
        assert_eq!(apply("answer: C", &["red", "blue"]), "[invalid]", "only letters of choices count");
    }

    #[test]
    fn a_choice_of_punctuation_only_hides_texts_but_not_the_colon() {
        assert_eq!(apply("so red", &["red", "!"]), "[invalid]");
        assert_eq!(apply("so: A", &["red", "!"]), "(A)");
    }

    #[test]
    fn a_text_that_loses_outer_white_space_is_given_as_it_is() {
        assert_eq!(apply("so red indeed", &["red !", "blue"]), "red");
    }
}
