//! ROUGE of a text against a reference.
//!
//! Source: C.-Y. Lin, "ROUGE: A Package for Automatic Evaluation of Summaries" (2004), as `rouge_score` 0.1.2 computes it:
//! words are runs of ASCII letters and digits in lower case, those of more than three characters stemmed where that is
//! asked for; the figure is F1.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use super::porter::stem;

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rouge {
    /// Words.
    #[serde(rename = "rouge1")]
    One,
    /// Pairs of words.
    #[serde(rename = "rouge2")]
    Two,
    /// The longest common subsequence of words.
    #[serde(rename = "rougeL")]
    Longest,
    /// The same of sentences, one a line: for each of the reference's, the words that its longest common subsequences with
    /// all of the text's have together.
    #[serde(rename = "rougeLsum")]
    OfSentences,
}

impl Rouge {
    /// lm-evaluation-harness's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::One => "rouge1",
            Self::Two => "rouge2",
            Self::Longest => "rougeL",
            Self::OfSentences => "rougeLsum",
        }
    }

    /// F1 of `text` against a reference, 0 to 1; of several the best.
    pub fn score(self, text: &str, references: &[&str], stems: bool) -> f64 {
        if self == Self::OfSentences {
            let text = sentences(text, stems);
            let of = |reference: &&str| of_sentences(&text, &sentences(reference, stems));
            return references.iter().map(of).fold(0.0, f64::max);
        }
        let text = words(text, stems);
        references.iter().map(|reference| self.of_words(&text, &words(reference, stems))).fold(0.0, f64::max)
    }

    fn of_words(self, text: &[String], reference: &[String]) -> f64 {
        let (common, written, wanted) = match self {
            Self::One => overlap(text, reference, 1),
            Self::Two => overlap(text, reference, 2),
            Self::Longest | Self::OfSentences => (longest_common(text, reference), text.len(), reference.len()),
        };
        f1(common, written, wanted)
    }
}

fn f1(common: usize, written: usize, wanted: usize) -> f64 {
    let share = |of: usize| common as f64 / of.max(1) as f64;
    let (precision, recall) = (share(written), share(wanted));
    if common == 0 { 0.0 } else { 2.0 * precision * recall / (precision + recall) }
}

/// The words of each line.
fn sentences(text: &str, stems: bool) -> Vec<Vec<String>> {
    text.split('\n').filter(|line| !line.is_empty()).map(|line| words(line, stems)).collect()
}

fn of_sentences(text: &[Vec<String>], reference: &[Vec<String>]) -> f64 {
    let count = |sentences: &[Vec<String>]| {
        let mut counts: HashMap<String, usize> = HashMap::new();
        for word in sentences.iter().flatten() {
            *counts.entry(word.clone()).or_default() += 1;
        }
        counts
    };
    let (mut left_in_text, mut left_in_reference) = (count(text), count(reference));
    let mut common = 0;
    for sentence in reference {
        let places: BTreeSet<usize> = text.iter().flat_map(|other| common_places(sentence, other)).collect();
        for word in places.into_iter().map(|place| &sentence[place]) {
            // A word counts as often as both have it.
            let (Some(here), Some(there)) = (left_in_text.get_mut(word), left_in_reference.get_mut(word)) else {
                continue;
            };
            if *here > 0 && *there > 0 {
                (*here, *there) = (*here - 1, *there - 1);
                common += 1;
            }
        }
    }
    f1(common, text.iter().map(Vec::len).sum(), reference.iter().map(Vec::len).sum())
}

/// Where in `reference` a longest common subsequence with `text` is; of several the one that `rouge_score` finds.
fn common_places(reference: &[String], text: &[String]) -> Vec<usize> {
    let mut table = vec![vec![0; text.len() + 1]; reference.len() + 1];
    for (row, wanted) in reference.iter().enumerate() {
        for (column, word) in text.iter().enumerate() {
            table[row + 1][column + 1] = if wanted == word {
                table[row][column] + 1
            } else {
                table[row][column + 1].max(table[row + 1][column])
            };
        }
    }
    let (mut row, mut column, mut places) = (reference.len(), text.len(), Vec::new());
    while row > 0 && column > 0 {
        if reference[row - 1] == text[column - 1] {
            places.push(row - 1);
            (row, column) = (row - 1, column - 1);
        } else if table[row][column - 1] > table[row - 1][column] {
            column -= 1;
        } else {
            row -= 1;
        }
    }
    places
}

fn words(text: &str, stems: bool) -> Vec<String> {
    let lower = text.to_lowercase();
    let words = lower.split(|c: char| !(c.is_ascii_lowercase() || c.is_ascii_digit())).filter(|word| !word.is_empty());
    words.map(|word| if stems && word.len() > 3 { stem(word) } else { word.to_owned() }).collect()
}

/// How many n-grams both have, and how many each has.
fn overlap(text: &[String], reference: &[String], n: usize) -> (usize, usize, usize) {
    let mut left: HashMap<&[String], usize> = HashMap::new();
    for gram in reference.windows(n) {
        *left.entry(gram).or_default() += 1;
    }
    let mut common = 0;
    for gram in text.windows(n) {
        if let Some(count) = left.get_mut(gram).filter(|count| **count > 0) {
            *count -= 1;
            common += 1;
        }
    }
    (common, text.windows(n).len(), reference.windows(n).len())
}

/// The length of the longest common subsequence.
fn longest_common(text: &[String], reference: &[String]) -> usize {
    let mut row = vec![0; reference.len() + 1];
    for word in text {
        let mut diagonal = 0;
        for (at, wanted) in reference.iter().enumerate() {
            let above = row[at + 1];
            row[at + 1] = if word == wanted { diagonal + 1 } else { above.max(row[at]) };
            diagonal = above;
        }
    }
    row[reference.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_pairs_and_subsequences_are_counted() {
        // From rouge_score.rouge_scorer.RougeScorer 0.1.2.
        let score = |rouge: Rouge, text, reference| rouge.score(text, &[reference], false);
        let (text, reference) = ("The red lamp fell on the floor.", "the floor: on it, the red lamp");
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} is not {b}");
        close(score(Rouge::One, text, reference), 0.857_142_857_142_857_1);
        close(score(Rouge::Two, text, reference), 0.5);
        close(score(Rouge::Longest, text, reference), 0.428_571_428_571_428_55);
        close(score(Rouge::One, "", "x"), 0.0);
        close(score(Rouge::Two, "x", "x"), 0.0);
        close(score(Rouge::One, "caf\u{e9} au lait", "caf au lait"), 1.0);
    }

    #[test]
    fn the_best_reference_counts_and_long_words_are_stemmed() {
        let best = Rouge::One.score("it was raining", &["dry", "it rained", "it was raining there"], true);
        assert!((best - 6.0 / 7.0).abs() < 1e-12);
        let of = |stems| Rouge::One.score("relational databases", &["relate database"], stems);
        assert!((of(true) - 1.0).abs() < 1e-12 && of(false).abs() < 1e-12);
    }
}
