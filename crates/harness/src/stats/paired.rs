//! The difference between two systems on the same documents, with its confidence interval.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::rng::Xoshiro256;

/// One document's score under one system.
#[derive(Clone, Debug, PartialEq)]
pub struct DocumentScore {
    /// MMLU's subject.
    pub subject: Option<String>,
    /// The document's row in its split.
    pub doc_id: usize,
    /// SHA-256 of the document's fields.
    pub doc_hash: String,
    /// Its value under the task's primary metric; none where it failed.
    pub value: Option<f64>,
}

/// One task's documents under one system, in any order.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskScores {
    /// The task's name.
    pub task: String,
    /// The version of the task's definition.
    pub version: String,
    /// Its documents.
    pub documents: Vec<DocumentScore>,
}

/// One score per document: of several times that one was asked, which stand together, the mean of those that did not fail.
pub fn mean_over_repeats(scores: impl IntoIterator<Item = DocumentScore>) -> Vec<DocumentScore> {
    let scores: Vec<DocumentScore> = scores.into_iter().collect();
    let same = |a: &DocumentScore, b: &DocumentScore| (a.doc_id, &a.subject) == (b.doc_id, &b.subject);
    let documents = scores.chunk_by(same).map(|repeats| {
        let values: Vec<f64> = repeats.iter().filter_map(|score| score.value).collect();
        let value = (!values.is_empty()).then(|| mean(values.iter().copied(), values.len()));
        DocumentScore { value, ..repeats[0].clone() }
    });
    documents.collect()
}

/// How a paired bootstrap is done.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Bootstrap {
    /// Times that documents are drawn anew.
    pub resamples: usize,
    /// Seed of [`Xoshiro256`].
    pub seed: u64,
    /// Confidence of the interval.
    pub level: f64,
}

impl Default for Bootstrap {
    /// 95% from 10,000 resamples.
    fn default() -> Self {
        Self { resamples: 10_000, seed: 20_240_618, level: 0.95 }
    }
}

/// By how much a system's average over tasks is above another's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PairedDifference {
    /// Average over tasks of the mean difference over documents, new minus base; 0 to 1 is 0 to 100 points.
    pub difference: f64,
    /// Lower end of the confidence interval.
    pub low: f64,
    /// Upper end of the confidence interval.
    pub high: f64,
    /// Two-sided p-value: twice the part of the resamples on the smaller side of zero, at most one (Efron and Tibshirani
    /// 1993, chapter 15).
    pub p: f64,
    /// Documents, over all tasks.
    pub documents: usize,
    /// Documents that one of the two failed on, which no pair is made of.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub failed: usize,
    /// How the interval was made.
    pub bootstrap: Bootstrap,
    /// The tasks' own differences.
    pub tasks: Vec<TaskDifference>,
}

/// By how much a system is above another on one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskDifference {
    /// The task's name.
    pub task: String,
    /// Its documents.
    pub documents: usize,
    /// Mean difference over documents, new minus base.
    pub difference: f64,
}

impl PairedDifference {
    /// Whether the interval leaves out zero.
    pub fn is_significant(&self) -> bool {
        self.low > 0.0 || self.high < 0.0
    }
}

