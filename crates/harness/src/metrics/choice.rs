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

    /// The share of the choices that are `right` in the probabilities of all. Not a number where all are impossible.
    ///
    /// As lm-evaluation-harness's `process_results_mc2`: without the largest taken out first, so that choices whose
    /// probabilities all vanish give none.
    pub fn mass(&self, right: &[bool]) -> f64 {
        let all: f64 = self.log_likelihoods.iter().map(|sum| sum.exp()).sum();
        self.log_likelihoods.iter().zip(right).filter(|(_, right)| **right).map(|(sum, _)| sum.exp() / all).sum()
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
