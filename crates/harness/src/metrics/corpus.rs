//! Metrics of all documents together, which no mean over documents gives.

use std::collections::{BTreeMap, BTreeSet};

use super::definition::{F1Average, MetricDefinition};
use super::edit_rate::edit_rate;
use super::translation::{TextPair, bleu, chrf};
use crate::python::is_space;

/// Of texts with their log-likelihoods. None where the metric is not over these, or of nothing.
pub(crate) fn over_log_likelihoods<'t>(
    metric: &MetricDefinition,
    texts: impl IntoIterator<Item = (&'t str, f64)>,
) -> Option<f64> {
    let length: fn(&str) -> usize = match metric {
        MetricDefinition::WordPerplexity => words,
        MetricDefinition::BytePerplexity | MetricDefinition::BitsPerByte => str::len,
        _ => return None,
    };
    let (mut sum, mut lengths) = (0.0, 0);
    for (text, log_likelihood) in texts {
        sum += log_likelihood;
        lengths += length(text);
    }
    let nats = (lengths > 0).then(|| -sum / lengths as f64)?;
    Some(if *metric == MetricDefinition::BitsPerByte { nats / std::f64::consts::LN_2 } else { nats.exp() })
}

/// Of choices: the right one and the chosen one of each document. None where the metric is none of choices, or F1 of two
/// classes and there are more.
pub(crate) fn over_choices(metric: &MetricDefinition, pairs: &[(usize, usize)]) -> Option<f64> {
    match metric {
        MetricDefinition::F1 { average: F1Average::Binary } => f1_of_two(pairs),
        MetricDefinition::F1 { average } => Some(f1_of_classes(pairs, *average)),
        MetricDefinition::Mcc => Some(matthews(pairs)),
        _ => None,
    }
}

/// Of texts: the reference and what was written, of each document; 0 to 1 but for TER. None where the metric is none of
/// texts together.
pub fn over_texts<'t>(metric: &MetricDefinition, pairs: impl IntoIterator<Item = TextPair<'t>>) -> Option<f64> {
    match metric {
        MetricDefinition::Bleu => Some(bleu(pairs)),
        MetricDefinition::Chrf => Some(chrf(pairs)),
        MetricDefinition::Ter => Some(edit_rate(pairs)),
        _ => None,
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
fn f1_of_two(pairs: &[(usize, usize)]) -> Option<f64> {
    let classes: BTreeSet<usize> = pairs.iter().flat_map(|(right, chosen)| [*right, *chosen]).collect();
    if classes.len() > 2 || (classes.len() == 2 && !classes.contains(&1)) {
        return None;
    }
    Some(f1_of(1, pairs))
}

/// F1 of one class against all others; 0 where nobody says it.
fn f1_of(class: usize, pairs: &[(usize, usize)]) -> f64 {
    let count = |wanted: (bool, bool)| {
        let is = |&&(right, chosen): &&(usize, usize)| (right == class, chosen == class) == wanted;
        pairs.iter().filter(is).count() as f64
    };
    let (hits, wrong) = (count((true, true)), count((false, true)) + count((true, false)));
    if hits + wrong == 0.0 { 0.0 } else { 2.0 * hits / (2.0 * hits + wrong) }
}

/// scikit-learn's `f1_score` of any number of classes: those that are right or chosen somewhere. 0 of nothing.
fn f1_of_classes(pairs: &[(usize, usize)], average: F1Average) -> f64 {
    let classes: BTreeSet<usize> = pairs.iter().flat_map(|(right, chosen)| [*right, *chosen]).collect();
    let of_class = |class: usize| pairs.iter().filter(|(right, _)| *right == class).count() as f64;
    let weight = |class: usize| if average == F1Average::Weighted { of_class(class) } else { 1.0 };
    if average == F1Average::Micro {
        let hits = pairs.iter().filter(|(right, chosen)| right == chosen).count();
        return hits as f64 / pairs.len().max(1) as f64;
    }
    let all: f64 = classes.iter().map(|class| weight(*class)).sum();
    let sum: f64 = classes.iter().map(|class| weight(*class) * f1_of(*class, pairs)).sum();
    if all == 0.0 { 0.0 } else { sum / all }
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
        let f1 = |average, pairs: &[(usize, usize)]| over_choices(&MetricDefinition::F1 { average }, pairs);
        let mcc = |pairs: &[(usize, usize)]| over_choices(&MetricDefinition::Mcc, pairs);
        let close = |found: Option<f64>, expected: f64| {
            assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} is not {expected}");
        };
        close(f1(F1Average::Binary, &pairs), 0.75);
        close(mcc(&pairs), 0.416_666_666_666_666_7);
        let three = [(0, 0), (1, 2), (2, 2), (1, 1), (0, 1), (2, 0), (2, 2)];
        assert_eq!(f1(F1Average::Binary, &three), None);
        close(f1(F1Average::Weighted, &three), 0.571_428_571_428_571_4);
        close(f1(F1Average::Macro, &three), 0.555_555_555_555_555_5);
        close(f1(F1Average::Micro, &three), 4.0 / 7.0);
        close(mcc(&three[..6]), 0.25);
        close(f1(F1Average::Weighted, &[(0, 3), (0, 0)]), 2.0 / 3.0);
        assert_eq!(f1(F1Average::Binary, &[(0, 0)]), Some(0.0));
        assert_eq!(f1(F1Average::Binary, &[(0, 2)]), None);
        assert_eq!(mcc(&[(1, 1), (1, 1)]), Some(0.0));
        assert_eq!(over_choices(&MetricDefinition::Bleu, &pairs), None);
    }

    #[test]
    fn long_texts_weigh_more_and_words_are_what_white_space_divides() {
        let texts = [("a b  c", -6.0), (" d\n", -2.0)];
        let of = |metric: MetricDefinition| over_log_likelihoods(&metric, texts).unwrap();
        // From Python: re.split(r"\s+", ...) gives three pieces each; six bytes and three.
        assert!((of(MetricDefinition::WordPerplexity) - (8.0_f64 / 6.0).exp()).abs() < 1e-12);
        assert!((of(MetricDefinition::BytePerplexity) - (8.0_f64 / 9.0).exp()).abs() < 1e-12);
        assert!((of(MetricDefinition::BitsPerByte) - 8.0 / 9.0 / 2.0_f64.ln()).abs() < 1e-12);
        assert_eq!(over_log_likelihoods(&MetricDefinition::WordPerplexity, []), None);
    }
}
