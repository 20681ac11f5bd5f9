//! A task's figures where documents are asked several times.

use crate::metrics::{Try, over_repeats};
use crate::task::{Aggregate, Document, LoadedTask, Outcome, Score};

/// Aggregates scored documents. Of several times that one was asked, its metrics are the means, so that standard errors
/// are those of documents and not of tries; what is reached with several tries comes behind.
pub(super) fn aggregates(task: &LoadedTask, scored: &[(&Document, &Score)]) -> Vec<Aggregate> {
    let repeats = task.repeats();
    if repeats == 1 {
        return task.scorer.aggregate(scored);
    }
    let same = |a: &(&Document, &Score), b: &(&Document, &Score)| (a.0.id, &a.0.subject) == (b.0.id, &b.0.subject);
    let documents: Vec<&[(&Document, &Score)]> = scored.chunk_by(same).collect();
    let means: Vec<(&Document, Score)> = documents.iter().map(|repeats| (repeats[0].0, mean(repeats))).collect();
    let mut aggregates =
        task.scorer.aggregate(&means.iter().map(|(document, score)| (*document, score)).collect::<Vec<_>>());
    let tries: Vec<Vec<Try<'_>>> = documents
        .iter()
        .map(|repeats| repeats.iter().filter_map(|(_, score)| one_try(task, score)).collect())
        .collect();
    aggregates.extend(over_repeats(&task.name, &task.primary, repeats, &tries));
    aggregates
}

/// The score of a document: extractions are those of its first try, metrics the means over all.
fn mean(repeats: &[(&Document, &Score)]) -> Score {
    let mut score = repeats[0].1.clone();
    for (filter, of_filter) in score.filters.iter_mut().enumerate() {
        for (metric, (_, value)) in of_filter.metrics.iter_mut().enumerate() {
            let values =
                repeats.iter().filter_map(|(_, score)| Some(score.filters.get(filter)?.metrics.get(metric)?.1));
            let values: Vec<f64> = values.collect();
            *value = values.iter().sum::<f64>() / values.len() as f64;
        }
    }
    score
}

fn one_try<'a>(task: &LoadedTask, score: &'a Score) -> Option<Try<'a>> {
    let filter = score.filters.iter().find(|filter| filter.filter == task.primary.filter)?;
    let value = filter.metrics.iter().find(|(metric, _)| *metric == task.primary.metric)?.1;
    Some(Try { value, extracted: (score.outcome != Outcome::NoAnswer).then_some(&filter.extracted) })
}
