//! What a leaderboard says, before anything is drawn.

use serde::{Deserialize, Serialize};

use crate::MetricKey;
use crate::results::{RECORD_VERSION, TaskResults, Timing};
use crate::stats::{Bootstrap, PairedDifference, StatsError, TaskScores, paired_difference};

/// A system's results on every task.
#[derive(Clone, Debug)]
pub struct SystemResults {
    /// Its name.
    pub system: String,
    /// How many models take part; 1 is a single model.
    pub members: usize,
    /// Its tasks, in the order of the columns.
    pub tasks: Vec<TaskResults>,
    /// Its documents' scores, task by task.
    pub scores: Vec<TaskScores>,
}

/// Systems as rows, tasks as columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaderboard {
    /// Version of this record.
    pub version: u32,
    /// The tasks.
    pub columns: Vec<Column>,
    /// The systems.
    pub rows: Vec<Row>,
    /// Every ensemble's average against that of the best single model.
    pub comparisons: Vec<Comparison>,
}

/// A task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Column {
    /// The task's name.
    pub task: String,
    /// The version of its definition.
    pub version: String,
    /// Shots in front of every prompt.
    pub num_fewshot: usize,
    /// The metric shown.
    pub metric: MetricKey,
    /// Documents evaluated.
    pub documents: usize,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Its name.
    pub system: String,
    /// How many models take part.
    pub members: usize,
    /// One score per column.
    pub scores: Vec<Estimate>,
    /// The plain average over tasks; its standard error takes the tasks as independent.
    pub average: Estimate,
    /// Time and tokens of each column.
    pub timings: Vec<Timing>,
    /// Time and tokens of all columns together.
    pub timing: Timing,
}

/// A score, 0 to 1, with its uncertainty.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// Its value.
    pub value: f64,
    /// Its standard error, where one is defined.
    pub stderr: Option<f64>,
}

/// An ensemble's average against that of the best single model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// The ensemble.
    pub system: String,
    /// The single model with the highest average.
    pub baseline: String,
    /// By how much the ensemble is above it, paired by document.
    #[serde(flatten)]
    pub paired: PairedDifference,
}

impl Leaderboard {
    /// Lines up systems that did the same tasks in the same order. Compares nothing; [`compare`](Self::compare) does.
    pub fn new(systems: &[SystemResults]) -> Self {
        let columns = systems.first().map_or(&[][..], |system| &system.tasks).iter().map(Column::new).collect();
        let rows = systems.iter().map(Row::new).collect();
        Self { version: RECORD_VERSION, columns, rows, comparisons: Vec::new() }
    }

    /// Compares every ensemble with the best single model, if there are both; gives back the ensembles that could not
    /// be compared, and why.
    pub fn compare(&mut self, systems: &[SystemResults], bootstrap: Bootstrap) -> Vec<(String, StatsError)> {
        let mut failed = Vec::new();
        self.comparisons.clear();
        let Some(best) = self.best_single().and_then(|row| systems.iter().find(|s| s.system == row.system)) else {
            return failed;
        };
        for system in systems.iter().filter(|system| system.members > 1) {
            match paired_difference(&best.scores, &system.scores, bootstrap) {
                Ok(paired) => self.comparisons.push(Comparison {
                    system: system.system.clone(),
                    baseline: best.system.clone(),
                    paired,
                }),
                Err(error) => failed.push((system.system.clone(), error)),
            }
        }
        failed
    }

    /// The single model with the highest average; the first of equals.
    pub fn best_single(&self) -> Option<&Row> {
        let mut best: Option<&Row> = None;
        for row in self.rows.iter().filter(|row| row.members == 1) {
            if best.is_none_or(|best| row.average.value > best.average.value) {
                best = Some(row);
            }
        }
        best
    }

    /// Documents of a column; of all of them for the average.
    pub(super) fn documents(&self, column: Option<&Column>) -> usize {
        column.map_or_else(|| self.columns.iter().map(|column| column.documents).sum(), |column| column.documents)
    }