/// The difference of `new` over `base`, averaged over tasks, with a percentile confidence interval.
///
/// The bootstrap (Efron and Tibshirani 1993, chapter 13) is paired, a document's two scores stay together, and
/// stratified, each task's documents are drawn anew among themselves: the interval speaks of other documents for these
/// tasks, not of other tasks. Its result depends on the seed and on nothing else; the order of tasks and documents does
/// not matter.
///
/// # Errors
/// When the two were not asked the same documents of the same tasks, no document of a task has a score of both, or a
/// score is not a number.
pub fn paired_difference(
    base: &[TaskScores],
    new: &[TaskScores],
    bootstrap: Bootstrap,
) -> Result<PairedDifference, StatsError> {
    if bootstrap.resamples == 0 || !(bootstrap.level > 0.0 && bootstrap.level < 1.0) {
        return Err(StatsError::Settings { resamples: bootstrap.resamples, level: bootstrap.level });
    }
    let (base, new) = (by_task(base)?, by_task(new)?);
    if base.is_empty() && new.is_empty() {
        return Err(StatsError::Empty);
    }
    for (here, there, missing_in) in [(&base, &new, Side::New), (&new, &base, Side::Base)] {
        if let Some(task) = here.keys().find(|task| !there.contains_key(*task)) {
            return Err(StatsError::MissingTask { task: (*task).to_owned(), missing_in });
        }
    }
    // Tasks are now the same, in the same order: by name.
    let differences =
        base.values().zip(new.values()).map(|(base, new)| differences(base, new)).collect::<Result<Vec<_>, _>>()?;

    let failed = base.values().map(|(_, documents)| documents.len()).sum::<usize>()
        - differences.iter().map(Vec::len).sum::<usize>();

    let tasks: Vec<TaskDifference> = base
        .keys()
        .zip(&differences)
        .map(|(task, values)| TaskDifference {
            task: (*task).to_owned(),
            documents: values.len(),
            difference: mean(values.iter().copied(), values.len()),
        })
        .collect();

    let mut generator = Xoshiro256::new(bootstrap.seed);
    let mut averages: Vec<f64> = (0..bootstrap.resamples)
        .map(|_| {
            let means = differences.iter().map(|values| {
                let drawn = (0..values.len()).map(|_| values[generator.index(values.len())]);
                mean(drawn, values.len())
            });
            mean(means, differences.len())
        })
        .collect();
    averages.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - bootstrap.level) / 2.0;

    Ok(PairedDifference {
        difference: mean(tasks.iter().map(|task| task.difference), tasks.len()),
        low: quantile(&averages, tail),
        high: quantile(&averages, 1.0 - tail),
        p: two_sided(&averages),
        documents: differences.iter().map(Vec::len).sum(),
        failed,
        bootstrap,
        tasks,
    })
}

/// What a task's documents are found by.
type Documents<'a> = BTreeMap<(Option<&'a str>, usize), &'a DocumentScore>;

fn by_task(tasks: &[TaskScores]) -> Result<BTreeMap<&str, (&TaskScores, Documents<'_>)>, StatsError> {
    let mut by_task = BTreeMap::new();
    for scores in tasks {
        let task = || scores.task.clone();
        if scores.documents.is_empty() {
            return Err(StatsError::EmptyTask { task: task() });
        }
        let mut documents = Documents::new();
        for score in &scores.documents {
            if let Some(value) = score.value.filter(|value| !value.is_finite()) {
                return Err(StatsError::Value { task: task(), document: label(score), value });
            }
            if documents.insert((score.subject.as_deref(), score.doc_id), score).is_some() {
                return Err(StatsError::Twice { task: task(), document: label(score) });
            }
        }
        if by_task.insert(scores.task.as_str(), (scores, documents)).is_some() {
            return Err(StatsError::TaskTwice { task: task() });
        }
    }
    Ok(by_task)
}

