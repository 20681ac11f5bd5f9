//! Metrics of all documents together, which no mean over documents gives.

use std::collections::{BTreeMap, BTreeSet};

use super::edit_rate::edit_rate;
use super::translation::{TextPair, bleu, chrf};
use crate::python::is_space;

/// A metric of all documents together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CorpusMetric {
    /// F1 of choice 1, where there are two; 0 to 1.
    F1,
    /// Matthews' correlation of what was chosen with what is right, -1 to 1.
    Matthews,
    /// BLEU, 0 to 1.
    Bleu,
    /// chrF, 0 to 1.
    Chrf,
    /// TER: less is better.
    Ter,
    /// Perplexity per word.
    WordPerplexity,
    /// Perplexity per byte.
    BytePerplexity,
    /// Bits per byte.
    BitsPerByte,
}

/// What of documents a metric is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// Choices, right and chosen.
    Choices,
    /// Texts, right and written.
    Texts,
    /// Log-likelihoods of texts, and how long these are.
    LogLikelihoods,
}

impl CorpusMetric {
    /// lm-evaluation-harness's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::F1 => "f1",
            Self::Matthews => "mcc",
            Self::Bleu => "bleu",
            Self::Chrf => "chrf",
            Self::Ter => "ter",
            Self::WordPerplexity => "word_perplexity",
            Self::BytePerplexity => "byte_perplexity",
            Self::BitsPerByte => "bits_per_byte",
        }
    }

    /// The metric of that name.
    pub fn named(name: &str) -> Option<Self> {
        let all = [
            Self::F1,
            Self::Matthews,
            Self::Bleu,
            Self::Chrf,
            Self::Ter,
            Self::WordPerplexity,
            Self::BytePerplexity,
            Self::BitsPerByte,
        ];
        all.into_iter().find(|metric| metric.name() == name)
    }

    /// What it is over.
    pub fn over(self) -> Over {
        match self {
            Self::F1 | Self::Matthews => Over::Choices,
            Self::Bleu | Self::Chrf | Self::Ter => Over::Texts,
            Self::WordPerplexity | Self::BytePerplexity | Self::BitsPerByte => Over::LogLikelihoods,
        }
    }

    /// Of texts with their log-likelihoods. None where it is not over these, or of nothing.
    pub fn of_log_likelihoods<'t>(self, texts: impl IntoIterator<Item = (&'t str, f64)>) -> Option<f64> {
        let length: fn(&str) -> usize = match self {
            Self::WordPerplexity => words,
            Self::BytePerplexity | Self::BitsPerByte => str::len,
            _ => return None,
        };
        let (mut sum, mut lengths) = (0.0, 0);
        for (text, log_likelihood) in texts {
            sum += log_likelihood;
            lengths += length(text);
        }
        let nats = (lengths > 0).then(|| -sum / lengths as f64)?;
        Some(if self == Self::BitsPerByte { nats / std::f64::consts::LN_2 } else { nats.exp() })
    }

    /// Of choices: the right one and the chosen one of each document. None where it is none of choices, or F1 of more than
    /// two.
    pub fn of_choices(self, pairs: &[(usize, usize)]) -> Option<f64> {
        match self {
            Self::F1 => f1(pairs),
            Self::Matthews => Some(matthews(pairs)),
            _ => None,
        }
    }

    /// Of texts: the reference and what was written, of each document. None where it is none of texts.
    pub fn of_texts<'t>(self, pairs: impl IntoIterator<Item = TextPair<'t>>) -> Option<f64> {
        match self {
            Self::Bleu => Some(bleu(pairs)),
            Self::Chrf => Some(chrf(pairs)),
            Self::Ter => Some(edit_rate(pairs)),
            _ => None,
        }
    }
}

/// `len(re.split(r"\s+", text))`.
fn words(text: &str) -> usize {
    let spaces = text.chars().map(is_space);
    let (mut words, mut before) = (1, false);
    for space in spaces {
        words += usize::from(space && !before);
        before = space;
    }
    words
}

