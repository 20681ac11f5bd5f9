//! Whether a response follows an instruction.

use std::sync::LazyLock;

use serde::de::IgnoredAny;

use super::instruction::Instruction;
use super::language::language;
use super::sentences::sentences;
use super::words::{count_words, words};
use crate::python::{PythonRegex, split_whitespace, strip};

/// The sentences of which one has to stand in a constrained response.
const CONSTRAINED: [&str; 3] = ["My answer is yes.", "My answer is no.", "My answer is maybe."];
/// What Python's reader of JSON knows beside JSON.
const NO_NUMBERS: [&str; 3] = ["NaN", "Infinity", "-Infinity"];

static PLACEHOLDER: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"\[.*?\]"));
static STAR_BULLET: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"(?m)^\s*\*[^\*].*"));
static DASH_BULLET: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"(?m)^\s*-.*"));
static HIGHLIGHT: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"\*[^\n\*]*\*"));
static DOUBLE_HIGHLIGHT: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"\*\*[^\n\*]*\*\*"));
static TITLE: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"<<[^\n]+>>"));
static DIVIDER: LazyLock<PythonRegex> = LazyLock::new(|| constant(r"\s?\*\*\*\s?"));

fn constant(pattern: &str) -> PythonRegex {
    PythonRegex::new(pattern).expect("a constant pattern compiles")
}

impl Instruction {
    /// Whether a response follows it. Words and markers are patterns, as in Python; one that is none is found nowhere.
    pub(super) fn is_followed_by(&self, response: &str) -> bool {
        match self {
            Self::Keywords { keywords } => keywords.iter().all(|word| found(&format!("(?i){word}"), response) > 0),
            Self::KeywordFrequency { keyword, frequency, relation } => {
                relation.holds(found(&format!("(?i){}", strip(keyword)), response), *frequency)
            }
            Self::ForbiddenWords { forbidden_words } => {
                forbidden_words.iter().all(|word| found(&format!(r"(?i)\b{word}\b"), response) == 0)
            }
            Self::LetterFrequency { letter, let_frequency, let_relation } => {
                let letter = strip(letter).to_lowercase();
                let count = response.to_lowercase().chars().filter(|c| letter.chars().eq([*c])).count();
                let_relation.holds(count, *let_frequency)
            }
            Self::Language { language: asked } => language(response).is_none_or(|language| language == asked),
            Self::Sentences { num_sentences, relation } => relation.holds(sentences(response).len(), *num_sentences),
            Self::Paragraphs { num_paragraphs } => paragraphs(response).is_some_and(|count| is(count, *num_paragraphs)),
            Self::Words { num_words, relation } => relation.holds(count_words(response), *num_words),
            Self::FirstWord { num_paragraphs, nth_paragraph, first_word } => {
                begins_with(response, *num_paragraphs, *nth_paragraph, first_word)
            }
            Self::Placeholders { num_placeholders } => PLACEHOLDER.count(response) as f64 >= *num_placeholders,
            Self::Postscript { postscript_marker } => {
                let pattern = match strip(postscript_marker) {
                    "P.P.S" => r"p\.\s?p\.\s?s".to_owned(),
                    "P.S." => r"p\.\s?s\.".to_owned(),
                    other => other.to_lowercase(),
                };
                found(&pattern, &response.to_lowercase()) > 0
            }
            Self::Bullets { num_bullets } => {
                is(STAR_BULLET.count(response) + DASH_BULLET.count(response), *num_bullets)
            }
            Self::Constrained {} => CONSTRAINED.iter().any(|sentence| response.contains(sentence)),
            Self::Highlights { num_highlights } => highlights(response) as f64 >= *num_highlights,
            Self::Sections { section_spliter, num_sections } => {
                found(&format!(r"\s?{}\s?\d+\s?", strip(section_spliter)), response) as f64 >= *num_sections
            }
            Self::Json {} => is_json(response),
            Self::Title {} => TITLE.findall(response).iter().flatten().any(|title| {
                let title = title.trim_start_matches('<').trim_end_matches('>');
                !strip(title).is_empty()
            }),
            Self::TwoResponses {} => are_two(response),
            Self::Repeat { prompt_to_repeat } => {
                strip(response).to_lowercase().starts_with(&strip(prompt_to_repeat).to_lowercase())
            }
            Self::End { end_phrase } => {
                let end = strip(response).trim_matches('"').to_lowercase();
                end.ends_with(&strip(end_phrase).to_lowercase())
            }
            Self::CapitalWords { capital_frequency, capital_relation } => {
                let words = sentences(response).into_iter().flat_map(words);
                capital_relation.holds(words.filter(|word| is_upper(word)).count(), *capital_frequency)
            }
            Self::EnglishCapitals {} => is_upper(response) && language(response).is_none_or(|found| found == "en"),
            Self::EnglishLowercase {} => is_lower(response) && language(response).is_none_or(|found| found == "en"),
            Self::NoComma {} => !response.contains(','),
            Self::Quotation {} => {
                let response = strip(response);
                response.len() > 1 && response.starts_with('"') && response.ends_with('"')
            }
        }
    }
}

fn is(count: usize, asked: f64) -> bool {
    (count as f64 - asked).abs() < 0.5 && asked.fract() == 0.0
}

/// How often a pattern matches.
fn found(pattern: &str, text: &str) -> usize {
    PythonRegex::new(pattern).map_or(0, |pattern| pattern.count(text))
}

