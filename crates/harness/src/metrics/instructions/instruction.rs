//! Instructions as rows have them.

use serde::Deserialize;
use serde_json::{Map, Value};

/// An instruction with its settings, under `IFEval`'s names.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(tag = "id")]
pub(crate) enum Instruction {
    /// Each of the words stands in it.
    #[serde(rename = "keywords:existence")]
    Keywords { keywords: Vec<String> },
    /// A word stands in it so many times.
    #[serde(rename = "keywords:frequency")]
    KeywordFrequency { keyword: String, frequency: f64, relation: CountRelation },
    /// None of the words stands in it.
    #[serde(rename = "keywords:forbidden_words")]
    ForbiddenWords { forbidden_words: Vec<String> },
    /// A letter stands in it so many times.
    #[serde(rename = "keywords:letter_frequency")]
    LetterFrequency { letter: String, let_frequency: f64, let_relation: CountRelation },
    /// All of it is in one language, by its ISO 639-1 code.
    #[serde(rename = "language:response_language")]
    Language { language: String },
    /// It has so many sentences.
    #[serde(rename = "length_constraints:number_sentences")]
    Sentences { num_sentences: f64, relation: CountRelation },
    /// It has so many paragraphs with `***` between them.
    #[serde(rename = "length_constraints:number_paragraphs")]
    Paragraphs { num_paragraphs: f64 },
    /// It has so many words.
    #[serde(rename = "length_constraints:number_words")]
    Words { num_words: f64, relation: CountRelation },
    /// Of so many paragraphs, one begins with a word.
    #[serde(rename = "length_constraints:nth_paragraph_first_word")]
    FirstWord { num_paragraphs: f64, nth_paragraph: f64, first_word: String },
    /// It has at least so many placeholders in square brackets.
    #[serde(rename = "detectable_content:number_placeholders")]
    Placeholders { num_placeholders: f64 },
    /// It has a postscript.
    #[serde(rename = "detectable_content:postscript")]
    Postscript { postscript_marker: String },
    /// It has exactly so many bullet points.
    #[serde(rename = "detectable_format:number_bullet_lists")]
    Bullets { num_bullets: f64 },
    /// It has one of three sentences in it.
    #[serde(rename = "detectable_format:constrained_response")]
    Constrained {},
    /// At least so many parts of it stand between asterisks.
    #[serde(rename = "detectable_format:number_highlighted_sections")]
    Highlights { num_highlights: f64 },
    /// It has at least so many sections that begin with a word and a number.
    #[serde(rename = "detectable_format:multiple_sections")]
    Sections { section_spliter: String, num_sections: f64 },
    /// All of it is JSON.
    #[serde(rename = "detectable_format:json_format")]
    Json {},
    /// It has a title in double angular brackets.
    #[serde(rename = "detectable_format:title")]
    Title {},
    /// It is two different responses with six asterisks between them.
    #[serde(rename = "combination:two_responses")]
    TwoResponses {},
    /// It begins with the request.
    #[serde(rename = "combination:repeat_prompt")]
    Repeat { prompt_to_repeat: String },
    /// It ends with a phrase.
    #[serde(rename = "startend:end_checker")]
    End { end_phrase: String },
    /// So many words of it are in capitals.
    #[serde(rename = "change_case:capital_word_frequency")]
    CapitalWords { capital_frequency: f64, capital_relation: CountRelation },
    /// It is English in capitals.
    #[serde(rename = "change_case:english_capital")]
    EnglishCapitals {},
    /// It is English without capitals.
    #[serde(rename = "change_case:english_lowercase")]
    EnglishLowercase {},
    /// It has no comma.
    #[serde(rename = "punctuation:no_comma")]
    NoComma {},
    /// It stands between double quotation marks.
    #[serde(rename = "startend:quotation")]
    Quotation {},
}

/// How a number is compared with the one that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub(crate) enum CountRelation {
    #[serde(rename = "less than")]
    LessThan,
    #[serde(rename = "at least")]
    AtLeast,
}

impl CountRelation {
    pub(super) fn holds(self, count: usize, asked: f64) -> bool {
        match self {
            Self::LessThan => (count as f64) < asked,
            Self::AtLeast => count as f64 >= asked,
        }
    }
}

impl Instruction {
    /// The instructions of a row, each as JSON with its name as `id`.
    ///
    /// # Errors
    /// When there are not as many settings as names, or one is not known, or lacks a setting.
    pub(crate) fn of_row(names: &Value, settings: &Value) -> Result<Vec<String>, String> {
        let (Some(names), Some(settings)) = (names.as_array(), settings.as_array()) else {
            return Err("its instructions and their settings are no lists".to_owned());
        };
        if names.len() != settings.len() || names.is_empty() {
            return Err(format!("it has {} instructions and settings of {}", names.len(), settings.len()));
        }
        names.iter().zip(settings).map(|(name, settings)| Self::joined(name, settings)).collect()
    }

    fn joined(name: &Value, settings: &Value) -> Result<String, String> {
        let mut instruction = Map::from_iter([("id".to_owned(), name.clone())]);
        // What is nothing is not given, as in Python.
        let given = settings.as_object().into_iter().flatten().filter(|(_, value)| match value {
            Value::Null | Value::Bool(false) => false,
            Value::String(text) => !text.is_empty(),
            Value::Array(list) => !list.is_empty(),
            Value::Number(number) => number.as_f64() != Some(0.0),
            _ => true,
        });
        instruction.extend(given.map(|(key, value)| (key.clone(), value.clone())));
        let instruction = Value::Object(instruction);
        match serde_json::from_value::<Self>(instruction.clone()) {
            Ok(_) => Ok(instruction.to_string()),
            Err(error) => Err(format!("its instruction {name}: {error}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_instruction_has_the_settings_that_are_something() {
        let names = json!(["keywords:frequency", "punctuation:no_comma"]);
        let settings = json!([
            {"keyword": "lamp", "frequency": 2, "relation": "at least", "num_words": null, "keywords": []},
            {"keyword": null, "frequency": 0}
        ]);
        let found = Instruction::of_row(&names, &settings).unwrap();
        let expected = Instruction::KeywordFrequency {
            keyword: "lamp".to_owned(),
            frequency: 2.0,
            relation: CountRelation::AtLeast,
        };
        assert_eq!(serde_json::from_str::<Instruction>(&found[0]).unwrap(), expected);
        assert_eq!(found[1], r#"{"id":"punctuation:no_comma"}"#);
    }

    #[test]
    fn what_is_not_known_or_not_whole_is_named() {
        let refused =
            |name: &str, settings: Value| Instruction::of_row(&json!([name]), &json!([settings])).unwrap_err();
        assert!(refused("keywords:colour", json!({})).contains("keywords:colour"));
        assert!(refused("keywords:frequency", json!({"keyword": "x", "frequency": 1})).contains("relation"));
        assert!(refused("startend:end_checker", json!({"end_phrase": ""})).contains("end_phrase"));
        assert!(Instruction::of_row(&json!(["startend:quotation"]), &json!([])).is_err());
    }
}
