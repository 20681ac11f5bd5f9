//! What a leaderboard says, before anything is drawn.

use serde::{Deserialize, Serialize};

use super::estimate::{Estimate, ScoreUnit};
use super::group_table::GroupTable;
use crate::frames::FrameError;
use crate::results::{RECORD_VERSION, SystemResults, TaskResults, Timing};
use crate::stats::{Bootstrap, PairedDifference, StatsError, TaskScores, paired_difference};
use crate::task::MetricKey;

/// Systems as rows, tasks as columns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Leaderboard {
    /// Version of this record.
    pub version: u32,
    /// The tasks.
    pub columns: Vec<Column>,
    /// The systems.
    pub rows: Vec<SystemRow>,
    /// The groups of the tasks, for which lm-evaluation-harness reports figures too.
    #[serde(default, skip_serializing_if = "GroupTable::is_empty")]
    pub groups: GroupTable,
    /// Every ensemble's average against that of the best single model.
    pub comparisons: Vec<AgainstBest>,
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
    /// Protocols that some rows have instead, where mixing them was asked for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub mixed: Vec<String>,
}

/// A system.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SystemRow {
    /// Its name.
    pub system: String,
    /// How many models take part.
    pub members: usize,
    /// Those of them that compute on servers, with what these say of themselves.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<String>,
    /// One score per column; none for a task that it did not do.
    pub scores: Vec<Option<Estimate>>,
    /// Documents of each column that failed, and are in no score.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub failed: Vec<usize>,
    /// The plain average over tasks that have shares, where it did all; its standard error takes the tasks as independent.
    pub average: Option<Estimate>,
    /// Time and tokens of each column; none for a task that it did not do.
    pub timings: Vec<Option<Timing>>,
    /// Time and tokens of all columns together.
    pub timing: Timing,
}

/// An ensemble's average against that of the best single model.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AgainstBest {
    /// The ensemble.
    pub system: String,
    /// The single model with the highest average: of its members, where one of them has a row; else of all.
    pub baseline: String,
    /// Whether the baseline is one of its members.
    #[serde(default)]
    pub is_member: bool,
    /// By how much the ensemble is above it, paired by document.
    #[serde(flatten)]
    pub paired: PairedDifference,
}

/// Whether rows of different protocols may stand in one column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mixing {
    /// They may not: their scores do not compare.
    Refused,
    /// They may; the column says so.
    Allowed,
}

/// Rows of one column were made by different protocols.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("column `{task}` would mix protocols: {first_system} has {first}, {other_system} has {other}")]
pub struct MixedProtocols {
    /// The task.
    pub task: String,
    /// A system.
    pub first_system: String,
    /// Its protocol.
    pub first: String,
    /// Another system.
    pub other_system: String,
    /// Its protocol.
    pub other: String,
}

