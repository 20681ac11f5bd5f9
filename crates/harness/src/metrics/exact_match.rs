//! Exact match.

use crate::python::{PatternError, PythonRegex, is_ascii_punctuation};

/// Compares a text with reference texts after dropping what is to be ignored.
///
/// lm-evaluation-harness works on numpy's fixed-width text arrays, and two of their habits show in scores: zero
/// characters at the end of a text do not exist, and lower-casing that lengthens a text (`İ`) cuts it at the width of
/// the widest text of its array.
#[derive(Debug)]
pub struct ExactMatch {
    ignore: Vec<PythonRegex>,
    ignore_case: bool,
    ignore_punctuation: bool,
}

impl ExactMatch {
    /// Compiles the patterns whose matches are dropped.
    ///
    /// # Errors
    /// When a pattern is no regular expression.
    pub fn new(
        regexes_to_ignore: &[String],
        ignore_case: bool,
        ignore_punctuation: bool,
    ) -> Result<Self, PatternError> {
        let ignore = regexes_to_ignore.iter().map(|pattern| PythonRegex::new(pattern)).collect::<Result<_, _>>()?;
        Ok(Self { ignore, ignore_case, ignore_punctuation })
    }

    /// 1 when `text` equals one of `references`, else 0.
    pub fn score(&self, text: &str, references: &[&str]) -> f64 {
        let text = self.normalise(&[text]);
        let references = self.normalise(references);
        f64::from(references.contains(&text[0]))
    }

    fn normalise(&self, texts: &[&str]) -> Vec<String> {
        let mut array = TextArray::new(texts.iter().map(ToString::to_string));
        for pattern in &self.ignore {
            array = TextArray::new(array.texts.iter().map(|text| pattern.remove_all(text)));
        }
        if self.ignore_case {
            array.map(str::to_lowercase);
        }
        if self.ignore_punctuation {
            array.map(|text| text.chars().filter(|c| !is_ascii_punctuation(*c)).collect());
        }
        array.texts
    }
}

/// Whether a reference stands in `text`, in any case: `re.search` of the escaped reference with `re.IGNORECASE`.
pub fn contains(text: &str, references: &[&str]) -> bool {
    // What is one character in one case and several in the other is only itself.
    let simple = |text: &str| -> Vec<char> {
        text.chars()
            .map(|c| {
                let mut lower = c.to_lowercase();
                lower.next().filter(|_| lower.next().is_none()).unwrap_or(c)
            })
            .collect()
    };
    let text = simple(text);
    let stands = |wanted: Vec<char>| wanted.is_empty() || text.windows(wanted.len()).any(|part| part == wanted);
    references.iter().any(|reference| stands(simple(reference)))
}

/// numpy's array of texts of one width (in characters).
struct TextArray {
    width: usize,
    texts: Vec<String>,
}

impl TextArray {
    fn new(texts: impl Iterator<Item = String>) -> Self {
        let mut texts: Vec<String> = texts.collect();
        let width = texts.iter().map(|text| text.chars().count()).max().unwrap_or(0).max(1);
        texts.iter_mut().for_each(drop_final_zeros);
        Self { width, texts }
    }

    fn map(&mut self, change: impl Fn(&str) -> String) {
        for text in &mut self.texts {
            *text = change(text).chars().take(self.width).collect();
            drop_final_zeros(text);
        }
    }
}

fn drop_final_zeros(text: &mut String) {
    text.truncate(text.trim_end_matches('\0').len());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metric(patterns: &[&str], ignore_case: bool, ignore_punctuation: bool) -> ExactMatch {
        let regexes_to_ignore: Vec<String> = patterns.iter().map(ToString::to_string).collect();
        ExactMatch::new(&regexes_to_ignore, ignore_case, ignore_punctuation).unwrap()
    }

    #[test]
    fn patterns_are_dropped_one_after_the_other() {
        let metric = metric(&[",", "\\$", "(?s).*#### ", "\\.$"], true, false);
        assert!(metric.score("$1,000.", &["so\n#### 1000"]) > 0.0);
        assert!(metric.score("1000", &["so\n#### 1001"]) < 1.0);
    }

    #[test]
    fn any_reference_will_do() {
        let metric = metric(&[], true, true);
        assert!(metric.score("old grumblewood", &["The Wood", "Old Grumble-wood!"]) > 0.0);
        assert!(metric.score("old grumblewood", &[]) < 1.0);
    }

    #[test]
    fn a_reference_of_punctuation_only_equals_an_empty_text() {
        assert!(metric(&[], true, true).score("", &["@"]) > 0.0);
    }

    #[test]
    fn lower_casing_that_lengthens_a_text_cuts_its_end() {
        let metric = metric(&[], true, false);
        // The response stands alone, so its array is 3 wide and `i̇ab` is cut to `i̇a`.
        assert!(metric.score("\u{130}ab", &["\u{130}ab"]) > 0.0);
        assert!(metric.score("\u{130}ab", &["\u{130}ab", "longer"]) < 1.0);
        assert!(metric.score("\u{130}ab", &["i\u{307}a", "xyz"]) > 0.0);
    }

    #[test]
    fn zero_characters_at_the_end_do_not_count() {
        assert!(metric(&[], false, false).score("a\0", &["a"]) > 0.0);
    }
}