/// How many paragraphs have dividers between them; none where one is empty.
fn paragraphs(response: &str) -> Option<usize> {
    let paragraphs = DIVIDER.split(response);
    let last = paragraphs.len() - 1;
    let mut count = 0;
    for (place, paragraph) in paragraphs.into_iter().enumerate() {
        if !strip(paragraph).is_empty() {
            count += 1;
        } else if place != 0 && place != last {
            return None;
        }
    }
    Some(count)
}

/// Whether there are so many paragraphs with blank lines between them, of which one begins with a word.
fn begins_with(response: &str, paragraphs: f64, place: f64, word: &str) -> bool {
    let found: Vec<&str> = response.split("\n\n").map(strip).collect();
    let count = found.iter().filter(|paragraph| !paragraph.is_empty()).count();
    if place < 1.0 || place > count as f64 {
        return false;
    }
    let Some(first) = found.get(place as usize - 1).and_then(|paragraph| split_whitespace(paragraph).next()) else {
        return false;
    };
    let first = first.trim_start_matches('\'').trim_start_matches('"');
    let first = first.split(['.', ',', '?', '!', '\'', '"']).next().unwrap_or_default();
    is(count, paragraphs) && first.to_lowercase() == word.to_lowercase()
}

fn highlights(response: &str) -> usize {
    let single = HIGHLIGHT.findall(response);
    let double = DOUBLE_HIGHLIGHT.findall(response);
    let single = single.iter().flatten().filter(|part| !strip(part.trim_matches('*')).is_empty()).count();
    let inner = |part: &&&str| {
        let part = part.strip_prefix("**").unwrap_or(part);
        !strip(part.strip_suffix("**").unwrap_or(part)).is_empty()
    };
    single + double.iter().flatten().filter(inner).count()
}

fn is_json(response: &str) -> bool {
    let mut text = strip(response);
    for fence in ["```json", "```Json", "```JSON", "```"] {
        text = text.strip_prefix(fence).unwrap_or(text);
    }
    let text = strip(text.strip_suffix("```").unwrap_or(text));
    serde_json::from_str::<IgnoredAny>(&with_numbers_only(text)).is_ok()
}

/// With a number for what is no number and none in JSON, and is one to Python.
fn with_numbers_only(json: &str) -> String {
    // What is between quotation marks, which may be escaped, stays.
    let (mut written, mut quoted, mut escaped) = (String::with_capacity(json.len()), false, false);
    for (at, c) in json.char_indices() {
        let word = NO_NUMBERS.iter().find(|word| !quoted && json[at..].starts_with(**word));
        if let Some(word) = word {
            let rest = with_numbers_only(&json[at + word.len()..]);
            return written + "0" + &rest;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        written.push(c);
    }
    written
}

fn are_two(response: &str) -> bool {
    let parts: Vec<&str> = response.split("******").map(strip).collect();
    let last = parts.len() - 1;
    if parts.iter().enumerate().any(|(place, part)| part.is_empty() && place != 0 && place != last) {
        return false;
    }
    let said: Vec<&&str> = parts.iter().filter(|part| !part.is_empty()).collect();
    matches!(said[..], [one, other] if one != other)
}

/// `str.isupper()`.
fn is_upper(text: &str) -> bool {
    text.chars().any(char::is_uppercase) && !text.chars().any(char::is_lowercase)
}

/// `str.islower()`.
fn is_lower(text: &str) -> bool {
    text.chars().any(char::is_lowercase) && !text.chars().any(char::is_uppercase)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(serde::Deserialize)]
    struct Recorded {
        text: String,
        sentences: usize,
        words: usize,
        capitals: usize,
        language: Option<String>,
        held_out: bool,
    }

    /// How many of 420 made-up texts have other sentences by NLTK's trained model, other words in capitals, and another
    /// language by langdetect; and of 100 texts that were not seen when the lists were made.
    const MADE_UP: [usize; 3] = [0, 0, 8];
    const HELD_OUT: [usize; 3] = [0, 0, 0];

    #[test]
    fn sentences_words_and_languages_are_mostly_those_of_nltk_and_langdetect() {
        // `scripts/lm_eval/ifeval.py` recorded them.
        let recorded = include_str!("../../../tests/fixtures/ifeval.jsonl");
        let recorded: Vec<Recorded> = recorded.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        for (held_out, others) in [(false, MADE_UP), (true, HELD_OUT)] {
            let (mut other_sentences, mut other_capitals, mut other_languages) = (Vec::new(), Vec::new(), Vec::new());
            let texts = recorded.iter().filter(|text| text.held_out == held_out);
            for Recorded { text, sentences: asked, words: all, capitals, language: theirs, .. } in texts {
                let found = sentences(text);
                if found.len() != *asked {
                    other_sentences.push(format!("{asked}: {found:?}"));
                }
                assert_eq!(count_words(text), *all, "{text}");
                let upper: Vec<String> = found.into_iter().flat_map(words).filter(|word| is_upper(word)).collect();
                if upper.len() != *capitals {
                    other_capitals.push(format!("{capitals}: {upper:?} of {text}"));
                }
                // Others than those that are asked for are all the same here.
                let own = language(text);
                if own != theirs.as_deref() && own != Some("other") {
                    other_languages.push(format!("{own:?}, not {theirs:?}: {text}"));
                }
            }
            let found = [other_sentences, other_capitals, other_languages];
            let told = found.each_ref().map(|others| others.join("\n")).join("\n\n");
            assert_eq!(found.map(|others| others.len()), others, "{told}");
        }
        assert_eq!(recorded.len(), 520);
    }
}