/// New minus base, document by document, in the documents' order, without those that one of the two failed on.
fn differences(
    (base, base_documents): &(&TaskScores, Documents<'_>),
    (new, new_documents): &(&TaskScores, Documents<'_>),
) -> Result<Vec<f64>, StatsError> {
    let task = || base.task.clone();
    if base.version != new.version {
        return Err(StatsError::Version { task: task(), base: base.version.clone(), new: new.version.clone() });
    }
    for (here, there, missing_in) in
        [(base_documents, new_documents, Side::New), (new_documents, base_documents, Side::Base)]
    {
        if let Some((_, score)) = here.iter().find(|(key, _)| !there.contains_key(*key)) {
            return Err(StatsError::MissingDocument { task: task(), document: label(score), missing_in });
        }
    }
    let mut differences = Vec::with_capacity(base_documents.len());
    for (base, new) in base_documents.values().zip(new_documents.values()) {
        if base.doc_hash != new.doc_hash {
            return Err(StatsError::Changed { task: task(), document: label(base) });
        }
        if let (Some(base), Some(new)) = (base.value, new.value) {
            differences.push(new - base);
        }
    }
    if differences.is_empty() {
        return Err(StatsError::EmptyTask { task: task() });
    }
    Ok(differences)
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

fn label(score: &DocumentScore) -> String {
    match &score.subject {
        Some(subject) => format!("{subject}/{}", score.doc_id),
        None => score.doc_id.to_string(),
    }
}

fn mean(values: impl Iterator<Item = f64>, count: usize) -> f64 {
    values.sum::<f64>() / count as f64
}

/// Quantile of sorted values, linear between neighbours (type 7 of Hyndman and Fan 1996, `NumPy`'s default).
fn quantile(sorted: &[f64], probability: f64) -> f64 {
    let position = probability * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (sorted[above] - sorted[below]) * (position - below as f64)
}

/// Twice the part of `averages` on the smaller side of zero, zero itself on both; one resample is counted in addition, as
/// no finite number of them makes a probability of zero (Davison and Hinkley 1997, section 4.2).
fn two_sided(averages: &[f64]) -> f64 {
    // Sums of fractions miss zero by their last bits.
    let tolerance = 1e-12;
    let below = averages.iter().filter(|&&average| average <= tolerance).count();
    let above = averages.iter().filter(|&&average| average >= -tolerance).count();
    (2.0 * (below.min(above) + 1) as f64 / (averages.len() + 1) as f64).min(1.0)
}

/// One of the two systems that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// What is compared against.
    Base,
    /// What is compared.
    New,
}

impl std::fmt::Display for Side {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Base => "base",
            Self::New => "new",
        })
    }
}

/// Two systems cannot be compared.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum StatsError {
    /// No tasks at all.
    #[error("there is no task to compare")]
    Empty,
    /// A task without documents.
    #[error("task `{task}` has no documents to compare")]
    EmptyTask {
        /// The task.
        task: String,
    },
    /// A task on one side only.
    #[error("task `{task}` is missing in the {missing_in} results")]
    MissingTask {
        /// The task.
        task: String,
        /// The side without it.
        missing_in: Side,
    },
    /// A task twice on one side.
    #[error("task `{task}` is there twice")]
    TaskTwice {
        /// The task.
        task: String,
    },
    /// Two versions of a task's definition.
    #[error("task `{task}` has version {base} in the base results and {new} in the new ones")]
    Version {
        /// The task.
        task: String,
        /// The base's version.
        base: String,
        /// The new version.
        new: String,
    },
    /// A document on one side only.
    #[error("document {document} of task `{task}` is missing in the {missing_in} results")]
    MissingDocument {
        /// The task.
        task: String,
        /// The document.
        document: String,
        /// The side without it.
        missing_in: Side,
    },
    /// A document twice on one side.
    #[error("document {document} of task `{task}` is there twice")]
    Twice {
        /// The task.
        task: String,
        /// The document.
        document: String,
    },
    /// The same row with other contents.
    #[error("document {document} of task `{task}` is not the same in both results")]
    Changed {
        /// The task.
        task: String,
        /// The document.
        document: String,
    },
    /// A score that is not a number.
    #[error("document {document} of task `{task}` has the score {value}")]
    Value {
        /// The task.
        task: String,
        /// The document.
        document: String,
        /// The score.
        value: f64,
    },
    /// No resamples, or a level that is no confidence.
    #[error("a bootstrap of {resamples} resamples at level {level} is not possible")]
    Settings {
        /// Resamples asked for.
        resamples: usize,
        /// Level asked for.
        level: f64,
    },
}
