//! Means and their standard errors.

/// How a group of groups gets its standard error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolingRule {
    /// Pooled over all subtasks at once (lm-evaluation-harness 0.4.13).
    AllAtOnce,
    /// Pooled over the groups, each pooled over its subtasks (lm-evaluation-harness at commit 9e6e240).
    LevelByLevel,
}

/// A mean over documents.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct DocumentMean {
    /// The mean.
    pub value: f64,
    /// Its standard error: sample standard deviation over the square root of the number of documents. `None` for a
    /// single document.
    pub stderr: Option<f64>,
    /// Documents it is over.
    pub documents: usize,
}

impl DocumentMean {
    /// The mean of `values`; `None` of nothing.
    pub fn mean(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let n = values.len() as f64;
        let value = values.iter().sum::<f64>() / n;
        let stderr = (values.len() > 1).then(|| {
            let squares: f64 = values.iter().map(|x| (x - value).powi(2)).sum();
            (squares / (n - 1.0)).sqrt() / n.sqrt()
        });
        Some(Self { value, stderr, documents: values.len() })
    }
}

impl DocumentMean {
    /// The mean of the means of the first, the first two, the first three values, and so on; `None` of nothing. It has
    /// no standard error.
    pub fn running_mean(values: &[f64]) -> Option<Self> {
        if values.is_empty() {
            return None;
        }
        let (mut sum, mut means) = (0.0, 0.0);
        for (count, value) in (1..).zip(values) {
            sum += value;
            means += sum / f64::from(count);
        }
        Some(Self { value: means / values.len() as f64, stderr: None, documents: values.len() })
    }
}

impl DocumentMean {
    /// The perplexity of documents with these log-likelihoods: `exp(-mean)`; `None` of nothing. Its standard error is that
    /// of the mean times the perplexity, to first order. (lm-evaluation-harness draws bootstrap samples.)
    pub fn perplexity(log_likelihoods: &[f64]) -> Option<Self> {
        let mean = Self::mean(log_likelihoods)?;
        let value = (-mean.value).exp();
        Some(Self { value, stderr: mean.stderr.map(|stderr| stderr * value), ..mean })
    }
}

/// A group's figure: the mean weighted by the parts' sizes, and the pooled standard error
/// `sqrt(sum((n_i - 1) n_i s_i^2) / (N - k) / N)` over its `k` parts at once. No standard error where a part has none,
/// no figure of no parts.
///
/// Source: lm-evaluation-harness 0.4.13, `aggregate_subtask_metrics` and `pooled_sample_stderr`.
pub fn pooled(parts: &[DocumentMean]) -> Option<DocumentMean> {
    let documents: usize = parts.iter().map(|part| part.documents).sum();
    if documents == 0 {
        return None;
    }
    let total = documents as f64;
    let value = parts.iter().map(|part| part.value * part.documents as f64).sum::<f64>() / total;
    let weighted: Option<f64> = parts
        .iter()
        .map(|part| {
            let n = part.documents as f64;
            part.stderr.map(|stderr| (n - 1.0) * stderr.powi(2) * n)
        })
        .sum();
    let stderr = weighted.map(|sum| (sum / (total - parts.len() as f64) / total).sqrt());
    Some(DocumentMean { value, stderr, documents })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_error_is_the_samples() {
        let estimate = DocumentMean::mean(&[1.0, 0.0, 1.0, 1.0]).unwrap();
        assert!((estimate.value - 0.75).abs() < 1e-15);
        assert!((estimate.stderr.unwrap() - 0.25).abs() < 1e-15);
        assert_eq!(DocumentMean::mean(&[1.0]).unwrap().stderr, None);
        assert_eq!(DocumentMean::mean(&[]), None);
    }

    #[test]
    fn a_running_mean_weighs_the_first_documents_most() {
        // 1, 1/2, 1/3
        let estimate = DocumentMean::running_mean(&[1.0, 0.0, 0.0]).unwrap();
        assert!((estimate.value - (1.0 + 0.5 + 1.0 / 3.0) / 3.0).abs() < 1e-15);
        assert_eq!((estimate.stderr, estimate.documents), (None, 3));
        assert_eq!(DocumentMean::running_mean(&[]), None);
    }

    #[test]
    fn perplexity_is_that_of_the_mean_document() {
        let estimate = DocumentMean::perplexity(&[-1.0, -3.0]).unwrap();
        assert!((estimate.value - 2.0_f64.exp()).abs() < 1e-12);
        assert!((estimate.stderr.unwrap() - 2.0_f64.exp()).abs() < 1e-12);
        assert_eq!(DocumentMean::perplexity(&[]), None);
    }

    #[test]
    fn a_group_weighs_its_parts_by_size() {
        let parts = [DocumentMean::mean(&[1.0, 1.0, 0.0]).unwrap(), DocumentMean::mean(&[0.0, 1.0]).unwrap()];
        let group = pooled(&parts).unwrap();
        assert!((group.value - 0.6).abs() < 1e-15);
        // Sums of squares 2/3 and 1/2 over 5 - 2, then over 5.
        assert!((group.stderr.unwrap() - ((2.0 / 3.0 + 0.5) / 3.0_f64 / 5.0).sqrt()).abs() < 1e-15);
        assert_eq!(group.documents, 5);
    }

    #[test]
    fn a_group_with_a_part_of_one_document_has_no_standard_error() {
        let parts = [DocumentMean::mean(&[1.0, 0.0]).unwrap(), DocumentMean::mean(&[1.0]).unwrap()];
        assert_eq!(pooled(&parts).unwrap().stderr, None);
    }
}
