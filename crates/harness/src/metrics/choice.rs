//! Accuracy of multiple choice.

/// Log-likelihoods of a document's choices, with the choices' texts (without their leading space).
#[derive(Clone, Copy, Debug)]
pub struct ChoiceScores<'a> {
    /// Sum of the natural logarithms of the continuation's token probabilities, one per choice.
    pub log_likelihoods: &'a [f64],
    /// The choices' texts.
    pub choices: &'a [String],
}

impl ChoiceScores<'_> {
    /// The choice with the highest log-likelihood; ties go to the first. `None` without choices.
    pub fn best(&self) -> Option<usize> {
        argmax(self.log_likelihoods.iter().copied())
    }

    /// The choice with the highest log-likelihood per character (Unicode scalar values, not bytes).
    pub fn best_normalised(&self) -> Option<usize> {
        let lengths = self.choices.iter().map(|choice| choice.chars().count() as f64);
        argmax(self.log_likelihoods.iter().zip(lengths).map(|(sum, length)| sum / length))
    }

    /// The choice with the highest log-likelihood per byte of UTF-8.
    pub fn best_per_byte(&self) -> Option<usize> {
        let lengths = self.choices.iter().map(|choice| choice.len() as f64);
        argmax(self.log_likelihoods.iter().zip(lengths).map(|(sum, length)| sum / length))
    }

    /// The share of the choices that are `right` in the probabilities of all; 0 where all are impossible.
    ///
    /// lm-evaluation-harness's `process_results_mc2` without its underflow: there, the share of choices that are all as
    /// unlikely as long ones can be is no number.
    pub fn mass(&self, right: &[bool]) -> f64 {
        let most = self.log_likelihoods.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        if most == f64::NEG_INFINITY {
            return 0.0;
        }
        let share = |sum: &f64| (sum - most).exp();
        let all: f64 = self.log_likelihoods.iter().map(share).sum();
        self.log_likelihoods.iter().zip(right).filter(|(_, right)| **right).map(|(sum, _)| share(sum)).sum::<f64>()
            / all
    }
}

/// `numpy.argmax`: the first of the largest values; the first NaN where there is one. `None` of nothing.
pub fn argmax(values: impl Iterator<Item = f64>) -> Option<usize> {
    let mut best: Option<(usize, f64)> = None;
    for (index, value) in values.enumerate() {
        if value.is_nan() {
            return Some(index);
        }
        if best.is_none_or(|(_, highest)| value > highest) {
            best = Some((index, value));
        }
    }
    best.map(|(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_first_and_nan_wins() {
        assert_eq!(argmax([-2.0, -1.0, -1.0].into_iter()), Some(1));
        assert_eq!(argmax([-2.0, f64::NAN, -1.0].into_iter()), Some(1));
        assert_eq!(argmax([f64::NEG_INFINITY; 2].into_iter()), Some(0));
        assert_eq!(argmax(std::iter::empty()), None);
    }

    #[test]
    fn the_share_of_right_choices_is_of_probabilities_however_small() {
        let choices = ["a".to_owned(), "b".to_owned(), "c".to_owned()];
        let share =
            |log_likelihoods: &[f64]| ChoiceScores { log_likelihoods, choices: &choices }.mass(&[true, false, true]);
        let ln = |probability: f64| probability.ln();
        assert!((share(&[ln(0.1), ln(0.2), ln(0.2)]) - 0.6).abs() < 1e-15);
        assert!((share(&[-2000.0, -2000.0, f64::NEG_INFINITY]) - 0.5).abs() < 1e-15);
        assert!(share(&[f64::NEG_INFINITY; 3]).abs() < 1e-15);
    }

    #[test]
    fn length_is_counted_in_characters() {
        let choices = ["ééé".to_owned(), "abcd".to_owned()];
        let scores = ChoiceScores { log_likelihoods: &[-3.0, -3.5], choices: &choices };
        assert_eq!(scores.best(), Some(0));
        assert_eq!(
            scores.best_normalised(),
            Some(1),
            "-1 per character against -0.875; by bytes it would be the first"
        );
    }
}