/// Systems cannot be lined up.
#[derive(Debug, thiserror::Error)]
pub enum LeaderboardError {
    /// A column would mix protocols.
    #[error(transparent)]
    Mixed(#[from] MixedProtocols),
    /// A table cannot be worked out.
    #[error(transparent)]
    Frame(#[from] FrameError),
}

impl Leaderboard {
    /// Lines up systems; a task is a column where some system did it. Compares nothing; [`compare`](Self::compare) does.
    ///
    /// # Errors
    /// When a table cannot be worked out.
    pub fn new(systems: &[SystemResults]) -> Result<Self, FrameError> {
        let mut columns: Vec<Column> = Vec::new();
        for task in systems.iter().flat_map(|system| &system.tasks) {
            let column = Column::new(task);
            match columns.iter_mut().find(|known| known.task == column.task) {
                Some(known) if known.protocol() == column.protocol() => {}
                Some(known) if known.mixed.contains(&column.protocol()) => {}
                Some(known) => known.mixed.push(column.protocol()),
                None => columns.push(column),
            }
        }
        let rows = systems.iter().map(|system| SystemRow::new(system, &columns)).collect();
        let groups = GroupTable::new(systems)?;
        Ok(Self { version: RECORD_VERSION, columns, rows, groups, comparisons: Vec::new() })
    }

    /// Lines up systems of several runs.
    ///
    /// # Errors
    /// When a column would mix protocols, and that is refused; when a table cannot be worked out.
    pub fn merge(systems: &[SystemResults], mixing: Mixing) -> Result<Self, LeaderboardError> {
        let leaderboard = Self::new(systems)?;
        let Some(mixed) = leaderboard.columns.iter().find(|column| !column.mixed.is_empty()) else {
            return Ok(leaderboard);
        };
        if mixing == Mixing::Allowed {
            return Ok(leaderboard);
        }
        let has = |protocol: &String| {
            let made_by = |system: &&SystemResults| {
                system.tasks.iter().any(|task| task.task == mixed.task && Column::new(task).protocol() == *protocol)
            };
            systems.iter().find(made_by).map_or_else(String::new, |system| format!("`{}`", system.system))
        };
        let (first_system, other_system) = (has(&mixed.protocol()), has(&mixed.mixed[0]));
        let (first, other) = (mixed.protocol(), mixed.mixed[0].clone());
        Err(MixedProtocols { task: mixed.task.clone(), first_system, first, other_system, other }.into())
    }

    /// Compares every ensemble with the best of its members, or where none of them has a row with the best single
    /// model; gives back the ensembles that could not be compared, and why.
    pub fn compare(&mut self, systems: &[SystemResults], bootstrap: Bootstrap) -> Vec<(String, StatsError)> {
        let mut failed = Vec::new();
        self.comparisons.clear();
        for (index, system) in systems.iter().enumerate().filter(|(_, system)| system.members.len() > 1) {
            // Nothing to average over: it did not do every task.
            if self.rows[index].average.is_none() {
                continue;
            }
            let is_member = |other: &SystemResults| other.members.iter().all(|name| system.members.contains(name));
            let member = self.best(systems, is_member);
            let Some(best) = member.or_else(|| self.best(systems, |_| true)) else { continue };
            let best = &systems[best];
            match paired_difference(&self.shares(best), &self.shares(system), bootstrap) {
                Ok(paired) => self.comparisons.push(AgainstBest {
                    system: system.system.clone(),
                    baseline: best.system.clone(),
                    is_member: member.is_some(),
                    paired,
                }),
                Err(error) => failed.push((system.system.clone(), error)),
            }
        }
        failed
    }

    /// The scores of a system on the tasks that have shares.
    fn shares(&self, system: &SystemResults) -> Vec<TaskScores> {
        let has_shares =
            |task: &str| self.columns.iter().all(|column| column.task != task || column.unit() == ScoreUnit::Share);
        system.scores.iter().filter(|scores| has_shares(&scores.task)).cloned().collect()
    }

    /// The single model with the highest average; the first of equals.
    pub fn best_single(&self) -> Option<&SystemRow> {
        let mut best: Option<&SystemRow> = None;
        for row in self.rows.iter().filter(|row| row.members == 1 && row.average.is_some()) {
            if best.is_none_or(|best| row.average_value() > best.average_value()) {
                best = Some(row);
            }
        }
        best
    }

    /// The place of the single model with the highest average among those that are `wanted`; the first of equals.
    fn best(&self, systems: &[SystemResults], wanted: impl Fn(&SystemResults) -> bool) -> Option<usize> {
        let mut best: Option<usize> = None;
        for (index, system) in systems.iter().enumerate() {
            let row = &self.rows[index];
            let fits = system.members.len() == 1 && row.average.is_some() && wanted(system);
            if fits && best.is_none_or(|best| row.average_value() > self.rows[best].average_value()) {
                best = Some(index);
            }
        }
        best
    }

    /// Documents of a column; of all of them for the average.
    pub(super) fn documents(&self, column: Option<&Column>) -> usize {
        column.map_or_else(|| self.columns.iter().map(|column| column.documents).sum(), |column| column.documents)
    }

    /// Whether `score` is the best of its column, or as good as it, as far as two decimals show. A leaderboard of one row has
    /// no best.
    pub(super) fn is_best(&self, score: Estimate, column: impl Fn(&SystemRow) -> Option<Estimate>) -> bool {
        let shown = |score: Estimate| match score.unit {
            ScoreUnit::Share => (score.value * 10_000.0).round(),
            ScoreUnit::Perplexity => -(score.value * 100.0).round(),
        };
        self.rows.len() > 1 && self.rows.iter().filter_map(column).all(|other| shown(other) <= shown(score))
    }

    /// The comparison of a system, if there is one.
    pub(super) fn comparison(&self, system: &str) -> Option<&AgainstBest> {
        self.comparisons.iter().find(|comparison| comparison.system == system)
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
            mixed: Vec::new(),
        }
    }

    fn unit(&self) -> ScoreUnit {
        ScoreUnit::of(&self.metric.metric)
    }

    /// What scores of a column must have in common to compare: `5-shot, version 3, exact_match,none, 1319 documents`.
    pub fn protocol(&self) -> String {
        format!("{}-shot, version {}, {}, {} documents", self.num_fewshot, self.version, self.metric, self.documents)
    }
}

fn shares(scores: Vec<Estimate>) -> Vec<Estimate> {
    scores.into_iter().filter(|score| score.unit == ScoreUnit::Share).collect()
}

impl SystemRow {
    fn new(system: &SystemResults, columns: &[Column]) -> Self {
        let of = |column: &Column| system.tasks.iter().find(|task| task.task == column.task);
        let scores: Vec<Option<Estimate>> = columns
            .iter()
            .map(|column| {
                of(column).map(|task| Estimate { value: task.value, stderr: task.stderr, unit: column.unit() })
            })
            .collect();
        let timings: Vec<Option<Timing>> = columns.iter().map(|column| of(column).map(|task| task.timing)).collect();
        let failed: Vec<usize> =
            columns.iter().map(|column| of(column).map_or(0, |task| task.outcomes.failed)).collect();
        let all: Option<Vec<Estimate>> = scores.iter().copied().collect();
        Self {
            system: system.system.clone(),
            members: system.members.len(),
            served: system.served.clone(),
            average: all.map(shares).filter(|shares| !shares.is_empty()).map(|shares| Estimate::average(&shares)),
            scores,
            failed: if failed.iter().all(|&failed| failed == 0) { Vec::new() } else { failed },
            timing: Timing::total(timings.iter().flatten()),
            timings,
        }
    }