/// scikit-learn's `f1_score` of two classes; 0 where nobody says 1.
fn f1(pairs: &[(usize, usize)]) -> Option<f64> {
    let classes: BTreeSet<usize> = pairs.iter().flat_map(|(right, chosen)| [*right, *chosen]).collect();
    if classes.len() > 2 || (classes.len() == 2 && !classes.contains(&1)) {
        return None;
    }
    let count = |wanted: (bool, bool)| {
        let is = |&&(right, chosen): &&(usize, usize)| (right == 1, chosen == 1) == wanted;
        pairs.iter().filter(is).count() as f64
    };
    let (hits, wrong) = (count((true, true)), count((false, true)) + count((true, false)));
    Some(if hits + wrong == 0.0 { 0.0 } else { 2.0 * hits / (2.0 * hits + wrong) })
}

/// scikit-learn's `matthews_corrcoef`, of any number of classes; 0 where one side says the same of everything.
fn matthews(pairs: &[(usize, usize)]) -> f64 {
    let (mut right, mut chosen): (BTreeMap<usize, f64>, BTreeMap<usize, f64>) = Default::default();
    for (of_right, of_chosen) in pairs {
        *right.entry(*of_right).or_default() += 1.0;
        *chosen.entry(*of_chosen).or_default() += 1.0;
    }
    let all = pairs.len() as f64;
    let hits = pairs.iter().filter(|(right, chosen)| right == chosen).count() as f64;
    let product = |a: &BTreeMap<usize, f64>, b: &BTreeMap<usize, f64>| -> f64 {
        a.iter().map(|(class, count)| count * b.get(class).unwrap_or(&0.0)).sum()
    };
    let together = hits * all - product(&right, &chosen);
    let spread = (all * all - product(&right, &right)) * (all * all - product(&chosen, &chosen));
    if spread == 0.0 { 0.0 } else { together / spread.sqrt() }
}

#[cfg(test)]
mod tests {
    use super::*;

    // Values from scikit-learn 1.9.
    #[test]
    fn choices_are_counted_as_scikit_learn_counts_them() {
        let pairs = [(1, 1), (1, 0), (0, 0), (0, 1), (1, 1), (0, 0), (1, 1)];
        let of = |metric: CorpusMetric, pairs: &[(usize, usize)]| metric.of_choices(pairs);
        assert!((of(CorpusMetric::F1, &pairs).unwrap() - 0.75).abs() < 1e-12);
        assert!((of(CorpusMetric::Matthews, &pairs).unwrap() - 0.416_666_666_666_666_7).abs() < 1e-12);
        let three = [(0, 0), (1, 2), (2, 2), (1, 1), (0, 1), (2, 0)];
        assert_eq!(of(CorpusMetric::F1, &three), None);
        assert!((of(CorpusMetric::Matthews, &three).unwrap() - 0.25).abs() < 1e-12);
        assert_eq!(of(CorpusMetric::F1, &[(0, 0)]), Some(0.0));
        assert_eq!(of(CorpusMetric::F1, &[(0, 2)]), None);
        assert_eq!(of(CorpusMetric::Matthews, &[(1, 1), (1, 1)]), Some(0.0));
        assert_eq!(of(CorpusMetric::Bleu, &pairs), None);
    }

    #[test]
    fn long_texts_weigh_more_and_words_are_what_white_space_divides() {
        let texts = [("a b  c", -6.0), (" d\n", -2.0)];
        let of = |metric: CorpusMetric| metric.of_log_likelihoods(texts).unwrap();
        // From Python: re.split(r"\s+", ...) gives three pieces each; six bytes and three.
        assert!((of(CorpusMetric::WordPerplexity) - (8.0_f64 / 6.0).exp()).abs() < 1e-12);
        assert!((of(CorpusMetric::BytePerplexity) - (8.0_f64 / 9.0).exp()).abs() < 1e-12);
        assert!((of(CorpusMetric::BitsPerByte) - 8.0 / 9.0 / 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(CorpusMetric::WordPerplexity.of_log_likelihoods([]), None);
    }

    #[test]
    fn every_metric_is_found_by_its_name() {
        for name in ["f1", "mcc", "bleu", "chrf", "ter", "word_perplexity", "byte_perplexity", "bits_per_byte"] {
            assert_eq!(CorpusMetric::named(name).map(CorpusMetric::name), Some(name));
        }
        assert_eq!(CorpusMetric::named("acc"), None);
    }
}