    /// Whether `score` is the highest of its column, or as high as it, as far as two decimals of a percentage show. A
    /// leaderboard of one row has no best.
    pub(super) fn is_best(&self, score: Estimate, column: impl Fn(&Row) -> Estimate) -> bool {
        let shown = |score: Estimate| (score.value * 10_000.0).round();
        self.rows.len() > 1 && self.rows.iter().all(|row| shown(column(row)) <= shown(score))
    }
}

impl Column {
    fn new(results: &TaskResults) -> Self {
        Self {
            task: results.task.clone(),
            version: results.task_version.clone(),
            num_fewshot: results.num_fewshot,
            metric: results.primary.clone(),
            documents: results.documents,
        }
    }
}

impl Row {
    fn new(system: &SystemResults) -> Self {
        let scores: Vec<Estimate> =
            system.tasks.iter().map(|task| Estimate { value: task.value, stderr: task.stderr }).collect();
        let timings: Vec<Timing> = system.tasks.iter().map(|task| task.timing).collect();
        Self {
            system: system.system.clone(),
            members: system.members,
            average: Estimate::average(&scores),
            scores,
            timing: Timing::total(&timings),
            timings,
        }
    }
}

impl Estimate {
    fn average(scores: &[Self]) -> Self {
        let count = scores.len() as f64;
        let variance: Option<f64> = scores.iter().map(|score| score.stderr.map(|stderr| stderr * stderr)).sum();
        Self {
            value: scores.iter().map(|score| score.value).sum::<f64>() / count,
            stderr: variance.map(|variance| variance.sqrt() / count),
        }
    }
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;
    use crate::stats::TaskDifference;

    /// Two models and an ensemble on two tasks, one of which generates nothing.
    pub(in crate::report) fn leaderboard() -> Leaderboard {
        let column = |task: &str, metric: &str, num_fewshot, documents| Column {
            task: task.to_owned(),
            version: "1".to_owned(),
            num_fewshot,
            metric: MetricKey { metric: metric.to_owned(), filter: "none".to_owned() },
            documents,
        };
        let row = |system: &str, members, [mmlu, arc]: [(f64, Option<f64>); 2], ms: f64, ensembled| {
            let scores = [mmlu, arc].map(|(value, stderr)| Estimate { value, stderr });
            let mut generated = Timing::default();
            generated.add(1000, ensembled, &[1000]);
            generated.finish(ms + 1.0, ms, 1);
            let mut scored = Timing::default();
            scored.finish(1.0, 0.0, 1);
            Row {
                system: system.to_owned(),
                members,
                average: Estimate::average(&scores),
                scores: scores.to_vec(),
                timing: Timing::total([&generated, &scored]),
                timings: vec![generated, scored],
            }
        };
        let tasks = [("mmlu_flan_n_shot_generative", 400, 0.125), ("arc_easy", 200, 0.0)];
        Leaderboard {
            version: RECORD_VERSION,
            columns: vec![
                column("mmlu_flan_n_shot_generative", "exact_match", 2, 400),
                column("arc_easy", "acc", 0, 200),
            ],
            rows: vec![
                row("mini-llama", 1, [(0.5, Some(0.025)), (0.6025, Some(0.01))], 10.0, 0),
                row("mini-qwen", 1, [(0.4, Some(0.024)), (0.3, None)], 12.0, 0),
                row("GaC every step", 2, [(0.625, Some(0.0121)), (0.6025, Some(0.009))], 23.5, 432),
            ],
            comparisons: vec![Comparison {
                system: "GaC every step".to_owned(),
                baseline: "mini-llama".to_owned(),
                paired: PairedDifference {
                    difference: 0.0625,
                    low: 0.01,
                    high: 0.115,
                    documents: 600,
                    bootstrap: Bootstrap::default(),
                    tasks: tasks
                        .map(|(task, documents, difference)| TaskDifference {
                            task: task.to_owned(),
                            documents,
                            difference,
                        })
                        .to_vec(),
                },
            }],
        }
    }
}