    /// Documents that failed, over all columns.
    pub fn all_failed(&self) -> usize {
        self.failed.iter().sum()
    }

    fn average_value(&self) -> f64 {
        self.average.map_or(f64::NEG_INFINITY, |average| average.value)
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
            mixed: Vec::new(),
        };
        let row = |system: &str, members, [mmlu, arc]: [(f64, Option<f64>); 2], ms: f64, ensembled| {
            let scores = [mmlu, arc].map(|(value, stderr)| Estimate::share(value, stderr));
            let mut generated = Timing::default();
            generated.add(1000, ensembled, &[1000]);
            generated.finish(ms + 1.0, ms, 1);
            let mut scored = Timing::default();
            scored.finish(1.0, 0.0, 1);
            SystemRow {
                system: system.to_owned(),
                members,
                served: Vec::new(),
                average: Some(Estimate::average(&scores)),
                scores: scores.map(Some).to_vec(),
                failed: Vec::new(),
                timing: Timing::total([&generated, &scored]),
                timings: vec![Some(generated), Some(scored)],
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
            groups: GroupTable::default(),
            comparisons: vec![AgainstBest {
                system: "GaC every step".to_owned(),
                baseline: "mini-llama".to_owned(),
                is_member: false,
                paired: PairedDifference {
                    difference: 0.0625,
                    low: 0.01,
                    high: 0.115,
                    p: 0.02,
                    documents: 600,
                    failed: 0,
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

#[cfg(test)]
mod tests;
