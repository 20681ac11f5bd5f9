//! Questions that may have no answer: what a threshold makes of the answers.
//!
//! Source: the evaluation of `SQuAD` 2.0, whose figures at the best threshold the metric `squad_v2` of the library `evaluate` computes
//! and lm-evaluation-harness 0.4.13 reports.

/// An answer to a question that may have none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DoubtedAnswer {
    /// How good it is, 0 to 1.
    pub score: f64,
    /// Whether it is no text at all: nothing is changed by taking it for no answer.
    pub is_empty: bool,
    /// Whether the question has an answer.
    pub has_answer: bool,
    /// How likely it was that there is none.
    pub no_answer: NoAnswerProbability,
}

/// A probability that there is no answer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NoAnswerProbability(f64);

impl NoAnswerProbability {
    /// Of a log-likelihood.
    pub fn of_log(log_likelihood: f64) -> Self {
        Self(log_likelihood.exp())
    }
}

/// The best mean over thresholds: answers count up to the threshold's probability of there being none, and all questions
/// behind it count as unanswered. None of nothing.
///
/// Of answers that are equally likely to be none, the first ones count before the others, as there: a threshold can stand
/// between them, so that the figure depends on their order.
pub fn best_over_thresholds(answers: &[DoubtedAnswer]) -> Option<f64> {
    if answers.is_empty() {
        return None;
    }
    let mut order: Vec<&DoubtedAnswer> = answers.iter().collect();
    order.sort_by(|a, b| a.no_answer.0.total_cmp(&b.no_answer.0));
    // With every question unanswered, those are right that have no answer.
    let mut sum = answers.iter().filter(|answer| !answer.has_answer).count() as f64;
    let mut best = sum;
    for answer in order {
        sum += match (answer.has_answer, answer.is_empty) {
            (true, _) => answer.score,
            (false, true) => 0.0,
            (false, false) => -1.0,
        };
        best = best.max(sum);
    }
    Some(best / answers.len() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(score: f64, has_answer: bool, log_likelihood: f64) -> DoubtedAnswer {
        let no_answer = NoAnswerProbability::of_log(log_likelihood);
        DoubtedAnswer { score, is_empty: false, has_answer, no_answer }
    }

    fn close(found: Option<f64>, expected: f64) {
        assert!(found.is_some_and(|found| (found - expected).abs() < 1e-12), "{found:?} is not {expected}");
    }

    #[test]
    fn the_best_threshold_lets_likely_answers_count_and_leaves_the_others_out() {
        let answers = [
            answer(1.0, true, -3.0),
            answer(0.0, false, -0.5),
            answer(0.5, true, -2.0),
            answer(0.0, false, -1.0),
            answer(1.0, true, -0.7),
        ];
        // In the order of probabilities: +1, +0.5, -1, +1, -1 from 2, at best 3.5.
        close(best_over_thresholds(&answers), 3.5 / 5.0);
    }

    #[test]
    fn with_every_question_unanswered_those_without_an_answer_are_right() {
        close(best_over_thresholds(&[answer(0.0, true, -1.0), answer(0.0, false, -2.0)]), 0.5);
        assert_eq!(best_over_thresholds(&[]), None);
    }

    #[test]
    fn of_equally_likely_ones_the_first_count_first() {
        let (right, wrong) = (answer(1.0, true, -1.0), answer(0.0, false, -1.0));
        close(best_over_thresholds(&[right, wrong]), 1.0);
        close(best_over_thresholds(&[wrong, right]), 0.5);
        // Both are as good as impossible: their probabilities are the same zero.
        close(best_over_thresholds(&[answer(0.0, false, -900.0), answer(1.0, true, -1000.0)]), 0.5);
    }

    #[test]
    fn an_empty_answer_is_none_at_every_threshold() {
        let empty = DoubtedAnswer { is_empty: true, ..answer(1.0, false, -4.0) };
        close(best_over_thresholds(&[empty, answer(1.0, true, -1.0)]), 1.0);
    }
}
