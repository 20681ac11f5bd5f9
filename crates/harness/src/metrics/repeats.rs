//! Several responses to one document: what is reached with k tries, and by a majority.

use serde_json::Value;

use super::aggregate::DocumentMean;
use crate::{Aggregate, MetricKey};

/// One try at a document that did not fail.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Try<'a> {
    /// Its value under the primary metric, 0 to 1.
    pub value: f64,
    /// What was extracted by the primary filter; none where nothing could be.
    pub extracted: Option<&'a Value>,
}

/// The probability that one of `k` tries is right, of which `right` of `tries` were (Chen et al. 2021, "Evaluating large
/// language models trained on code", equation 1): of all ways to choose k of them, those with a right one.
///
/// `k` is at most `tries`.
pub fn pass_at(k: usize, tries: usize, right: usize) -> f64 {
    if tries - right < k {
        return 1.0;
    }
    // C(n - c, k) / C(n, k) as a product, which does not overflow.
    1.0 - (tries - right + 1..=tries).map(|n| 1.0 - k as f64 / n as f64).product::<f64>()
}

/// The value of the answer that most tries came to; of answers that are as frequent, the one that came first. A try without
/// an answer votes for none.
fn majority(tries: &[Try<'_>]) -> f64 {
    let mut votes: Vec<(&Value, f64, usize)> = Vec::new();
    for one in tries {
        let Some(extracted) = one.extracted else { continue };
        match votes.iter_mut().find(|(answer, ..)| *answer == extracted) {
            Some((.., count)) => *count += 1,
            None => votes.push((extracted, one.value, 1)),
        }
    }
    let most = votes.iter().map(|(.., count)| *count).max();
    votes.iter().find(|(.., count)| Some(*count) == most).map_or(0.0, |(_, value, _)| *value)
}

/// `avg@k`, `pass@k` for k of 2, 4, 8 and so on, and `maj@k` of a task's documents, `repeats` tries each; documents some of
/// whose tries failed are left out where fewer than k are there. Tries of a document depend on each other: standard errors
/// are those of means over documents.
///
/// `pass@k` and `maj@k` are of tries that are right or wrong; where the metric gives credit in between, there are none.
pub fn over_repeats(task: &str, primary: &MetricKey, repeats: usize, documents: &[Vec<Try<'_>>]) -> Vec<Aggregate> {
    let is_right = |value: f64| value > 1.0 - 1e-9;
    let figure = |metric: String, of: &dyn Fn(&[Try<'_>]) -> f64, tries: usize| {
        let values: Vec<f64> =
            documents.iter().filter(|document| document.len() >= tries).map(|document| of(document)).collect();
        let DocumentMean { value, stderr, documents } = DocumentMean::mean(&values)?;
        let key = MetricKey { metric, filter: primary.filter.clone() };
        Some(Aggregate { name: task.to_owned(), key, value, stderr, documents, is_group: false })
    };
    let average = |tries: &[Try<'_>]| tries.iter().map(|one| one.value).sum::<f64>() / tries.len() as f64;
    let mut figures = vec![figure(format!("avg@{repeats}"), &average, 1)];
    let mut all = documents.iter().flatten();
    if all.all(|one| one.value == 0.0 || is_right(one.value)) {
        let powers = std::iter::successors(Some(2), |k| Some(k * 2)).take_while(|k| *k < repeats);
        for k in powers.chain([repeats]) {
            let right = |tries: &[Try<'_>]| tries.iter().filter(|one| is_right(one.value)).count();
            figures.push(figure(format!("pass@{k}"), &|tries| pass_at(k, tries.len(), right(tries)), k));
        }
        figures.push(figure(format!("maj@{repeats}"), &majority, repeats));
    }
    figures.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn passing_with_k_tries_is_one_minus_the_ways_to_choose_wrong_ones_only() {
        // 1 - C(7, 2) / C(10, 2) = 1 - 21 / 45
        assert!((pass_at(2, 10, 3) - (1.0 - 21.0 / 45.0)).abs() < 1e-15);
        assert!((pass_at(1, 10, 3) - 0.3).abs() < 1e-15);
        assert_eq!((pass_at(8, 10, 3).to_bits(), pass_at(5, 5, 0).to_bits()), (1.0_f64.to_bits(), 0.0_f64.to_bits()));
        assert!(pass_at(100, 10_000, 1) > 0.0099 && pass_at(100, 10_000, 1) < 0.0101);
    }

    #[test]
    fn the_majority_is_of_answers_and_the_first_of_those_as_frequent() {
        let (a, b) = (json!("a"), json!("b"));
        let of = |answers: &[(Option<&Value>, f64)]| {
            let tries = answers.iter().map(|&(extracted, value)| Try { value, extracted });
            majority(&tries.collect::<Vec<_>>())
        };
        assert!((of(&[(Some(&b), 0.0), (Some(&a), 1.0), (Some(&a), 1.0)]) - 1.0).abs() < 1e-15);
        assert!(of(&[(Some(&b), 0.0), (Some(&a), 1.0)]).abs() < 1e-15);
        assert!((of(&[(None, 0.0), (None, 0.0), (Some(&a), 1.0)]) - 1.0).abs() < 1e-15);
        assert!(of(&[(None, 0.0)]).abs() < 1e-15);
    }

    #[test]
    fn figures_are_over_documents_and_none_is_right_or_wrong_where_there_is_credit_in_between() {
        let key = MetricKey { metric: "exact_match".into(), filter: "strict".into() };
        let tries = |values: &[f64]| values.iter().map(|&value| Try { value, extracted: None }).collect::<Vec<_>>();
        let documents = [tries(&[1.0, 0.0, 0.0, 0.0]), tries(&[1.0, 1.0, 1.0, 1.0]), tries(&[0.0, 0.0])];
        let figures = over_repeats("t", &key, 4, &documents);
        let shown: Vec<(String, usize)> = figures.iter().map(|f| (f.key.to_string(), f.documents)).collect();
        let expected = [("avg@4", 3), ("pass@2", 3), ("pass@4", 2), ("maj@4", 2)];
        assert_eq!(shown, expected.map(|(metric, documents)| (format!("{metric},strict"), documents)));
        assert!((figures[0].value - 1.25 / 3.0).abs() < 1e-15 && (figures[1].value - 0.5).abs() < 1e-15);
        // Of means over documents, not of ten tries: sqrt(var(0.25, 1, 0) / 3).
        assert!((figures[0].stderr.unwrap() - (0.270_833_333_333 / 3.0_f64).sqrt()).abs() < 1e-9);
        assert_eq!(over_repeats("t", &key, 2, &[tries(&[0.5, 1.0])]).len(), 1);
    }
}
